//! Random policies with limits.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::limits::cells::{CellId, Charge, Charges};
use crate::limits::deeds::Ask;

/// A slot's policies, all for every request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Slot(Vec<Policy>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Policy {
    shadow: bool,
    deny: bool,
    limits: Vec<Limit>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Limit {
    key: Vec<Descriptor>,
    missing: Missing,
    quota: Quota,
    cost: u64,
    /// Below the first limit of the policy.
    below: bool,
    plan: Option<Quota>,
    fleet: Option<u32>,
    answered_cost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Descriptor {
    User,
    Tenant,
    Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Missing {
    Shared,
    Skip,
    Reject,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Quota {
    Rate {
        requests: u64,
        window_ms: u64,
        burst: u64,
    },
    SlidingWindow {
        requests: u64,
        window_ms: u64,
    },
    Concurrency {
        requests: u64,
        max_duration_ms: u64,
    },
}

pub(super) fn slot() -> impl Strategy<Value = Slot> {
    prop::collection::vec(policy(), 0..3).prop_map(Slot)
}

fn policy() -> impl Strategy<Value = Policy> {
    let limits = prop::collection::vec(limit(), 1..4);
    (prop::bool::weighted(0.2), any::<bool>(), limits).prop_map(|(shadow, deny, limits)| Policy {
        shadow,
        deny,
        limits,
    })
}

fn limit() -> impl Strategy<Value = Limit> {
    let descriptor = prop_oneof![
        Just(Descriptor::User),
        Just(Descriptor::Tenant),
        Just(Descriptor::Method)
    ];
    let missing =
        prop_oneof![4 => Just(Missing::Shared), 2 => Just(Missing::Skip), 1 => Just(Missing::Reject)];
    let kind = prop_oneof![
        8 => Just(None),
        1 => window().prop_map(Some),
        1 => concurrency().prop_map(Some),
    ];
    let special = prop_oneof![6 => Just(0), 1 => Just(1), 1 => Just(2), 1 => Just(3)];
    (
        prop::collection::vec(descriptor, 0..3),
        missing,
        (rate(), kind, rate()),
        1..4_u64,
        prop::bool::weighted(0.3),
        special,
        1..4_u32,
    )
        .prop_map(
            |(key, missing, (rate, other, plan), cost, below, special, proxies)| {
                let counted = matches!(other, Some(Quota::Concurrency { .. }));
                Limit {
                    key,
                    missing,
                    quota: other.unwrap_or(rate),
                    cost: if counted { 1 } else { cost },
                    below,
                    plan: (special == 1 && other.is_none()).then_some(plan),
                    fleet: (special == 2 && other.is_none()).then_some(proxies),
                    answered_cost: special == 3 && other.is_none(),
                }
            },
        )
}

fn rate() -> impl Strategy<Value = Quota> {
    (1..20_u64, 100..5_000_u64, 1..12_u64).prop_map(|(requests, window_ms, burst)| Quota::Rate {
        requests,
        window_ms,
        burst,
    })
}

fn window() -> impl Strategy<Value = Quota> {
    (1..20_u64, 100..5_000_u64).prop_map(|(requests, window_ms)| Quota::SlidingWindow { requests, window_ms })
}

fn concurrency() -> impl Strategy<Value = Quota> {
    (1..5_u64, 100..5_000_u64).prop_map(|(requests, max_duration_ms)| Quota::Concurrency {
        requests,
        max_duration_ms,
    })
}

impl Slot {
    /// The compiled configuration. Its policies are named after its number, so that each of two slots has its own counts.
    pub(super) fn to_json(&self, number: usize, generation: u64) -> Value {
        let names: Vec<String> = (0..self.0.len()).map(|index| name(number, index)).collect();
        let rules: Vec<Value> = names.iter().map(|name| json!({"policy": name})).collect();
        let policies: serde_json::Map<String, Value> = names
            .into_iter()
            .zip(self.0.iter().map(Policy::to_json))
            .collect();
        json!({
            "format": 1, "slot": "weir/default/edge/rate-limit", "generation": generation,
            "control": {"cluster": "weir-control"}, "rules": rules, "policies": policies,
        })
    }

    /// What the policies want of a request.
    pub(super) fn charges(&self, number: usize, ask: &Ask) -> Charges {
        let mut charges = Charges {
            missing: false,
            rates: Vec::new(),
            others: false,
        };
        for (index, policy) in self.0.iter().enumerate().filter(|(_, policy)| !policy.shadow) {
            policy.charge(&name(number, index), ask, &mut charges);
        }
        charges
    }
}

fn name(number: usize, index: usize) -> String {
    format!("default/policy-{number}-{index}")
}

impl Policy {
    fn to_json(&self) -> Value {
        let limits: Vec<Value> = self
            .limits
            .iter()
            .enumerate()
            .map(|(index, limit)| limit.to_json(index))
            .collect();
        json!({
            "shadow": self.shadow, "onError": if self.deny { "deny" } else { "allow" }, "headers": {},
            "maxKeys": 100_000, "limits": limits,
        })
    }

    /// The values of a limit's key, those of the limit above it first.
    fn key(&self, index: usize, ask: &Ask) -> Vec<Option<Vec<u8>>> {
        let limit = &self.limits[index];
        let above = self.limits.first().filter(|_| index > 0 && limit.below);
        let descriptors = above.into_iter().flat_map(|limit| &limit.key).chain(&limit.key);
        descriptors.map(|descriptor| descriptor.value(ask)).collect()
    }

    fn charge(&self, name: &str, ask: &Ask, charges: &mut Charges) {
        for (index, limit) in self.limits.iter().enumerate() {
            let key = self.key(index, ask);
            let incomplete = key.iter().any(Option::is_none);
            match limit.missing {
                Missing::Skip if incomplete => continue,
                Missing::Reject if incomplete => charges.missing = true,
                _ => {}
            }
            match limit.charge((format!("{name}/{index}"), key)) {
                Some(charge) => charges.rates.push(charge),
                None => charges.others = true,
            }
        }
    }
}

impl Limit {
    fn to_json(&self, index: usize) -> Value {
        let key: Vec<Value> = self.key.iter().map(|descriptor| descriptor.to_json()).collect();
        let mut json = json!({
            "name": format!("limit-{index}"), "key": key, "onMissingKey": self.missing.name(), "quota": self.quota,
            "cost": {"constant": self.cost},
        });
        if index > 0 && self.below {
            json["parent"] = "limit-0".into();
        }
        if let Some(plan) = self.plan {
            json["plans"] = json!({"from": {"header": "x-plan"}, "quotas": {"gold": plan}});
        }
        if let Some(proxies) = self.fleet {
            json["fleet"] = json!({"proxies": proxies, "whenLost": "deny"});
        }
        if self.answered_cost {
            json["cost"]["responseHeader"] = json!({"name": "x-cost", "max": 5});
        }
        json
    }

    /// What it takes, where it is a plain rate of this proxy.
    fn charge(&self, cell: CellId) -> Option<Charge> {
        let Quota::Rate {
            requests,
            window_ms,
            burst,
        } = self.quota
        else {
            return None;
        };
        let plain = self.plan.is_none() && self.fleet.is_none();
        plain.then(|| Charge {
            cell,
            interval: (window_ms * 1_000_000).div_ceil(requests),
            burst,
            cost: self.cost,
        })
    }
}

impl Descriptor {
    fn to_json(self) -> Value {
        match self {
            Self::User => json!({"header": "x-user"}),
            Self::Tenant => json!({"header": "x-tenant"}),
            Self::Method => json!("method"),
        }
    }

    fn value(self, ask: &Ask) -> Option<Vec<u8>> {
        let value = match self {
            Self::User => ask.user.as_ref()?.bytes(),
            Self::Tenant => ask.tenant?.to_string().into_bytes(),
            Self::Method => ask.method.clone().into_bytes(),
        };
        (!value.is_empty()).then_some(value)
    }
}

impl Missing {
    fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Skip => "skip",
            Self::Reject => "reject",
        }
    }
}
