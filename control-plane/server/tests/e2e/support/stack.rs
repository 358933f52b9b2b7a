//! A control plane of its own for every test.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Answer, Client};
use super::documents::{gateway, shard_map};
use super::loopback::{address, at};
use super::process::{Process, run, weir};
use super::proxy::Proxy;
use super::shards::Shard;
use super::wait::until;

const REST_PORT: u16 = 8_600;
const XDS_PORT: u16 = 18_000;

/// The server's log is in `home`, so it is declared, and dropped, before it.
pub(crate) struct Stack {
    pub(crate) ip: IpAddr,
    pub(crate) server: Process,
    pub(crate) home: TempDir,
    pub(crate) api: Client,
    pub(crate) shards: Vec<Shard>,
}

impl Stack {
    /// A control plane with nothing in it, and four shards that answer: a, b, c, d.
    pub(crate) async fn empty() -> Self {
        let ip = address();
        let home = tempfile::tempdir().unwrap();
        let server = start_server(ip, &home, &[]);
        let api = Client::new(at(ip, REST_PORT));
        let mut shards = Vec::new();
        for name in ["a", "b", "c", "d"] {
            shards.push(Shard::start(ip, name).await);
        }
        let mut stack = Self {
            ip,
            home,
            api,
            shards,
            server,
        };
        stack.ready().await;
        stack
    }

    /// The same with a Gateway and a map over the shards a, b and c.
    pub(crate) async fn sharded() -> Self {
        let stack = Self::empty().await;
        let mut documents = stack.backends();
        documents.extend([gateway(stack.ip), shard_map(&["a", "b", "c"])]);
        stack.apply(documents).await;
        stack
    }

    /// One Backend for each of the four shards.
    pub(crate) fn backends(&self) -> Vec<Value> {
        self.shards.iter().map(Shard::backend).collect()
    }

    /// Applies documents that must be taken.
    pub(crate) async fn apply(&self, documents: Vec<Value>) {
        let answer = self.try_apply(documents).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }

    pub(crate) async fn try_apply(&self, documents: Vec<Value>) -> Answer {
        self.api
            .json(Method::POST, "/v1/apply", &json!({"documents": documents}))
            .await
    }

    /// Every document, as the API answers them.
    pub(crate) async fn documents(&self) -> Value {
        self.api.get("/v1/documents", &[]).await.json()
    }

    /// What the API says of a proxy.
    pub(crate) async fn proxy_status(&self, id: &str) -> Option<Value> {
        let answer = self.api.get("/v1/proxies", &[]).await.json();
        answer["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|proxy| proxy["id"] == id)
            .cloned()
    }

    /// A proxy of the Gateway `edge`, run by `weir proxy run`.
    pub(crate) async fn proxy(&self, id: &str, workers: u32) -> Proxy {
        Proxy::start(self, id, "default/edge", workers).await
    }

    pub(crate) fn rest(&self) -> String {
        format!("http://{}", at(self.ip, REST_PORT))
    }

    pub(crate) fn xds(&self) -> String {
        at(self.ip, XDS_PORT).to_string()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs `weir` against this control plane.
    pub(crate) fn weir(&self, arguments: &[&str]) -> Output {
        let mut command = weir();
        command.args(arguments).args(["--server", &self.rest()]);
        run(command)
    }

    /// Starts the control plane anew, on the same data.
    pub(crate) async fn restart(&mut self, arguments: &[&str]) {
        self.server = start_server(self.ip, &self.home, arguments);
        self.ready().await;
    }

    async fn ready(&mut self) {
        let (api, server) = (self.api.clone(), &mut self.server);
        until("the control plane is up", async || {
            server.assert_alive();
            api.send(Method::GET, "/healthz", &[], "").await.ok()
        })
        .await;
    }
}

/// `weir serve` at an address of its own.
pub(crate) fn serve(ip: IpAddr, data: &std::path::Path) -> Command {
    let mut command = weir();
    command.args(["serve", "--listen", &at(ip, REST_PORT).to_string()]);
    command
        .args(["--xds-listen", &at(ip, XDS_PORT).to_string(), "--data-dir"])
        .arg(data);
    command
}

fn start_server(ip: IpAddr, home: &TempDir, arguments: &[&str]) -> Process {
    let mut command = serve(ip, &home.path().join("data"));
    command.args(arguments);
    Process::start(command, &home.path().join("serve.log"))
}
