//! Slots: for each filter of a Gateway's proxies, the one JSON that it reads.
//!
//! A filter is one entry of [`FILTERS`] and one implementation of [`SlotFilter`]; attachment, precedence, routes,
//! generation and delivery are the same for all.

mod edge_cache;
mod precedence;
mod rate_limit;
mod request_hedge;
mod shard_router;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use weir_policy::compiled::{CompiledRoute, ConfigError, ControlConfig, FORMAT, Rule, SlotConfig};
use weir_policy::document::gateway::Route;
use weir_policy::document::target_ref::TargetRef;
use weir_policy::document::{Document, Identity, Kind};
use weir_policy::matching::RequestMatch;
use weir_policy::name::Name;
use weir_policy::quantity::Duration;

use crate::control::CLUSTER as CONTROL_CLUSTER;
use crate::event::Revision;
use crate::node::GatewayRef;
use crate::reference::gateway_spec;
use crate::state::State;
use precedence::{Candidate, Level};

/// What the control plane has to know of a filter.
trait SlotFilter {
    /// The filter's name, its module's name, and the last part of its slots' names.
    const FILTER: &'static str;
    /// The kind of the document that configures it.
    const KIND: Kind;
    /// Whether one policy wins a request, or all that match apply.
    const EXCLUSIVE: bool;
    /// Whether the filter speaks with the control plane.
    const CONTROLLED: bool;
    /// The document's body.
    type Spec;
    /// The policy as the filter reads it.
    type Policy: Serialize;
    /// The document's body, if it is this filter's and not switched off.
    fn spec(document: &Document) -> Option<&Self::Spec>;
    /// Where, for which requests, and with what priority the policy stands.
    fn attachment(spec: &Self::Spec) -> Attachment<'_>;
    /// The policy, resolved for the proxies of a Gateway.
    fn resolve(state: &State, gateway: &GatewayRef, identity: &Identity, spec: &Self::Spec) -> Self::Policy;
    /// The clusters that the policy sends requests to.
    fn clusters(policy: &Self::Policy) -> Vec<String>;
    /// Whether policies are for requests that take this route.
    fn applies_to(route: &Route) -> bool;
    /// The filter's own check of its configuration.
    fn verify(json: &[u8]) -> Result<(), ConfigError>;
}

/// How a policy document is attached.
struct Attachment<'a> {
    targets: &'a [TargetRef],
    matches: &'a [RequestMatch],
    priority: i32,
}

/// A filter's functions, with its types gone.
struct SlotCompiler {
    compile: fn(&State, &GatewayRef) -> CompiledSlot,
    filter: &'static str,
}

/// The filters of a proxy, in the order of their chain.
const FILTERS: [SlotCompiler; 4] = [
    SlotCompiler::of::<rate_limit::RateLimit>(),
    SlotCompiler::of::<shard_router::ShardRouter>(),
    SlotCompiler::of::<edge_cache::EdgeCache>(),
    SlotCompiler::of::<request_hedge::RequestHedge>(),
];

impl SlotCompiler {
    const fn of<F: SlotFilter>() -> Self {
        Self {
            compile: compile_one::<F>,
            filter: F::FILTER,
        }
    }
}

/// One slot, ready for its filter.
#[derive(Clone, Debug)]
pub struct CompiledSlot {
    /// `shard-router`, …
    pub filter: &'static str,
    /// The kind of its policies.
    pub kind: Kind,
    /// Grows with every change of the slot.
    pub generation: Revision,
    /// `weir/<namespace>/<gateway>/<filter>`.
    pub name: String,
    /// The configuration.
    pub json: String,
    /// The same for a proxy without a control plane.
    pub alone: Value,
    /// The clusters that it sends requests to.
    pub clusters: BTreeSet<String>,
    /// Policies that can never win on this Gateway, with the policy that always wins over them.
    pub shadowed: BTreeMap<String, String>,
    /// Policies with a rule in the slot.
    pub attached: BTreeSet<String>,
    verify: fn(&[u8]) -> Result<(), ConfigError>,
}

impl CompiledSlot {
    /// The filter's own check of this configuration.
    pub fn verify(&self) -> Result<(), ConfigError> {
        (self.verify)(self.json.as_bytes())
    }
}

/// The names of all filters, in the order of their chain.
pub fn filters() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|compiler| compiler.filter)
}

/// Every slot of a Gateway's proxies, in the order of their chain.
pub fn compile(state: &State, gateway: &GatewayRef) -> Vec<CompiledSlot> {
    FILTERS
        .iter()
        .map(|compiler| (compiler.compile)(state, gateway))
        .collect()
}

/// Whether a filter of a Gateway's proxies has any policy.
pub fn has_policies(state: &State, gateway: &GatewayRef, filter: &str) -> bool {
    !policies_of(state, gateway, filter).is_empty()
}

/// The policies of a filter of a Gateway's proxies, by `<namespace>/<name>`.
pub(crate) fn policies_of(state: &State, gateway: &GatewayRef, filter: &str) -> BTreeSet<String> {
    let compiler = FILTERS.iter().find(|compiler| compiler.filter == filter);
    compiler
        .map(|compiler| (compiler.compile)(state, gateway).attached)
        .unwrap_or_default()
}

/// A slot's name.
pub fn slot_name(gateway: &GatewayRef, filter: &str) -> String {
    format!("weir/{}/{}/{filter}", gateway.namespace, gateway.name)
}

/// Whose slot has this name, as [`slot_name`] writes it, and for which filter.
pub fn parse_slot(slot: &str) -> Option<(GatewayRef, Name)> {
    let (gateway, filter) = slot.strip_prefix("weir/")?.rsplit_once('/')?;
    Some((GatewayRef::parse(gateway)?, Name::try_new(filter).ok()?))
}

/// What the documents come to for a filter of a Gateway.
struct Resolved<P> {
    candidates: Vec<Candidate>,
    rules: Vec<Rule>,
    policies: BTreeMap<String, P>,
}

fn resolved<F: SlotFilter>(state: &State, gateway: &GatewayRef) -> Resolved<F::Policy> {
    let candidates = precedence::order(candidates::<F>(state, gateway));
    let rules = rules::<F>(&candidates, gateway_routes(state, gateway));
    let policies = policies::<F>(state, gateway, &rules);
    Resolved {
        candidates,
        rules,
        policies,
    }
}

fn compile_one<F: SlotFilter>(state: &State, gateway: &GatewayRef) -> CompiledSlot {
    let Resolved {
        candidates,
        rules,
        policies,
    } = resolved::<F>(state, gateway);
    let mut config = SlotConfig {
        format: FORMAT,
        slot: slot_name(gateway, F::FILTER),
        generation: generation(state, gateway),
        control: control::<F>(&policies),
        routes: routes(gateway_routes(state, gateway)),
        rules,
        policies,
    };
    // A configuration is plain data with string keys, which serde_json always writes.
    let json = serde_json::to_string(&config).unwrap_or_default();
    config.control = None;
    CompiledSlot {
        filter: F::FILTER,
        kind: F::KIND,
        generation: config.generation,
        name: config.slot.clone(),
        clusters: config.policies.values().flat_map(F::clusters).collect(),
        shadowed: if F::EXCLUSIVE {
            precedence::shadowed(&candidates)
        } else {
            BTreeMap::new()
        },
        attached: config.policies.keys().cloned().collect(),
        json,
        alone: serde_json::to_value(&config).unwrap_or_default(),
        verify: F::verify,
    }
}

/// A filter without policies has nothing to ask.
fn control<F: SlotFilter>(policies: &BTreeMap<String, F::Policy>) -> Option<ControlConfig> {
    (F::CONTROLLED && !policies.is_empty()).then(|| ControlConfig {
        cluster: CONTROL_CLUSTER.to_owned(),
    })
}

/// A slot without any change yet (as `weir compile` has it) is of generation 1.
fn generation(state: &State, gateway: &GatewayRef) -> Revision {
    state.generation(gateway).max(1)
}

fn candidates<F: SlotFilter>(state: &State, gateway: &GatewayRef) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (identity, stored) in state
        .documents()
        .filter(|(identity, _)| identity.namespace == gateway.namespace)
    {
        let Some(spec) = F::spec(&stored.document) else {
            continue;
        };
        let attachment = F::attachment(spec);
        for level in levels(attachment.targets, gateway) {
            candidates.extend(with_matches(identity, &attachment, &level));
        }
    }
    candidates
}

/// How a policy is attached to this Gateway; several ways at once are possible, none means not at all.
fn levels(targets: &[TargetRef], gateway: &GatewayRef) -> Vec<Level> {
    if targets.is_empty() {
        return vec![Level::Namespace];
    }
    let to_level = |target: &TargetRef| target.section_name.clone().map_or(Level::Gateway, Level::Section);
    targets
        .iter()
        .filter(|target| target.name == gateway.name)
        .map(to_level)
        .collect()
}

fn with_matches(identity: &Identity, attachment: &Attachment<'_>, level: &Level) -> Vec<Candidate> {
    let candidate = |request_match: Option<&RequestMatch>| Candidate {
        policy: policy_name(identity),
        level: level.clone(),
        priority: attachment.priority,
        request_match: request_match
            .filter(|found| **found != RequestMatch::default())
            .cloned(),
    };
    if attachment.matches.is_empty() {
        vec![candidate(None)]
    } else {
        attachment.matches.iter().map(Some).map(candidate).collect()
    }
}

fn policy_name(identity: &Identity) -> String {
    format!("{}/{}", identity.namespace, identity.name)
}

fn policies<F: SlotFilter>(
    state: &State,
    gateway: &GatewayRef,
    rules: &[Rule],
) -> BTreeMap<String, F::Policy> {
    let named: BTreeSet<&str> = rules.iter().map(|rule| rule.policy.as_str()).collect();
    state
        .documents()
        .filter_map(|(identity, stored)| {
            let spec = F::spec(&stored.document)?;
            let name = policy_name(identity);
            named
                .contains(name.as_str())
                .then(|| (name, F::resolve(state, gateway, identity, spec)))
        })
        .collect()
}

/// The rules of all candidates, in their order. A policy for the whole Gateway needs no route in its rule, unless there
/// are routes that it isn't for.
fn rules<F: SlotFilter>(candidates: &[Candidate], routes: &[Route]) -> Vec<Rule> {
    let applicable: Vec<&Name> = routes
        .iter()
        .filter(|route| F::applies_to(route))
        .map(|route| &route.name)
        .collect();
    let on_routes = |candidate: &Candidate| -> Vec<Rule> {
        match candidate.level.section() {
            Some(section) if applicable.contains(&section) => vec![rule(candidate, Some(section))],
            Some(_) => Vec::new(),
            None if applicable.len() == routes.len() => vec![rule(candidate, None)],
            None => applicable
                .iter()
                .map(|route| rule(candidate, Some(route)))
                .collect(),
        }
    };
    candidates.iter().flat_map(on_routes).collect()
}

fn rule(candidate: &Candidate, route: Option<&Name>) -> Rule {
    Rule {
        policy: candidate.policy.clone(),
        route: route.map(ToString::to_string),
        request_match: candidate.request_match.clone(),
    }
}

fn gateway_routes<'a>(state: &'a State, gateway: &GatewayRef) -> &'a [Route] {
    gateway_spec(state, gateway)
        .map(|spec| spec.routes.as_slice())
        .unwrap_or_default()
}

fn routes(routes: &[Route]) -> Vec<CompiledRoute> {
    let compiled = |route: &Route| CompiledRoute {
        name: route.name.to_string(),
        matches: route.matches.clone(),
    };
    routes.iter().map(compiled).collect()
}

/// Waits are bounded far below this.
fn wait(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slots_name_tells_its_gateway() {
        let edge = GatewayRef::parse("shop/edge").unwrap();
        let filter = "shard-router".parse().unwrap();
        assert_eq!(
            parse_slot(&slot_name(&edge, "shard-router")),
            Some((edge, filter))
        );
        for bad in [
            "",
            "weir/",
            "weir/shop",
            "weir/shop/edge",
            "weir/shop/edge/",
            "weir/shop/edge/F",
            "weir/shop/edge/a/b",
            "weir//edge/a",
            "weir/Shop/edge/a",
            "shop/edge/a",
            "Weir/shop/edge/a",
            " weir/shop/edge/a",
        ] {
            assert_eq!(parse_slot(bad), None, "{bad:?}");
        }
    }
}
