//! HedgePolicy: when a second try of a request is sent, and how many there may be.

pub mod budget;
pub mod cold_start;
pub mod overload;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::document::bounds::{check_duration, check_range};
use crate::document::mode::Mode;
use crate::document::names::check_fields;
use crate::document::target_ref::{TargetRef, check_target_refs};
use crate::matching::RequestMatch;
use crate::problem::Problems;
use crate::quantity::{ByteSize, Duration};
use budget::BudgetSpec;
use cold_start::ColdStart;
use overload::OverloadSpec;

/// The longest delay.
pub const MAX_DELAY: Duration = Duration::from_secs(60);
/// The longest request that can be sent twice: what a Gateway's listeners buffer of one.
pub const MAX_REQUEST_BODY: ByteSize = ByteSize::from_bytes(1 << 20);
/// Methods that ask for nothing to be changed (RFC 9110 section 9.2.1) and that reach replicas.
const SAFE_METHODS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
const SHORTEST: Duration = Duration::from_millis(1);
const LOWEST_QUANTILE: Decimal = Decimal::from_ten_thousandths(1);
const HIGHEST_QUANTILE: Decimal = Decimal::from_ten_thousandths(9_999);

/// When a second try of a request is sent to another replica of its shard, and how many there may be. The first answer
/// counts. Requests that go to a shard's primary are never sent twice. One policy wins a request, whole: the route's before
/// the Gateway's before the namespace's, then the higher priority, then the more specific match, then the name.
///
/// The first policy of a Gateway, whatever its mode, changes the clusters of its shards' replicas, and so does the end of the last:
/// connections to these start anew. Every other change, of the mode too, leaves connections alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HedgePolicySpec {
    /// What the policy is attached to: a Gateway, or one of its routes without a Backend; empty: every Gateway of the namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_refs: Vec<TargetRef>,
    /// Which requests it is for: any of these; empty: every request.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RequestMatch>,
    /// Among policies attached at the same level the higher priority wins.
    #[serde(default)]
    pub priority: i32,
    /// Whether it hedges, only decides and counts, or does nothing.
    #[serde(default)]
    pub mode: Mode,
    /// The second try is sent when the first has taken longer than this part of requests does: more than 0 and less than 1,
    /// at most four decimals.
    #[serde(default = "default_quantile")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0.0001, max = 0.9999)))]
    pub quantile: Decimal,
    /// It is never sent earlier: 1ms to 60s.
    #[serde(default = "default_min_delay")]
    pub min_delay: Duration,
    /// It is never sent later: `minDelay` to 60s. One that would be due when the route's timeout ends is not sent at all.
    #[serde(default = "default_max_delay")]
    pub max_delay: Duration,
    /// What happens while too few answers have been seen to know the quantile.
    #[serde(default)]
    pub cold_start: ColdStart,
    /// How many second tries there may be.
    #[serde(default)]
    pub budget: BudgetSpec,
    /// Requests with one of these methods may be sent twice: any of GET, HEAD, OPTIONS.
    #[serde(default = "default_methods")]
    pub methods: Vec<String>,
    /// Other requests that may be.
    #[serde(default)]
    pub idempotent: IdempotentSpec,
    /// A request is sent twice only if its `content-length` says that its body is not longer, or it has no body: 0B to 1MiB.
    #[serde(default = "default_request_body")]
    pub max_request_body: ByteSize,
    /// When no second try is sent because all replicas are in trouble.
    #[serde(default)]
    pub overload: OverloadSpec,
}

/// Requests that may be sent twice whatever their method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdempotentSpec {
    /// Those with one of these headers, lower-case. `idempotency-key`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
}

const fn default_quantile() -> Decimal {
    Decimal::from_ten_thousandths(9_800)
}

const fn default_min_delay() -> Duration {
    Duration::from_millis(2)
}

const fn default_max_delay() -> Duration {
    Duration::from_secs(10)
}

fn default_methods() -> Vec<String> {
    SAFE_METHODS.map(str::to_owned).into()
}

const fn default_request_body() -> ByteSize {
    ByteSize::from_bytes(64 << 10)
}

impl HedgePolicySpec {
    pub(crate) fn check(&self, problems: &mut Problems) {
        check_target_refs(&self.target_refs, problems);
        problems.within("match", |problems| {
            for (index, request_match) in self.matches.iter().enumerate() {
                problems.within(index, |problems| request_match.check(problems));
            }
        });
        check_range(
            self.quantile,
            LOWEST_QUANTILE..=HIGHEST_QUANTILE,
            "quantile",
            "number_out_of_range",
            problems,
        );
        self.check_delays(problems);
        problems.within("budget", |problems| self.budget.check(problems));
        problems.within("methods", |problems| check_methods(&self.methods, problems));
        problems.within("idempotent", |problems| {
            check_fields(&self.idempotent.headers, "headers", problems);
        });
        check_range(
            self.max_request_body,
            ByteSize::from_bytes(0)..=MAX_REQUEST_BODY,
            "maxRequestBody",
            "size_out_of_range",
            problems,
        );
        problems.within("overload", |problems| self.overload.check(problems));
    }

    /// What is out of bounds itself bounds nothing else.
    fn check_delays(&self, problems: &mut Problems) {
        let fits = check_duration(self.min_delay, SHORTEST..=MAX_DELAY, "minDelay", problems)
            && check_duration(self.max_delay, self.min_delay..=MAX_DELAY, "maxDelay", problems);
        if let (true, ColdStart::After(delay)) = (fits, self.cold_start) {
            check_duration(delay, self.min_delay..=self.max_delay, "coldStart", problems);
        }
    }
}

fn check_methods(methods: &[String], problems: &mut Problems) {
    if methods.is_empty() {
        problems.note("no_methods", "expected at least one of GET, HEAD, OPTIONS");
    }
    let mut seen = BTreeSet::new();
    for (index, method) in methods.iter().enumerate() {
        if !SAFE_METHODS.contains(&method.as_str()) {
            let detail = format!(
                "{method:?}: expected GET, HEAD or OPTIONS; a request with another method may be sent twice only if it has \
                 one of the headers in idempotent"
            );
            problems.note_at(index, "unsafe_method", detail);
        } else if !seen.insert(method) {
            problems.note_at(index, "duplicate_method", format!("{method:?} stands twice"));
        }
    }
}
