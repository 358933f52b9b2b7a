//! What is told of strategies and runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_policy::document::cache_policy::warming::WarmingSpec;
use weir_policy::name::Name;

use super::{WarmRun, name_of};
use crate::cache::schedule::Timetable;
use crate::state::State;

/// A strategy, and when it runs next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmStrategy {
    /// `<namespace>/<name>` of the CachePolicy.
    pub policy: String,
    /// Its name.
    pub strategy: Name,
    /// Its schedule.
    pub schedule: String,
    /// When it runs next, Unix ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_ms: Option<u64>,
    /// Why its last run did not begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WarmStanding {
    /// It began before the control plane started.
    #[default]
    Unknown,
    /// Proxies have requests to make, or have not said that they have made them.
    UnderWay,
    /// Every request was answered.
    Done,
    /// Every request was made, and some failed for good.
    Failed,
    /// Proxies say nothing more of it, and have not made every request.
    Incomplete,
}

impl WarmStanding {
    /// A word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::UnderWay => "under way",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// A run, and what proxies have said of it since the control plane started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmRunStatus {
    /// `<namespace>/<name>` of the CachePolicy.
    pub policy: String,
    /// The run.
    #[serde(flatten)]
    pub run: WarmRun,
    /// How far it is.
    #[serde(default)]
    pub standing: WarmStanding,
    /// How many proxies have said so far what they do.
    pub proxies: usize,
    /// How many requests these make.
    pub requests: u64,
    /// How many fetched an answer.
    pub fetched: u64,
    /// How many found it in the proxy's cache already.
    pub hit: u64,
    /// How many failed for good.
    pub failed: u64,
}

/// Strategies and runs of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmStatus {
    /// By policy, in the policy's order.
    pub strategies: Vec<WarmStrategy>,
    /// Newest first, by policy.
    pub runs: Vec<WarmRunStatus>,
}

impl WarmStatus {
    /// What the documents and the events say.
    pub fn of(state: &State, namespace: &Name, times: &Timetable) -> Self {
        let mut status = Self::default();
        for (identity, spec) in state.warming_of(namespace) {
            let policy = name_of(identity);
            let strategy = |strategy: &WarmingSpec| WarmStrategy {
                policy: policy.clone(),
                strategy: strategy.name.clone(),
                schedule: strategy.schedule.clone(),
                next_ms: times.next_of(identity, &strategy.name),
                failure: None,
            };
            status.strategies.extend(spec.warming.iter().map(strategy));
            let mut runs: Vec<_> = state.warm_runs(identity).collect();
            runs.reverse();
            let run = |run: &WarmRun| WarmRunStatus {
                policy: policy.clone(),
                run: run.clone(),
                standing: WarmStanding::Unknown,
                proxies: 0,
                requests: 0,
                fetched: 0,
                hit: 0,
                failed: 0,
            };
            status.runs.extend(runs.into_iter().map(run));
        }
        status
    }
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WarmOutcome {
    /// Every request was answered.
    Done,
    /// Every request was made, and some failed for good.
    Failed,
    /// Not every request was made, as far as proxies have said.
    Incomplete,
    /// There was nothing to fetch, or no proxy to fetch it.
    Empty,
    /// It was refused: its keys could not be had, say.
    NotBegun,
    /// Too many others were about to begin.
    LeftOut,
}

impl WarmOutcome {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::Failed,
        Self::Incomplete,
        Self::Empty,
        Self::NotBegun,
        Self::LeftOut,
    ];

    /// A metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
            Self::Empty => "empty",
            Self::NotBegun => "not_begun",
            Self::LeftOut => "left_out",
        }
    }
}

/// What became of runs since the control plane started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarmTotals {
    /// Runs that have ended.
    pub runs: BTreeMap<WarmOutcome, u64>,
    /// Runs that have not.
    pub under_way: usize,
    /// Requests that fetched an answer; as all that follow, of runs that began since.
    pub fetched: u64,
    /// Requests whose answer was in the proxy's cache already.
    pub hit: u64,
    /// Requests that failed for good.
    pub failed: u64,
    /// Requests of which no proxy has said anything when their run ended, and paths that there was no proxy for.
    pub left_out: u64,
}
