//! Envoy's process, which ends with this one, however this one ends.

use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::config;
use super::log::Log;
use super::upstream::Upstreams;
use crate::scenario::Scenario;

/// Ends Envoy when its standard input ends, as it does when the tests' process is gone.
const GUARD: &str = r#""$@" 3<&- <&- & envoy=$!; read -r _; kill $envoy; wait $envoy"#;

/// The shell that guards Envoy.
pub(super) struct Process {
    _guard: Child,
}

impl Process {
    pub(super) fn start(ip: IpAddr, scenarios: &[Scenario], upstreams: &Upstreams, log: &Log) -> Self {
        let folder = folder();
        for scenario in scenarios.iter().chain([&config::idle()]) {
            write_modules(&folder, scenario);
        }
        write(
            &folder.join("listeners.json"),
            &config::listeners(ip, scenarios, &folder),
        );
        write(
            &folder.join("envoy.json"),
            &config::bootstrap(ip, scenarios, upstreams, &folder),
        );
        let mut guard = command(&folder).spawn().unwrap_or_else(|error| panic!("{error}"));
        let copy = File::create(folder.join("envoy.log")).unwrap();
        log.follow(guard.stderr.take().unwrap(), copy);
        Self { _guard: guard }
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", GUARD, "sh"])
        .arg(envoy())
        .arg("-c")
        .arg(folder.join("envoy.json"))
        .args(["--concurrency", "1", "--disable-hot-restart"])
        .args(["-l", "info", "--component-log-level", "wasm:trace"])
        .args(["--log-format", "%t|%v"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Panics when there is none: every test says so, not only the first.
pub(super) fn envoy() -> PathBuf {
    let path = std::env::var_os("WEIR_ENVOY");
    path.unwrap_or_else(|| panic!("WEIR_ENVOY is not set: run ./scripts/setup and what it prints"))
        .into()
}

/// Where traces, configurations and Envoy's log are left for a look.
pub(crate) fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn write_modules(folder: &Path, scenario: &Scenario) {
    for (filter, name) in scenario.filters.iter().zip(config::FILTERS) {
        let path = config::module(folder, scenario, name);
        std::fs::write(path, filter.binary(scenario.name)).unwrap();
    }
}

fn write(path: &Path, document: &Value) {
    let mut file = File::create(path).unwrap();
    file.write_all(document.to_string().as_bytes()).unwrap();
}
