//! What a request costs.

use serde::{Deserialize, Serialize};

use super::quota::QuotaSpec;
use crate::matching::{RequestMatch, check_header_name};
use crate::problem::Problems;

/// The largest cost of a request.
pub const MAX_COST: u64 = 1_000_000;
/// The most costs by match.
pub const MAX_ROUTES: usize = 64;

/// What a request costs: a header's word if it has one, else the first match's, else the constant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cost {
    /// 1 to 1000000.
    #[serde(default = "one")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub constant: u64,
    /// Other constants for some requests; the first that matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<CostMatch>,
    /// A request header that says it. A client can write any header: only behind a proxy that sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_header: Option<CostHeader>,
    /// A response header that says what the request has cost after all; the difference is charged or given back when the
    /// answer comes, and a client may go into debt by as much as one burst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_header: Option<CostHeader>,
}

/// A cost for some requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CostMatch {
    /// For these requests.
    #[serde(rename = "match")]
    pub request_match: RequestMatch,
    /// 0 to 1000000.
    #[cfg_attr(feature = "schema", schemars(range(max = 1_000_000)))]
    pub cost: u64,
}

/// A header that says a cost, a whole number. Anything else in it is as if it weren't there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CostHeader {
    /// Lower-case header name.
    pub name: String,
    /// A larger number counts as this: 1 to 1000000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub max: u64,
}

const fn one() -> u64 {
    1
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            constant: 1,
            matches: Vec::new(),
            request_header: None,
            response_header: None,
        }
    }
}

impl Cost {
    pub(super) fn check(&self, quota: &QuotaSpec, problems: &mut Problems) {
        if matches!(quota, QuotaSpec::Concurrency(_)) && *self != Self::default() {
            return problems.note("no_cost", "a request under way counts one: expected no cost");
        }
        check_number(self.constant, 1, "constant", problems);
        problems.within("matches", |problems| self.check_matches(problems));
        let headers = [
            ("requestHeader", &self.request_header),
            ("responseHeader", &self.response_header),
        ];
        for (field, header) in headers {
            if let Some(header) = header {
                problems.within(field, |problems| header.check(problems));
            }
        }
    }

    fn check_matches(&self, problems: &mut Problems) {
        if self.matches.len() > MAX_ROUTES {
            let detail = format!("{} costs: expected at most {MAX_ROUTES}", self.matches.len());
            problems.note("too_many_costs", detail);
        }
        for (index, cost) in self.matches.iter().enumerate() {
            problems.within(index, |problems| {
                problems.within("match", |problems| cost.request_match.check(problems));
                check_number(cost.cost, 0, "cost", problems);
            });
        }
    }
}

impl CostHeader {
    fn check(&self, problems: &mut Problems) {
        problems.within("name", |problems| check_header_name(&self.name, problems));
        check_number(self.max, 1, "max", problems);
    }
}

fn check_number(number: u64, least: u64, field: &str, problems: &mut Problems) {
    if !(least..=MAX_COST).contains(&number) {
        let detail = format!("{number}: expected {least} to {MAX_COST}");
        problems.note_at(field, "number_out_of_range", detail);
    }
}
