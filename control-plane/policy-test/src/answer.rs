//! Answers of upstreams, as a test scripts them.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_core::cluster::ClusterUse;
use weir_policy::problem::Problems;
use weir_policy::quantity::Duration;

/// What an upstream answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// How long the answer, or the failure, takes.
    pub after: Duration,
    /// Instead of an answer.
    pub fail: Option<Fail>,
}

/// How an upstream fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fail {
    /// It takes the request and resets the stream.
    Reset,
    /// It takes no connection.
    Refused,
    /// It takes the request and says nothing.
    Never,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            status: 200,
            headers: BTreeMap::new(),
            body: String::new(),
            after: Duration::from_millis(0),
            fail: None,
        }
    }
}

impl Answer {
    /// Notes what no upstream can answer.
    pub(crate) fn check(&self, problems: &mut Problems) {
        if !(200..=599).contains(&self.status) {
            let detail = format!("status {}: expected 200 to 599", self.status);
            problems.note_at("status", "out_of_range", detail);
        }
    }
}

/// The answers of every upstream, by the name of its Backend or of its shard. What is not named answers 200 without a
/// body.
pub type Answers = BTreeMap<String, Answer>;

/// The answer of a cluster: its shard's, else its Backend's.
pub(crate) fn answer_of(answers: &Answers, cluster: &ClusterUse) -> Answer {
    let of_shard = cluster
        .shard
        .as_ref()
        .and_then(|(shard, _)| answers.get(shard.as_str()));
    let found = of_shard.or_else(|| answers.get(cluster.backend.as_str()));
    found.cloned().unwrap_or_default()
}
