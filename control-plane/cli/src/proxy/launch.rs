//! Running Envoy: modules first, then the bootstrap, then the process and its signals.

use std::convert::Infallible;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

use super::bootstrap::Bootstrap;
use super::{RunOptions, envoy};
use crate::client::Client;
use crate::console::{self, Console};
use crate::failure::Failure;
use crate::modules::folder::Folder;
use crate::modules::pull;

/// The time between two looks at the control plane's modules.
const PULL_INTERVAL: Duration = Duration::from_secs(2);

pub(super) async fn run(
    options: &RunOptions,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let binary = envoy::find(options.envoy.as_deref()).await?;
    let bootstrap = options.node.bootstrap(client, console)?;
    let folder = Folder::new(&bootstrap.modules_dir);
    first_pull(client, &folder, console).await?;
    // Envoy reads the file at its start; it goes with this function.
    let file = write(&bootstrap)?;
    console.note(format!(
        "proxy {} of {}: admin http://{}",
        bootstrap.id, bootstrap.gateway, bootstrap.admin
    ));
    let status = supervise(
        command(&binary, options, file.path()),
        keep_pulling(client, &folder, console),
    )
    .await?;
    match exit_code(status) {
        0 => Ok(()),
        code => Err(Failure::Child(code)),
    }
}

/// Fetches the modules; without a control plane, those that are there have to do.
async fn first_pull(client: &Client, folder: &Folder, console: &mut Console<'_>) -> Result<(), Failure> {
    let Err(failure) = pull::pull(client, folder, console).await else {
        return Ok(());
    };
    let is_complete = |catalog: &_| folder.problems(catalog).is_ok_and(|problems| problems.is_empty());
    match folder.catalog() {
        Ok(catalog) if is_complete(&catalog) => {
            console.note(format!("{failure}\nstarting with the modules that are there"));
            Ok(())
        }
        _ => Err(failure),
    }
}

/// Fetches what the control plane names from now on. An error is told once, until it changes.
async fn keep_pulling(client: &Client, folder: &Folder, console: &mut Console<'_>) -> Infallible {
    let mut told = None;
    loop {
        tokio::time::sleep(PULL_INTERVAL).await;
        let error = pull::pull(client, folder, console)
            .await
            .err()
            .map(|failure| failure.to_string());
        if error != told {
            console.note(error.as_deref().unwrap_or("modules are up to date again"));
            told = error;
        }
    }
}

fn write(bootstrap: &Bootstrap) -> Result<NamedTempFile, Failure> {
    let text = console::json(&bootstrap.to_value())?;
    let fail = |error| Failure::file("write", &std::env::temp_dir(), &error);
    let mut file = tempfile::Builder::new()
        .prefix("weir-bootstrap-")
        .suffix(".json")
        .tempfile()
        .map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    Ok(file)
}

fn command(binary: &Path, options: &RunOptions, bootstrap: &Path) -> Command {
    let mut command = Command::new(binary);
    // Hot restart shares memory between Envoys of one base id, so that a second proxy on the host would not start.
    command
        .arg("--config-path")
        .arg(bootstrap)
        .arg("--disable-hot-restart")
        .kill_on_drop(true);
    if let Some(workers) = options.concurrency {
        command.arg("--concurrency").arg(workers.to_string());
    }
    if let Some(drain) = options.drain_time {
        command
            .arg("--drain-time-s")
            .arg(drain.as_millis().div_ceil(1_000).to_string());
    }
    command.args(&options.extra);
    command
}

/// Runs the process to its end; signals go on to it, and `beside` runs beside it.
async fn supervise(
    mut command: Command,
    beside: impl Future<Output = Infallible>,
) -> Result<ExitStatus, Failure> {
    let failed = |what: &str, error: std::io::Error| Failure::Refused(format!("cannot {what}: {error}"));
    let mut term = signal(SignalKind::terminate()).map_err(|error| failed("listen for SIGTERM", error))?;
    let mut int = signal(SignalKind::interrupt()).map_err(|error| failed("listen for SIGINT", error))?;
    let mut hup = hangups().map_err(|error| failed("listen for SIGHUP", error))?;
    let mut child = command.spawn().map_err(|error| failed("run Envoy", error))?;
    tokio::pin!(beside);
    loop {
        tokio::select! {
            status = child.wait() => return status.map_err(|error| failed("wait for Envoy", error)),
            _ = term.recv() => forward(&child, Signal::TERM),
            _ = int.recv() => forward(&child, Signal::INT),
            // Envoy itself takes no notice of SIGHUP, and would stay when the terminal goes.
            () = next(&mut hup) => forward(&child, Signal::TERM),
            never = &mut beside => match never {},
        }
    }
}

/// Listens for SIGHUP, unless it is ignored from the start: so nohup(1) keeps a command when its terminal goes.
fn hangups() -> std::io::Result<Option<Listener>> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // A mask in hexadecimal; its lowest bit is signal 1, SIGHUP.
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    if mask.is_some_and(|mask| mask & 1 == 1) {
        return Ok(None);
    }
    signal(SignalKind::hangup()).map(Some)
}

async fn next(listener: &mut Option<Listener>) {
    match listener {
        Some(listener) => drop(listener.recv().await),
        None => std::future::pending().await,
    }
}

/// A process that has ended meanwhile needs no signal.
fn forward(child: &Child, signal: Signal) {
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

/// A process that a signal ended has the shell's code for it.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
