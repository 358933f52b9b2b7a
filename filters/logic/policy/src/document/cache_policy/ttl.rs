//! For how long answers are fresh.

use serde::{Deserialize, Serialize};

use super::{MAX_LIFETIME, NONE, SHORTEST};
use crate::document::bounds::{check_duration, check_range};
use crate::matching::RequestMatch;
use crate::problem::Problems;
use crate::quantity::Duration;

/// The most rules of one policy.
pub const MAX_RULES: usize = 64;
/// The longest time for which it is remembered that an answer can't be stored.
pub const MAX_HIT_FOR_MISS: Duration = Duration::from_secs(86_400);

/// For how long answers are fresh. What the origin says goes first: targeted fields, `Cache-Control`, `Expires`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TtlSpec {
    /// Of an answer that has no lifetime of its own, and that no rule is for; absent: the heuristic decides, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Duration>,
    /// A guess by `Last-Modified`, for answers without a lifetime (RFC 9111 section 4.2.2); absent: none is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heuristic: Option<Heuristic>,
    /// No answer is fresh for longer; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Duration>,
    /// Lifetimes of some answers; the first rule that matches counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<TtlRuleSpec>,
    /// For how long it is remembered that an answer could not be stored, so that requests for it don't wait for one another:
    /// 0ms to 1d.
    #[serde(default = "default_hit_for_miss")]
    pub hit_for_miss: Duration,
}

/// A guess by `Last-Modified`: this part of the time since then, and not more than the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Heuristic {
    /// 1 to 100.
    #[serde(default = "default_percent")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100)))]
    pub percent: u32,
    /// The most: 1ms to 366d.
    #[serde(default = "default_guess")]
    pub max: Duration,
}

/// A lifetime of some answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TtlRuleSpec {
    /// Answers with one of these: 200 to 599, but 304; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(inner(range(min = 200, max = 599))))]
    pub statuses: Vec<u16>,
    /// Answers to these requests; absent: to any.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub request_match: Option<RequestMatch>,
    /// The lifetime; 0ms: they are not stored.
    pub ttl: Duration,
    /// It counts even where the origin says otherwise; else only where it says nothing. Never for what must not be stored
    /// (`no-store`, `private`).
    #[serde(default)]
    pub replaces_origin: bool,
}

const fn default_percent() -> u32 {
    10
}

const fn default_guess() -> Duration {
    Duration::from_secs(86_400)
}

const fn default_hit_for_miss() -> Duration {
    Duration::from_secs(10)
}

impl Default for TtlSpec {
    fn default() -> Self {
        Self {
            default: None,
            heuristic: None,
            max: None,
            rules: Vec::new(),
            hit_for_miss: default_hit_for_miss(),
        }
    }
}

impl TtlSpec {
    pub(super) fn check(&self, problems: &mut Problems) {
        if let Some(default) = self.default {
            check_duration(default, NONE..=MAX_LIFETIME, "default", problems);
        }
        if let Some(heuristic) = self.heuristic {
            problems.within("heuristic", |problems| heuristic.check(problems));
        }
        if let Some(max) = self.max {
            check_duration(max, SHORTEST..=MAX_LIFETIME, "max", problems);
        }
        problems.within("rules", |problems| check_rules(&self.rules, problems));
        check_duration(self.hit_for_miss, NONE..=MAX_HIT_FOR_MISS, "hitForMiss", problems);
    }
}

impl Heuristic {
    fn check(self, problems: &mut Problems) {
        check_range(self.percent, 1..=100, "percent", "percent_out_of_range", problems);
        check_duration(self.max, SHORTEST..=MAX_LIFETIME, "max", problems);
    }
}

fn check_rules(rules: &[TtlRuleSpec], problems: &mut Problems) {
    if rules.len() > MAX_RULES {
        let detail = format!("{} rules: expected at most {MAX_RULES}", rules.len());
        problems.note("too_many_rules", detail);
    }
    for (index, rule) in rules.iter().enumerate() {
        problems.within(index, |problems| rule.check(problems));
    }
}

impl TtlRuleSpec {
    fn check(&self, problems: &mut Problems) {
        problems.within("statuses", |problems| {
            for (index, status) in self.statuses.iter().enumerate() {
                let earlier = self.statuses.iter().take(index);
                problems.within(index, |problems| check_status(*status, earlier, problems));
            }
        });
        if let Some(request_match) = &self.request_match {
            problems.within("match", |problems| request_match.check(problems));
        }
        check_duration(self.ttl, NONE..=MAX_LIFETIME, "ttl", problems);
    }
}

/// An answer of 1xx is not the last one, and a 304 has no content of its own.
fn check_status<'s>(status: u16, mut earlier: impl Iterator<Item = &'s u16>, problems: &mut Problems) {
    if !(200..=599).contains(&status) || status == 304 {
        problems.note(
            "unknown_status",
            format!("{status}: expected 200 to 599, but 304"),
        );
    } else if earlier.any(|other| *other == status) {
        problems.note("duplicate_status", format!("{status} stands twice"));
    }
}
