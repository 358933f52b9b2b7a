//! CachePolicy: which answers a proxy keeps, for how long, and for whom.

pub mod bypass;
pub mod cdn;
pub mod cdn_purge;
pub mod coalesce;
pub mod compression;
pub mod key;
pub mod limits;
pub mod stale;
pub mod tags;
pub mod tier2;
pub mod ttl;
pub mod warming;

use serde::{Deserialize, Serialize};

use crate::document::bounds::check_duration;
use crate::document::mode::Mode;
use crate::document::names::{check_field_name, check_fields, check_names};
use crate::document::target_ref::{TargetRef, check_target_refs};
use crate::matching::RequestMatch;
use crate::problem::Problems;
use crate::quantity::Duration;
use bypass::BypassSpec;
use cdn::CdnSpec;
use coalesce::CoalesceSpec;
use compression::CompressionSpec;
use key::CacheKeySpec;
use limits::CacheLimitsSpec;
use stale::StaleSpec;
use tags::TagsSpec;
use tier2::Tier2Spec;
use ttl::TtlSpec;
use warming::WarmingSpec;

/// The longest lifetime of an answer.
pub const MAX_LIFETIME: Duration = Duration::from_secs(366 * 86_400);
/// The longest wait for an answer.
pub const MAX_WAIT: Duration = Duration::from_secs(300);
const NONE: Duration = Duration::from_millis(0);
const SHORTEST: Duration = Duration::from_millis(1);

/// Which answers a proxy keeps, for how long, and for whom (RFC 9111). One policy wins a request, whole: the route's before
/// the Gateway's before the namespace's, then the higher priority, then the more specific match, then the name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CachePolicySpec {
    /// What the policy is attached to; empty: every Gateway of the namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_refs: Vec<TargetRef>,
    /// Which requests it is for: any of these; empty: every request.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RequestMatch>,
    /// Among policies attached at the same level the higher priority wins.
    #[serde(default)]
    pub priority: i32,
    /// Whether it caches, only stores and counts, or does nothing.
    #[serde(default)]
    pub mode: Mode,
    /// Which requests have the same answer: those for the same host and path, and all of this.
    #[serde(default)]
    pub key: CacheKeySpec,
    /// For how long answers are fresh. What the origin says goes first.
    #[serde(default)]
    pub ttl: TtlSpec,
    /// For how long stale answers may be served where the origin says nothing (RFC 5861).
    #[serde(default)]
    pub stale: StaleSpec,
    /// How the origin's `Vary` is taken.
    #[serde(default)]
    pub vary: VarySpec,
    /// Where answers name their tags.
    #[serde(default)]
    pub tags: TagsSpec,
    /// The targeted fields that this cache obeys, in any case; the first that an answer has, and that is valid, counts
    /// before `Cache-Control` (RFC 9213 section 2.2).
    #[serde(default = "default_targets")]
    pub targets: Vec<String>,
    /// What a CDN in front is told; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cdn: Option<CdnSpec>,
    /// Requests that pass by.
    #[serde(default)]
    pub bypass: BypassSpec,
    /// Answers with `Set-Cookie` are stored too, and everybody who is served them gets the cookie.
    #[serde(default)]
    pub store_set_cookie: bool,
    /// How much is kept.
    #[serde(default)]
    pub limits: CacheLimitsSpec,
    /// How requests for the same answer wait for one another.
    #[serde(default)]
    pub coalesce: CoalesceSpec,
    /// Which answers are compressed in store; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<CompressionSpec>,
    /// A tier that all proxies share; absent: each has its own cache only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier2: Option<Tier2Spec>,
    /// What is fetched before anybody asks for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warming: Vec<WarmingSpec>,
    /// A request of the cache's own (to validate what is stored, to fill) is given up after this: 1ms to 300s.
    #[serde(default = "default_call_timeout")]
    pub call_timeout: Duration,
}

/// How the origin's `Vary` is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VarySpec {
    /// Request headers that `Vary` may name and that make no difference all the same, lower-case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

fn default_targets() -> Vec<String> {
    ["Weir-Cache-Control", "CDN-Cache-Control"]
        .map(str::to_owned)
        .into()
}

const fn default_call_timeout() -> Duration {
    Duration::from_secs(10)
}

impl CachePolicySpec {
    /// The targeted fields as they are compared, lower-case.
    pub fn target_names(&self) -> Vec<String> {
        self.targets
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect()
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        check_target_refs(&self.target_refs, problems);
        problems.within("match", |problems| {
            for (index, request_match) in self.matches.iter().enumerate() {
                problems.within(index, |problems| request_match.check(problems));
            }
        });
        problems.within("key", |problems| self.key.check(problems));
        problems.within("ttl", |problems| self.ttl.check(problems));
        problems.within("stale", |problems| self.stale.check(problems));
        problems.within("vary", |problems| {
            check_fields(&self.vary.ignore, "ignore", problems)
        });
        problems.within("tags", |problems| self.tags.check(problems));
        check_names(&self.target_names(), "targets", problems, check_target);
        self.check_options(problems);
        problems.within("bypass", |problems| self.bypass.check(problems));
        problems.within("limits", |problems| self.limits.check(problems));
        problems.within("coalesce", |problems| self.coalesce.check(problems));
        check_duration(self.call_timeout, SHORTEST..=MAX_WAIT, "callTimeout", problems);
    }

    fn check_options(&self, problems: &mut Problems) {
        if let Some(cdn) = &self.cdn {
            problems.within("cdn", |problems| cdn.check(problems));
        }
        if let Some(compression) = &self.compression {
            problems.within("compression", |problems| compression.check(problems));
        }
        if let Some(tier2) = &self.tier2 {
            problems.within("tier2", |problems| tier2.check(problems));
        }
        problems.within("warming", |problems| warming::check_all(&self.warming, problems));
    }
}

/// `Cache-Control` is no targeted field: it is obeyed after all of them, and read by other rules.
fn check_target(name: &str, problems: &mut Problems) {
    if name == "cache-control" {
        return problems.note(
            "not_targeted",
            "Cache-Control is obeyed after the targeted fields anyway",
        );
    }
    check_field_name(name, problems);
}
