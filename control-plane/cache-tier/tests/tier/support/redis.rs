//! A Redis of a test's own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use redis::Value;
use tempfile::TempDir;

use super::{address, until};

const HINT: &str = "run ./scripts/test, which installs it, or on Debian: apt-get install redis-server";

/// Ends when it is dropped.
pub(crate) struct Redis {
    pub(crate) address: SocketAddr,
    child: Option<Child>,
    folder: TempDir,
    options: Vec<String>,
}

impl Redis {
    /// One that answers.
    pub(crate) async fn start() -> Self {
        Self::at(SocketAddr::new(address(), 6379), &[]).await
    }

    pub(crate) async fn at(address: SocketAddr, options: &[&str]) -> Self {
        let mut redis = Self::absent(address);
        redis.options = options.iter().map(|option| (*option).to_owned()).collect();
        redis.launch().await;
        redis
    }

    /// One that is not there yet.
    pub(crate) fn absent(address: SocketAddr) -> Self {
        Self {
            address,
            child: None,
            folder: tempfile::tempdir().unwrap(),
            options: Vec::new(),
        }
    }

    /// Starts it, for the first time or again.
    pub(crate) async fn launch(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let mut command = Command::new("redis-server");
        command
            .args([
                "--bind",
                &self.address.ip().to_string(),
                "--port",
                &self.address.port().to_string(),
            ])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let child = command.spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("redis-server: {error}: {HINT}")));
        until("redis-server answers", async || {
            self.assert_alive();
            self.command(&["PING"]).await.is_ok()
        })
        .await;
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("redis.log")
    }

    fn assert_alive(&mut self) {
        if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            panic!("redis-server ended with {status}:\n{log}");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The process's signals: it stops as if the machine hung, and goes on.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// On a connection of its own.
    pub(crate) async fn command(&self, words: &[&str]) -> redis::RedisResult<Value> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        command.query_async(&mut connection).await
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
