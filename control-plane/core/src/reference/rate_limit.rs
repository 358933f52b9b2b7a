//! What a RateLimitPolicy names.

use weir_policy::document::gateway::GatewaySpec;
use weir_policy::document::rate_limit_policy::RateLimitPolicySpec;
use weir_policy::document::rate_limit_policy::descriptor::{Descriptor, JwtClaim};
use weir_policy::document::rate_limit_policy::limit::LimitSpec;
use weir_policy::document::{Document, Identity, Kind, Spec};
use weir_policy::name::Name;
use weir_policy::problem::Problems;

use super::{gateway_spec, shard_map};
use crate::node::GatewayRef;
use crate::state::State;

/// Notes what a policy names that isn't there.
pub(super) fn check(
    after: &State,
    document: &Document,
    policy: &RateLimitPolicySpec,
    problems: &mut Problems,
) {
    if let Some(live) = &policy.candidate_for {
        check_candidate(after, document, live, problems);
    }
    problems.within("limits", |problems| {
        for (index, limit) in policy.limits.iter().enumerate() {
            problems.within(index, |problems| check_limit(after, document, limit, problems));
        }
    });
}

/// The ShardMaps whose keys a document reads.
pub(super) fn shard_maps(document: &Document) -> impl Iterator<Item = &Name> {
    let limits = match &document.spec {
        Spec::RateLimitPolicy(policy) => policy.limits.as_slice(),
        _ => &[],
    };
    limits
        .iter()
        .flat_map(descriptors)
        .filter_map(|(_, descriptor)| match descriptor {
            Descriptor::ShardKey(key) => Some(&key.shard_map),
            _ => None,
        })
}

/// The policy in whose place a document might come.
pub(super) fn candidate_for(document: &Document) -> Option<&Name> {
    match &document.spec {
        Spec::RateLimitPolicy(policy) => policy.candidate_for.as_ref(),
        _ => None,
    }
}

/// Every descriptor of a limit, and where it stands.
fn descriptors(limit: &LimitSpec) -> impl Iterator<Item = (String, &Descriptor)> {
    let key = limit.key.iter().enumerate();
    let plan = limit
        .plans
        .as_ref()
        .map(|plans| ("plans/from".to_owned(), &plans.from));
    key.map(|(index, descriptor)| (format!("key/{index}"), descriptor))
        .chain(plan)
}

fn check_candidate(after: &State, document: &Document, live: &Name, problems: &mut Problems) {
    let identity = Identity {
        kind: Kind::RateLimitPolicy,
        namespace: document.metadata.namespace.clone(),
        name: live.clone(),
    };
    if *live == document.metadata.name || after.get(&identity).is_none() {
        let detail = format!(
            "there is no other RateLimitPolicy \"{live}\" in namespace \"{}\"",
            document.metadata.namespace
        );
        problems.note_at("candidateFor", "unknown_policy", detail);
    }
}

fn check_limit(after: &State, document: &Document, limit: &LimitSpec, problems: &mut Problems) {
    for (place, descriptor) in descriptors(limit) {
        if let Descriptor::JwtClaim(claim) = descriptor {
            check_claim(after, document, claim, &format!("{place}/jwtClaim"), problems);
        }
        if let Descriptor::ShardKey(key) = descriptor {
            check_shard_map(
                after,
                document,
                &key.shard_map,
                &format!("{place}/shardKey/shardMap"),
                problems,
            );
        }
    }
}

/// A claim is read only where somebody has verified the token.
fn check_claim(after: &State, document: &Document, claim: &JwtClaim, place: &str, problems: &mut Problems) {
    for gateway in after.gateways() {
        let attached = is_attached(document, &gateway);
        let unfit = gateway_spec(after, &gateway).filter(|spec| attached && !verifies(spec, claim));
        if unfit.is_some() {
            let detail = format!(
                "Gateway {gateway} has no such JWT provider: name one under its spec.jwt, or set unverified: true"
            );
            within_all(place, problems, |problems| {
                problems.note("unverified_claim", detail)
            });
        }
    }
}

/// What a Gateway lacks that `document`, which is attached to it, reads.
pub(super) fn lacks_provider(document: &Document, gateway: &GatewayRef, spec: &GatewaySpec) -> bool {
    let limits = match &document.spec {
        Spec::RateLimitPolicy(policy) if is_attached(document, gateway) => policy.limits.as_slice(),
        _ => &[],
    };
    limits
        .iter()
        .flat_map(descriptors)
        .any(|(_, descriptor)| match descriptor {
            Descriptor::JwtClaim(claim) => !verifies(spec, claim),
            _ => false,
        })
}

fn is_attached(document: &Document, gateway: &GatewayRef) -> bool {
    let targets = document.target_refs();
    document.metadata.namespace == gateway.namespace
        && (targets.is_empty() || targets.iter().any(|target| target.name == gateway.name))
}

fn verifies(gateway: &GatewaySpec, claim: &JwtClaim) -> bool {
    let providers = gateway.jwt.as_ref().map(|jwt| jwt.providers.as_slice());
    let fits = |name: &Name| claim.provider.as_ref().is_none_or(|wanted| wanted == name);
    claim.unverified
        || providers
            .unwrap_or_default()
            .iter()
            .any(|provider| fits(&provider.name))
}

fn check_shard_map(after: &State, document: &Document, map: &Name, place: &str, problems: &mut Problems) {
    let namespace = &document.metadata.namespace;
    if shard_map(after, namespace, map).is_none() {
        let detail = format!("there is no ShardMap \"{map}\" in namespace \"{namespace}\"");
        within_all(place, problems, |problems| {
            problems.note("unknown_shard_map", detail)
        });
    }
}

/// Walks down `place`, a path of tokens without special characters.
fn within_all(place: &str, problems: &mut Problems, note: impl FnOnce(&mut Problems)) {
    match place.split_once('/') {
        Some((token, rest)) => problems.within(token, |problems| within_all(rest, problems, note)),
        None => problems.within(place, note),
    }
}
