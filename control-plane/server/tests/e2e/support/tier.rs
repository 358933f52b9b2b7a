//! `weir cache-tier`, as a process.

use std::net::SocketAddr;
use std::process::Command;

use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::Client;
use super::documents::document;
use super::loopback::{address, at};
use super::process::{Process, weir};
use super::redis::Redis;
use super::wait::until;

const PORT: u16 = 8_700;

/// The process's log is in `home`, so it is declared, and dropped, before it.
pub(crate) struct Tier {
    pub(crate) client: Client,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    arguments: Vec<String>,
    home: TempDir,
}

impl Tier {
    /// Starts one and waits until it has Redis.
    pub(crate) async fn start(redis: &Redis, arguments: &[&str]) -> Self {
        Self::with(redis, &[&["--redis-timeout", "5s"], arguments].concat()).await
    }

    /// One that soon gives up on Redis.
    pub(crate) async fn hasty(redis: &Redis) -> Self {
        Self::with(redis, &["--redis-timeout", "50ms"]).await
    }

    async fn with(redis: &Redis, arguments: &[&str]) -> Self {
        let (address, home) = (at(address(), PORT), tempfile::tempdir().unwrap());
        let url = redis.url();
        let own = ["--redis", url.as_str()];
        let arguments: Vec<String> = own
            .iter()
            .chain(arguments)
            .map(|text| (*text).to_owned())
            .collect();
        let process = Process::start(command(address, &arguments), &home.path().join("tier.log"));
        let mut tier = Self {
            client: Client::new(address),
            process,
            address,
            arguments,
            home,
        };
        tier.ready().await;
        tier
    }

    /// Starts anew, at the same address.
    pub(crate) async fn restart(&mut self) {
        let log = self.home.path().join("tier.log");
        self.process = Process::start(command(self.address, &self.arguments), &log);
        self.ready().await;
    }

    async fn ready(&mut self) {
        let (client, process) = (self.client.clone(), &mut self.process);
        until("the tier has Redis", async || {
            process.assert_alive();
            let health = client.send(Method::GET, "/healthz", &[], "").await.ok()?;
            health.text().contains(r#""redis":"up""#).then_some(())
        })
        .await;
    }

    /// The Backend by which proxies know it.
    pub(crate) fn backend(&self) -> Value {
        let (ip, port) = (self.address.ip(), self.address.port());
        let endpoint = json!({"address": ip.to_string(), "port": port});
        document(
            "Backend",
            "tier",
            json!({"endpoints": [endpoint], "protocol": "http2"}),
        )
    }

    /// Waits until it has heard from its control plane, and stores.
    pub(crate) async fn knows_purges(&self) {
        until("the tier knows where to begin", async || {
            self.metric("weir_cache_tier_purge_revision").await.map(drop)
        })
        .await;
    }

    pub(crate) async fn metric(&self, name: &str) -> Option<String> {
        let metrics = self.client.get("/metrics", &[]).await.text();
        let line = metrics.lines().find(|line| line.starts_with(name))?;
        Some(line.rsplit_once(' ')?.1.to_owned())
    }
}

fn command(address: SocketAddr, arguments: &[String]) -> Command {
    let mut command = weir();
    command
        .args(["cache-tier", "--listen", &address.to_string()])
        .args(arguments);
    command
}
