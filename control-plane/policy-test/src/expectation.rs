//! What is expected of a request's outcome.

mod number_match;
mod text_match;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use weir_policy::quantity::Duration;
use weir_wasm_tests::HeaderMap;

pub use number_match::NumberMatch;
pub use text_match::TextMatch;

use crate::mismatch::{Mismatch, Mismatches, quoted, shown};
use crate::observed::{Observed, UpstreamCall, text};

/// What is expected of a request's outcome. A field that is left out expects nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expectation {
    /// The status of the client's answer.
    pub status: Option<u16>,
    /// Headers of the client's answer; values of a repeated header are joined by `, `.
    pub headers: BTreeMap<String, TextMatch>,
    /// The body of the client's answer.
    pub body: Option<TextMatch>,
    /// Values in the body, which is JSON, by JSON pointer; null: null or not there.
    pub body_json: BTreeMap<String, Value>,
    /// [`Observed::shard`].
    #[serde(deserialize_with = "present")]
    pub shard: Option<TextMatch>,
    /// [`Observed::cluster`].
    #[serde(deserialize_with = "present")]
    pub cluster: Option<TextMatch>,
    /// What reached upstreams.
    pub upstream: UpstreamExpectation,
    /// [`Observed::is_cached`].
    pub cached: Option<bool>,
    /// [`Observed::is_limited`].
    pub limited: Option<bool>,
    /// [`Observed::is_hedged`].
    pub hedged: Option<bool>,
    /// [`Observed::hedge_delay`].
    pub hedge_delay: Option<Duration>,
}

/// What is expected to reach upstreams. All but the count is expected of every try, and of at least one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UpstreamExpectation {
    /// How many requests: the first try and all further ones.
    pub count: Option<NumberMatch>,
    /// The method.
    pub method: Option<TextMatch>,
    /// The path, with its query.
    pub path: Option<TextMatch>,
    /// Headers; values of a repeated header are joined by `, `.
    pub headers: BTreeMap<String, TextMatch>,
}

/// A field that stands there, be it null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TextMatch>, D::Error> {
    TextMatch::deserialize(deserializer).map(Some)
}

impl Expectation {
    /// Everything that does not hold, in the order of the fields above.
    pub fn judge(&self, observed: &Observed) -> Vec<Mismatch> {
        let mut found = Mismatches::default();
        self.judge_answer(observed, &mut found);
        self.judge_body(observed, &mut found);
        self.judge_place(observed, &mut found);
        self.upstream.judge(&observed.upstream, &mut found);
        self.judge_verdicts(observed, &mut found);
        found.0
    }

    fn judge_answer(&self, observed: &Observed, found: &mut Mismatches) {
        if let Some(status) = self.status {
            found.check(
                observed.status == Some(status),
                "status",
                status,
                shown(observed.status),
            );
        }
        judge_headers("headers", &self.headers, &observed.headers, found);
    }

    fn judge_body(&self, observed: &Observed, found: &mut Mismatches) {
        let body = String::from_utf8_lossy(&observed.body);
        if let Some(expected) = &self.body {
            judge_text("body", expected, Some(&body), found);
        }
        let json: Option<Value> = serde_json::from_slice(&observed.body).ok();
        for (pointer, expected) in &self.body_json {
            let at = json.as_ref().and_then(|json| json.pointer(pointer));
            let got = match &json {
                Some(_) => shown(at),
                None => format!("not JSON: {body:?}"),
            };
            let holds = json.is_some() && at.unwrap_or(&Value::Null) == expected;
            found.check(holds, format_args!("bodyJson {pointer}"), expected, got);
        }
    }

    fn judge_place(&self, observed: &Observed, found: &mut Mismatches) {
        let fields = [
            ("shard", &self.shard, observed.shard()),
            ("cluster", &self.cluster, observed.cluster()),
        ];
        for (field, expected, got) in fields {
            if let Some(expected) = expected {
                judge_text(field, expected, got, found);
            }
        }
    }

    fn judge_verdicts(&self, observed: &Observed, found: &mut Mismatches) {
        let verdicts = [
            ("cached", self.cached, observed.is_cached()),
            ("limited", self.limited, observed.is_limited()),
            ("hedged", self.hedged, observed.is_hedged()),
        ];
        for (field, expected, got) in verdicts {
            if let Some(expected) = expected {
                found.check(expected == got, field, expected, got);
            }
        }
        if let Some(expected) = self.hedge_delay {
            let got = observed.hedge_delay();
            let holds = got == Some(std::time::Duration::from_millis(expected.as_millis()));
            let got = got.map_or("no second try".to_owned(), |delay| format!("{delay:?}"));
            found.check(holds, "hedgeDelay", expected, got);
        }
    }
}

impl UpstreamExpectation {
    fn judge(&self, calls: &[UpstreamCall], found: &mut Mismatches) {
        let count = u64::try_from(calls.len()).ok();
        if let Some(expected) = self.count {
            found.check(expected.holds(count), "upstream.count", expected, calls.len());
        }
        let asks = self.method.is_some() || self.path.is_some() || !self.headers.is_empty();
        if asks && calls.is_empty() {
            found.check(false, "upstream", "a request to an upstream", "none");
        }
        for (index, call) in calls.iter().enumerate() {
            self.judge_call(&format!("upstream[{index}]"), call, found);
        }
    }

    fn judge_call(&self, at: &str, call: &UpstreamCall, found: &mut Mismatches) {
        for (field, pseudo_header, expected) in
            [("method", ":method", &self.method), ("path", ":path", &self.path)]
        {
            if let Some(expected) = expected {
                let got = call.headers.text(pseudo_header);
                judge_text(&format!("{at}.{field}"), expected, got.as_deref(), found);
            }
        }
        judge_headers(&format!("{at}.headers"), &self.headers, &call.headers, found);
    }
}

fn judge_headers(at: &str, expected: &BTreeMap<String, TextMatch>, got: &HeaderMap, found: &mut Mismatches) {
    for (name, expected) in expected {
        judge_text(
            &format!("{at}.{name}"),
            expected,
            text(got, name).as_deref(),
            found,
        );
    }
}

fn judge_text(field: &str, expected: &TextMatch, got: Option<&str>, found: &mut Mismatches) {
    found.check(expected.holds(got), field, expected, quoted(got));
}
