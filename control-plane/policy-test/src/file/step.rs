//! Steps of a test, as people write them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use weir_policy::problem::Problems;
use weir_policy::quantity::Duration;

use crate::expectation::{Expectation, NumberMatch};
use crate::metric;
use crate::request::Request;

/// The most repetitions of one request.
const MAX_TIMES: u32 = 100_000;

/// A step: exactly one of `request` (with `expect`), `advance`, `apply` and `metrics`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StepSpec {
    request: Option<RequestSpec>,
    expect: Option<Expectation>,
    advance: Option<Duration>,
    apply: Option<Documents>,
    metrics: Option<BTreeMap<String, NumberMatch>>,
}

/// What a step does.
pub(crate) enum StepKind<'s> {
    Request(&'s RequestSpec, Option<&'s Expectation>),
    Advance(Duration),
    Apply(&'s Documents),
    Metrics(&'s BTreeMap<String, NumberMatch>),
}

/// A request, how often, and on which worker.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RequestSpec {
    #[serde(default = "get")]
    method: String,
    path: String,
    host: Option<String>,
    from: Option<IpAddr>,
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    #[serde(default)]
    body: String,
    pub(crate) worker: Option<usize>,
    #[serde(default = "once")]
    pub(crate) times: u32,
}

/// One value of a header, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
struct Values(Vec<String>);

/// Documents that change live, each in a file of its own or right here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Documents(pub(crate) Vec<DocumentSource>);

/// Where documents stand.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum DocumentSource {
    /// In a file or a folder, relative to the test file's folder.
    Path(PathBuf),
    /// In the step itself.
    Inline,
}

fn get() -> String {
    "GET".to_owned()
}

fn once() -> u32 {
    1
}

impl TryFrom<Value> for Values {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let items = match value {
            Value::Array(items) => items,
            one => vec![one],
        };
        items.into_iter().map(text).collect::<Result<_, _>>().map(Self)
    }
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Err(format!(
            "expected a text, found {value}: what is in quotes is a text"
        )),
        other => Err(format!("expected a text or a list of texts, found {other}")),
    }
}

impl TryFrom<Value> for DocumentSource {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(path) => Ok(Self::Path(path.into())),
            Value::Object(_) => Ok(Self::Inline),
            other => Err(format!("expected a file's name or a document, found {other}")),
        }
    }
}

impl StepSpec {
    /// What the step does; none unless it is exactly one thing.
    pub(crate) fn kind(&self) -> Option<StepKind<'_>> {
        let kinds = [
            self.request
                .as_ref()
                .map(|request| StepKind::Request(request, self.expect.as_ref())),
            self.advance.map(StepKind::Advance),
            self.apply.as_ref().map(StepKind::Apply),
            self.metrics.as_ref().map(StepKind::Metrics),
        ];
        let mut found = kinds.into_iter().flatten();
        found.next().filter(|_| found.next().is_none())
    }

    pub(super) fn check(&self, workers: usize, problems: &mut Problems) {
        match self.kind() {
            None => problems.note(
                "not_one_step",
                "expected exactly one of request, advance, apply and metrics",
            ),
            Some(StepKind::Request(request, _)) => {
                problems.within("request", |problems| request.check(workers, problems));
            }
            Some(StepKind::Metrics(metrics)) => check_metrics(metrics, problems),
            Some(StepKind::Advance(_) | StepKind::Apply(_)) => {}
        }
        if self.expect.is_some() && self.request.is_none() {
            problems.note_at(
                "expect",
                "no_request",
                "nothing is expected of a step without a request",
            );
        }
    }
}

fn check_metrics(metrics: &BTreeMap<String, NumberMatch>, problems: &mut Problems) {
    for name in metrics.keys().filter(|name| metric::filters_name(name).is_none()) {
        let detail = format!(
            "{name:?} is not a metric: expected a name as Envoy shows it, or name{{label=\"value\"}} with labels of {}",
            weir_core::metric::LABELS.join(", ")
        );
        problems.within("metrics", |problems| {
            problems.note_at(name, "invalid_metric", detail)
        });
    }
}

impl RequestSpec {
    fn check(&self, workers: usize, problems: &mut Problems) {
        if let Some(worker) = self.worker.filter(|worker| *worker >= workers) {
            let detail = format!("worker {worker}: there are {workers}, counted from 0");
            problems.note_at("worker", "out_of_range", detail);
        }
        if self.times == 0 || self.times > MAX_TIMES {
            let detail = format!("{} times: expected 1 to {MAX_TIMES}", self.times);
            problems.note_at("times", "out_of_range", detail);
        }
        if !self.path.starts_with('/') {
            let detail = format!("{:?} is not a path: expected a leading \"/\"", self.path);
            problems.note_at("path", "invalid_path", detail);
        }
    }

    /// The request itself.
    pub(crate) fn to_request(&self) -> Request {
        let mut request = Request::new(&self.method, &self.path).body(self.body.as_bytes());
        if let Some(host) = &self.host {
            request = request.host(host);
        }
        if let Some(from) = self.from {
            request = request.sent_from(from);
        }
        for (name, Values(values)) in &self.headers {
            request = values
                .iter()
                .fold(request, |request, value| request.header(name, value));
        }
        request
    }
}
