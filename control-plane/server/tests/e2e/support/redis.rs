//! A Redis of a test's own.

use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use super::loopback::{address, at};
use super::process::Process;
use super::wait::until;

const PORT: u16 = 6_379;

/// Ends when it is dropped. The process's log is in its folder, so it is declared, and dropped, before it.
pub(crate) struct Redis {
    address: SocketAddr,
    process: Process,
    folder: TempDir,
}

impl Redis {
    /// Needs `redis-server`; `./scripts/test` installs it.
    pub(crate) async fn start() -> Self {
        let (address, folder) = (at(address(), PORT), tempfile::tempdir().unwrap());
        let process = listening(address, &folder).await;
        Self {
            address,
            process,
            folder,
        }
    }

    /// SIGKILL: with the process goes all that it has.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts anew, at the same address.
    pub(crate) async fn restart(&mut self) {
        self.process = listening(self.address, &self.folder).await;
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}

async fn listening(address: SocketAddr, folder: &TempDir) -> Process {
    let mut command = Command::new("redis-server");
    command
        .args(["--bind", &address.ip().to_string(), "--port", &PORT.to_string()])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path());
    let mut process = Process::start(command, &folder.path().join("redis.log"));
    until("redis-server listens", async || {
        process.assert_alive();
        tokio::net::TcpStream::connect(address).await.ok()
    })
    .await;
    process
}
