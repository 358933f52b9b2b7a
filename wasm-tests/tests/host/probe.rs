//! Probes as this binary uses them: one filter, configured with `{}`.

#[path = "../probe/probe.rs"]
mod text;

use weir_wasm_tests::{HeaderMap, LogLine, Plugin, Process, Request};

pub(crate) use text::{IMPORTS, WASI, probe};

/// `on_request_headers` with this body, going on; the stream's id is `$id`.
pub(crate) fn on_request(body: &str) -> String {
    callback("proxy_on_request_headers", "i32 i32", body)
}

/// A callback that answers 0, with parameters after the context's id.
pub(crate) fn callback(name: &str, params: &str, body: &str) -> String {
    format!("(func (export \"{name}\") (param $id i32) (param {params}) (result i32) {body} (i32.const 0))\n")
}

/// A callback without an answer.
pub(crate) fn event(name: &str, body: &str) -> String {
    format!("(func (export \"{name}\") (param $id i32) {body})\n")
}

/// A process with one worker that runs the probe, configured with `{}`.
pub(crate) fn serving(callbacks: &str) -> (Process, Plugin) {
    let process = Process::new(1);
    let plugin = process.load(&probe(callbacks));
    plugin.configure("{}").unwrap();
    (process, plugin)
}

/// The headers that go on when this runs in `on_request_headers`.
pub(crate) fn headers_after(body: &str, request: Request) -> HeaderMap {
    let (_process, plugin) = serving(&on_request(body));
    plugin.worker(0).request(request).unwrap().headers
}

/// What was logged on the workers.
pub(crate) fn said(process: &Process) -> Vec<String> {
    texts(process, |line| line.worker.is_some())
}

/// What was logged in lines of a kind.
pub(crate) fn texts(process: &Process, which: impl Fn(&LogLine) -> bool) -> Vec<String> {
    let lines = process.logs().into_iter().filter(which);
    lines.map(|line| line.text).collect()
}
