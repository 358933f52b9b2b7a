//! What a scenario left behind in one host.

use std::collections::BTreeMap;
use std::fmt;

use crate::scenario::Scenario;

/// In lines, each section in the order in which it came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    /// `filter: text`, of the worker.
    pub(crate) logs: Vec<String>,
    /// What clients got, in the order in which they were sent.
    pub(crate) clients: Vec<String>,
    /// What hosts got: `cluster/host: request`.
    pub(crate) upstreams: Vec<String>,
    pub(crate) stats: Vec<String>,
}

impl Trace {
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let sections = [
            ("log", &self.logs),
            ("client", &self.clients),
            ("upstream", &self.upstreams),
            ("stat", &self.stats),
        ];
        sections
            .into_iter()
            .flat_map(|(name, lines)| lines.iter().map(move |line| format!("{name} {line}")))
    }
}

/// Leaves out what chance decides: see the scenario.
pub(crate) fn settled(mut trace: Trace, scenario: &Scenario) -> Trace {
    if scenario.side_by_side {
        trace.logs = by_context(&trace.logs);
        trace.upstreams.sort();
    }
    if scenario.upstream_unsure {
        trace.upstreams.clear();
    }
    trace
}

/// Lines by the context in whose callback they were said, in their order.
fn by_context(lines: &[String]) -> Vec<String> {
    let mut contexts: BTreeMap<char, u32> = BTreeMap::new();
    let mut keyed: Vec<(u32, String)> = Vec::new();
    for line in lines {
        let filter = line.chars().next().unwrap_or_default();
        let context = contexts.entry(filter).or_default();
        if let Some((_, rest)) = line.split_once('#') {
            *context = rest
                .split(' ')
                .next()
                .and_then(|id| id.parse().ok())
                .unwrap_or(*context);
        }
        keyed.push((*context, line.clone()));
    }
    keyed.sort_by_key(|(context, _)| *context);
    keyed.into_iter().map(|(_, line)| line).collect()
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Headers that say more about the host's settings than about filters; shown only on demand.
const COMMON: [&str; 8] = [
    ":scheme",
    "date",
    "server",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-upstream-service-time",
    "x-forwarded-proto",
    "x-request-id",
    "transfer-encoding",
];

/// `name=value` of all headers that the trace shows, by name; values of one name in their order.
pub(crate) fn shown(headers: &[(String, String)], also: &[&str]) -> String {
    let mut kept: Vec<&(String, String)> = headers
        .iter()
        .filter(|(name, _)| also.contains(&name.as_str()) || !COMMON.contains(&name.as_str()))
        .collect();
    kept.sort_by_key(|(name, _)| name.clone());
    let words: Vec<String> = kept
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    words.join(" ")
}

/// A body, with long ones by their length.
pub(crate) fn body(bytes: &[u8]) -> String {
    match bytes.len() {
        0 => String::new(),
        1..=200 => format!(" [{}]", bytes.escape_ascii()),
        length => format!(" [{length} bytes]"),
    }
}
