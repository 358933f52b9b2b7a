//! One limit: whose requests are counted together, how many there may be, and what each costs.

use serde::{Deserialize, Serialize};

use super::cost::Cost;
use super::descriptor::Descriptor;
use super::quota::{Plans, QuotaSpec};
use crate::name::Name;
use crate::problem::Problems;

/// The most descriptors of one key.
pub const MAX_DESCRIPTORS: usize = 8;
/// How deep limits may stand below one another.
pub const MAX_DEPTH: usize = 4;

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitSpec {
    /// Unique in the policy; what clients and metrics call it.
    pub name: Name,
    /// Requests with the same values are counted together; empty: all requests are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<Descriptor>,
    /// What happens to a request that lacks a value of the key.
    #[serde(default)]
    pub on_missing_key: MissingKey,
    /// How many requests there may be.
    pub quota: QuotaSpec,
    /// Other quotas for some clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<Plans>,
    /// What a request costs.
    #[serde(default)]
    pub cost: Cost,
    /// A limit of this policy above this one: its key is part of this one's, so that a client is counted within its plan,
    /// and a plan within its tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Name>,
    /// One quota for the whole fleet; absent: each proxy has the quota for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Fleet>,
}

/// What happens to a request that lacks a value of a limit's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum MissingKey {
    /// It is counted together with all others that lack the same: leaving a header out gains nothing.
    #[default]
    Shared,
    /// This limit is not for it.
    Skip,
    /// It is answered with 400.
    Reject,
}

/// A quota for the whole fleet. The control plane hands each proxy a share of it, by demand, on a lease; no request waits
/// for the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fleet {
    /// Among how many proxies the quota is divided while a proxy has never reached the control plane: 1 to 100000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100_000)))]
    pub proxies: u32,
    /// What a proxy has when its lease ends because it can't reach the control plane.
    #[serde(default)]
    pub when_lost: WhenLost,
}

/// What a proxy has when its lease ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum WhenLost {
    /// An equal share: at the end of the lease no more than that, after a second lease's time no less. When only some
    /// proxies lose the control plane, the fleet may let their equal shares through on top of the quota.
    #[default]
    EqualShare,
    /// Nothing: the quota is never exceeded.
    Deny,
}

impl LimitSpec {
    /// `all`: the limits of the policy.
    pub(super) fn check(&self, all: &[Self], problems: &mut Problems) {
        problems.within("key", |problems| self.check_key(problems));
        problems.within("quota", |problems| self.quota.check(problems));
        if let Some(plans) = &self.plans {
            problems.within("plans", |problems| plans.check(&self.quota, problems));
        }
        problems.within("cost", |problems| self.cost.check(&self.quota, problems));
        if let Some(parent) = &self.parent {
            self.check_parent(parent, all, problems);
        }
        if let Some(fleet) = &self.fleet {
            problems.within("fleet", |problems| fleet.check(&self.quota, problems));
            if self.plans.is_some() {
                let detail = "a quota of the fleet is one for all clients: expected no plans";
                problems.note_at("plans", "fleet_plans", detail);
            }
        }
    }

    fn check_key(&self, problems: &mut Problems) {
        if self.key.len() > MAX_DESCRIPTORS {
            problems.note(
                "too_many_descriptors",
                format!(
                    "{} descriptors: expected at most {MAX_DESCRIPTORS}",
                    self.key.len()
                ),
            );
        }
        for (index, descriptor) in self.key.iter().enumerate() {
            problems.within(index, |problems| descriptor.check(problems));
        }
    }

    fn check_parent(&self, parent: &Name, all: &[Self], problems: &mut Problems) {
        let mut above = Some(parent);
        for _ in 0..MAX_DEPTH {
            let Some(name) = above else {
                return;
            };
            match all.iter().find(|limit| limit.name == *name) {
                Some(limit) => above = limit.parent.as_ref(),
                None => {
                    let detail = format!("\"{name}\" is not a limit of this policy");
                    return problems.note_at("parent", "unknown_limit", detail);
                }
            }
        }
        let detail = format!("stands deeper than {MAX_DEPTH} levels, or above itself");
        problems.note_at("parent", "too_deep", detail);
    }
}

impl Fleet {
    fn check(self, quota: &QuotaSpec, problems: &mut Problems) {
        if !(1..=100_000).contains(&self.proxies) {
            let detail = format!("{}: expected 1 to 100000", self.proxies);
            problems.note_at("proxies", "number_out_of_range", detail);
        }
        if !matches!(quota, QuotaSpec::Rate(_)) {
            problems.note("not_a_rate", "only a quota of the kind rate can be the fleet's");
        }
    }
}
