//! A real Envoy, run by `weir proxy run`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::Method;
use serde_json::Value;

use super::client::{Answer, Client};
use super::documents::PROXY_PORT;
use super::loopback::{address, at};
use super::process::{Process, weir};
use super::stack::Stack;
use super::wait::until;

const ADMIN_PORT: u16 = 9_901;

pub(crate) struct Proxy {
    pub(crate) id: String,
    pub(crate) http: Client,
    pub(crate) admin: Client,
    pub(crate) process: Process,
}

impl Proxy {
    /// Starts one and waits until it serves.
    pub(crate) async fn start(stack: &Stack, id: &str, gateway: &str, workers: u32) -> Self {
        let mut proxy = Self::launch(stack, id, gateway, workers);
        proxy.serving().await;
        proxy
    }

    /// Starts one; its listener is where the stack's Gateway says, its admin at an address of its own.
    pub(crate) fn launch(stack: &Stack, id: &str, gateway: &str, workers: u32) -> Self {
        let admin = address();
        let mut command = weir();
        command
            .args([
                "proxy",
                "run",
                "--gateway",
                gateway,
                "--id",
                id,
                "--server",
                &stack.rest(),
                "--xds",
                &stack.xds(),
            ])
            .args([
                "--admin",
                &at(admin, ADMIN_PORT).to_string(),
                "--concurrency",
                &workers.to_string(),
            ])
            .arg("--modules-dir")
            .arg(stack.path(&format!("modules-{id}")));
        let process = Process::start(command, &stack.path(&format!("{id}.log")));
        Self::of(stack.ip, admin, id, process)
    }

    pub(crate) fn of(ip: IpAddr, admin: IpAddr, id: &str, process: Process) -> Self {
        Self {
            id: id.to_owned(),
            http: Client::new(at(ip, PROXY_PORT)),
            admin: Client::new(at(admin, ADMIN_PORT)),
            process,
        }
    }

    /// Waits until its listener answers.
    pub(crate) async fn serving(&mut self) {
        let (http, process) = (self.http.clone(), &mut self.process);
        until("the proxy serves", async || {
            process.assert_alive();
            http.send(Method::GET, "/", &[], "").await.ok()
        })
        .await;
    }

    /// Which shard answers for this key.
    pub(crate) async fn shard_of(&self, key: &str) -> String {
        let answer = self.http.get("/", &[("x-user-id", key)]).await;
        assert!(answer.status.is_success(), "{key}: {answer:?}");
        answer.json()["shard"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.http.get(path, headers).await
    }

    /// Envoy's counters and gauges whose names contain `filter`.
    pub(crate) async fn stats(&self, filter: &str) -> BTreeMap<String, u64> {
        let answer = self
            .admin
            .get(&format!("/stats?format=json&filter={filter}"), &[])
            .await
            .json();
        let stats = answer["stats"].as_array().unwrap();
        stats
            .iter()
            .filter_map(|stat: &Value| Some((stat["name"].as_str()?.to_owned(), stat["value"].as_u64()?)))
            .collect()
    }

    /// The generation that every worker runs at least.
    pub(crate) async fn generation(&self) -> u64 {
        let stats = self.stats("weir_generation_in_force").await;
        stats.values().copied().min().unwrap_or_default()
    }

    /// How many VMs were made.
    pub(crate) async fn vms_created(&self) -> u64 {
        self.stats("runtime.v8.created").await.values().sum()
    }

    /// How many VMs were made again after a trap.
    pub(crate) async fn vm_reloads(&self) -> u64 {
        self.stats("vm_reload").await.values().sum()
    }
}
