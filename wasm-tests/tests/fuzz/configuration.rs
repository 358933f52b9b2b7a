//! Valid configurations of a slot, of every kind that there is.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::damage::{self, damage};
use crate::policy::policy;
use crate::text::Text;
use crate::vocabulary::{HEADERS, HOSTS, METHODS, PATTERNS, TEMPLATES, VALUES, one_of, path};

/// A configuration, as a history delivers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Configuration {
    /// This JSON, in one line.
    Json(Value),
    /// These bytes, which need not be JSON.
    Bytes(Text),
    /// Bytes that have to be refused, whatever the filter's logic says.
    Forbidden(Text),
    /// The bytes of an earlier one of the history, by its place; of the last one when there are not so many.
    Again(usize),
}

/// The slot that nearly every history is about.
const SLOT: &str = "weir/default/edge/shard-router";

/// Valid ones mostly; damaged ones; earlier ones again.
pub(crate) fn any_configuration() -> impl Strategy<Value = Configuration> {
    prop_oneof![
        5 => valid().prop_map(Configuration::Json),
        3 => damaged(),
        1 => (0..4_usize).prop_map(Configuration::Again),
    ]
}

/// A configuration that has to be taken.
pub(crate) fn valid() -> impl Strategy<Value = Value> {
    let policies = prop::collection::vec((policy_name(), policy()), 1..4);
    let routes = prop::collection::vec(prop::collection::vec(request_match(), 0..3), 0..3);
    let rules = prop::collection::vec(rule(), 0..5);
    (slot(), generation(), policies, routes, rules).prop_map(|(slot, generation, policies, routes, rules)| {
        let policies: BTreeMap<String, Value> = policies.into_iter().collect();
        let names: Vec<&String> = policies.keys().collect();
        let rules: Vec<Value> = rules
            .into_iter()
            .map(|rule| rule.resolve(&names, routes.len()))
            .collect();
        let routes: Vec<Value> = routes.into_iter().enumerate().map(route).collect();
        json!({
            "format": 1, "slot": slot, "generation": generation,
            "routes": routes, "rules": rules, "policies": policies,
        })
    })
}

/// A configuration with something broken, or junk.
pub(crate) fn damaged() -> impl Strategy<Value = Configuration> {
    let broken = (valid(), damage()).prop_map(|(valid, damage)| damage.apply(&valid));
    let forbidden = (valid(), select(damage::FORBIDDEN)).prop_map(|(valid, edit)| edit.apply(valid));
    prop_oneof![
        9 => broken.prop_map(Configuration::Bytes),
        1 => damage::junk().prop_map(Configuration::Bytes),
        3 => forbidden.prop_map(Configuration::Forbidden),
    ]
}

fn slot() -> impl Strategy<Value = String> {
    prop_oneof![
        40 => Just(SLOT.to_owned()),
        1 => "\\PC{1,40}",
        1 => "[a-z]{256}",
    ]
}

fn generation() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..100_u64, 1 => Just((1 << 53) - 1), 1 => 0..1_u64 << 53]
}

fn policy_name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(&["default/orders", "default/users", "a/b", "a.b"][..]).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ]
}

fn route((place, matches): (usize, Vec<Value>)) -> Value {
    json!({"name": format!("route-{place}"), "match": matches})
}

/// A rule before its policy and route have names.
#[derive(Clone, Debug)]
struct Rule {
    policy: Index,
    route: Option<Index>,
    request_match: Option<Value>,
}

impl Rule {
    fn resolve(self, policies: &[&String], routes: usize) -> Value {
        let mut rule = Map::new();
        rule.insert("policy".to_owned(), json!(self.policy.get(policies)));
        if let Some(route) = self.route.filter(|_| routes > 0) {
            rule.insert(
                "route".to_owned(),
                json!(format!("route-{}", route.index(routes))),
            );
        }
        if let Some(request_match) = self.request_match {
            rule.insert("match".to_owned(), request_match);
        }
        rule.into()
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let route = prop::option::weighted(0.3, any::<Index>());
    let request_match = prop::option::weighted(0.7, request_match());
    (any::<Index>(), route, request_match).prop_map(|(policy, route, request_match)| Rule {
        policy,
        route,
        request_match,
    })
}

/// Conditions, most often one or none.
fn request_match() -> impl Strategy<Value = Value> {
    let host = prop::option::weighted(0.2, one_of(&HOSTS));
    let path = prop::option::weighted(0.6, path_match());
    let methods = prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(one_of(&METHODS), 1..4)];
    let headers = prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(header_match(), 1..3)];
    (host, path, methods, headers).prop_map(|(host, path, methods, headers)| {
        let mut conditions = json!({"methods": methods, "headers": headers});
        conditions["host"] = host.into();
        conditions["path"] = path.unwrap_or_default();
        conditions
    })
}

fn path_match() -> impl Strategy<Value = Value> {
    let of = |kind: &'static str| move |value: String| json!({"type": kind, "value": value});
    prop_oneof![
        path().prop_map(of("Exact")),
        one_of(&TEMPLATES).prop_map(of("Template")),
        path().prop_map(of("Prefix")),
        one_of(&PATTERNS).prop_map(of("RegularExpression")),
    ]
}

fn header_match() -> impl Strategy<Value = Value> {
    (select(&HEADERS[..]), prop::option::of(select(&VALUES[..])))
        .prop_map(|(name, value)| json!({"name": name, "value": value}))
}
