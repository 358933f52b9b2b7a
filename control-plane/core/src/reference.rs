//! References between documents: what is named must be there and fit.

mod cache;
mod rate_limit;

use std::collections::BTreeSet;

use weir_policy::document::backend::{BackendSpec, Role};
use weir_policy::document::gateway::{GatewaySpec, Route};
use weir_policy::document::jwt::JwtSpec;
use weir_policy::document::shard_map::ShardMapSpec;
use weir_policy::document::target_ref::TargetRef;
use weir_policy::document::{Document, Identity, Kind, Spec};
use weir_policy::name::Name;
use weir_policy::problem::{Problem, Problems};

use crate::node::GatewayRef;
use crate::plan::problem;
use crate::refusal::DocumentProblem;
use crate::state::{State, Stored};
use crate::{raw, slot};

/// Everything wrong with the references of `documents`, and with others' references to them, in the state `after`.
pub(crate) fn check(after: &State, documents: &[Document]) -> Vec<DocumentProblem> {
    let mut found = Vec::new();
    let requested: BTreeSet<Identity> = documents.iter().map(Document::identity).collect();
    for (index, document) in documents.iter().enumerate() {
        let mut problems = Problems::default();
        check_one(after, &requested, document, &mut problems);
        let identity = document.identity().to_string();
        found.extend(
            problems
                .into_vec()
                .into_iter()
                .map(|one| problem(index, Some(identity.clone()), one)),
        );
    }
    if found.is_empty() {
        check_slots(after, documents)
    } else {
        found
    }
}

/// Who refers to a document in a way that keeps it from being deleted.
pub(crate) fn users(state: &State, identity: &Identity) -> Vec<Identity> {
    let names = |document: &Document| match identity.kind {
        Kind::Backend => backends(document).any(|backend| *backend == identity.name),
        Kind::ShardMap => rate_limit::shard_maps(document).any(|map| *map == identity.name),
        Kind::RateLimitPolicy => rate_limit::candidate_for(document) == Some(&identity.name),
        Kind::CachePolicy | Kind::HedgePolicy | Kind::Gateway | Kind::EnvoyResource => false,
    };
    let uses = |document: &Document| document.metadata.namespace == identity.namespace && names(document);
    state
        .documents()
        .filter(|(_, stored)| uses(&stored.document))
        .map(|(user, _)| user.clone())
        .collect()
}

fn backends(document: &Document) -> Box<dyn Iterator<Item = &Name> + '_> {
    match &document.spec {
        Spec::ShardMap(map) => Box::new(map.shards.iter().map(|shard| &shard.backend)),
        Spec::Gateway(gateway) => Box::new(gateway.backends()),
        Spec::CachePolicy(policy) => Box::new(policy.tier2.iter().map(|tier2| &tier2.backend)),
        Spec::Backend(_) | Spec::EnvoyResource(_) | Spec::HedgePolicy(_) | Spec::RateLimitPolicy(_) => {
            Box::new(std::iter::empty())
        }
    }
}

/// `requested`: documents that report problems of their own references themselves.
fn check_one(after: &State, requested: &BTreeSet<Identity>, document: &Document, problems: &mut Problems) {
    let namespace = &document.metadata.namespace;
    problems.within("spec", |problems| {
        problems.within("targetRefs", |problems| {
            for (index, target) in document.target_refs().iter().enumerate() {
                problems.within(index, |problems| check_target(after, document, target, problems));
            }
        });
        match &document.spec {
            Spec::ShardMap(map) => check_shards(after, namespace, map, problems),
            Spec::RateLimitPolicy(policy) => rate_limit::check(after, document, policy, problems),
            Spec::CachePolicy(policy) => cache::check(after, namespace, policy, problems),
            Spec::HedgePolicy(_) => {}
            Spec::Gateway(gateway) => check_gateway(after, requested, document, gateway, problems),
            Spec::Backend(backend) => check_backend(after, requested, document, backend, problems),
            Spec::EnvoyResource(resource) => problems.within("resource", |problems| {
                raw::check(after, document, resource, problems);
            }),
        }
    });
}

fn check_target(after: &State, document: &Document, target: &TargetRef, problems: &mut Problems) {
    let namespace = &document.metadata.namespace;
    let Some(gateway) = gateway(after, namespace, &target.name) else {
        let detail = format!(
            "there is no Gateway \"{}\" in namespace \"{namespace}\"",
            target.name
        );
        return problems.note_at("name", "unknown_target", detail);
    };
    if let Some(section) = &target.section_name
        && !has_section(gateway, section, document.kind())
    {
        let kind_of_route = if is_for_shards(document.kind()) {
            " without a backend"
        } else {
            ""
        };
        let detail = format!(
            "Gateway \"{}\" has no route \"{section}\"{kind_of_route}",
            target.name
        );
        problems.note_at("sectionName", "unknown_target", detail);
    }
}

/// Whether a Gateway has a route that a policy of this kind can be attached to.
fn has_section(gateway: &GatewaySpec, section: &Name, kind: Kind) -> bool {
    let fits = |route: &Route| route.backend.is_none() || !is_for_shards(kind);
    gateway
        .routes
        .iter()
        .any(|route| &route.name == section && fits(route))
}

/// A route with a Backend of its own has no use for shards, and requests are sent twice to replicas of a shard only.
const fn is_for_shards(kind: Kind) -> bool {
    matches!(kind, Kind::ShardMap | Kind::HedgePolicy)
}

fn check_shards(after: &State, namespace: &Name, map: &ShardMapSpec, problems: &mut Problems) {
    problems.within("shards", |problems| {
        for (index, shard) in map.shards.iter().enumerate() {
            let backend = backend(after, namespace, &shard.backend);
            problems.within(index, |problems| match backend.map(primaries) {
                None => note_missing_backend(&shard.backend, namespace, problems),
                Some(1) => {}
                Some(count) => problems.note_at(
                    "backend",
                    "primary_count",
                    format!(
                        "Backend \"{}\" has {count} primaries: a shard's Backend needs exactly one",
                        shard.backend
                    ),
                ),
            });
        }
    });
}

fn check_gateway(
    after: &State,
    requested: &BTreeSet<Identity>,
    document: &Document,
    gateway: &GatewaySpec,
    problems: &mut Problems,
) {
    let namespace = &document.metadata.namespace;
    if let Some(jwt) = &gateway.jwt {
        check_jwks_backends(after, namespace, jwt, problems);
    }
    check_claims(after, requested, document, gateway, problems);
    problems.within("routes", |problems| {
        for (index, route) in gateway.routes.iter().enumerate() {
            if let Some(name) = &route.backend
                && backend(after, namespace, name).is_none()
            {
                problems.within(index, |problems| note_missing_backend(name, namespace, problems));
            }
        }
        for (user, stored) in others(after, requested, namespace) {
            for target in stored
                .document
                .target_refs()
                .iter()
                .filter(|target| target.name == document.metadata.name)
            {
                if let Some(section) = &target.section_name
                    && !has_section(gateway, section, user.kind)
                {
                    problems.note(
                        "route_in_use",
                        format!("route \"{section}\" is a target of {user}"),
                    );
                }
            }
        }
    });
}

/// Policies that are attached to the Gateway find the claims that they read. `problems` stands at `spec`.
fn check_claims(
    after: &State,
    requested: &BTreeSet<Identity>,
    document: &Document,
    gateway: &GatewaySpec,
    problems: &mut Problems,
) {
    let name = GatewayRef {
        namespace: document.metadata.namespace.clone(),
        name: document.metadata.name.clone(),
    };
    for (user, stored) in others(after, requested, &name.namespace) {
        if rate_limit::lacks_provider(&stored.document, &name, gateway) {
            let detail = format!("{user} reads a claim that no JWT provider of this Gateway verifies");
            problems.note_at("jwt", "provider_in_use", detail);
        }
    }
}

/// `problems` stands at `spec`.
fn check_jwks_backends(after: &State, namespace: &Name, jwt: &JwtSpec, problems: &mut Problems) {
    let is_missing = |name: &Name| backend(after, namespace, name).is_none();
    problems.within("jwt", |problems| {
        problems.within("providers", |problems| {
            for (index, provider) in jwt.providers.iter().enumerate() {
                if let Some(remote) = provider.remote().filter(|remote| is_missing(&remote.backend)) {
                    problems.within(index, |problems| {
                        problems.within("jwks", |problems| {
                            problems.within("remote", |problems| {
                                note_missing_backend(&remote.backend, namespace, problems);
                            });
                        });
                    });
                }
            }
        });
    });
}

fn check_backend(
    after: &State,
    requested: &BTreeSet<Identity>,
    document: &Document,
    backend: &BackendSpec,
    problems: &mut Problems,
) {
    let count = primaries(backend);
    let uses = |map: &ShardMapSpec| {
        map.shards
            .iter()
            .any(|shard| shard.backend == document.metadata.name)
    };
    for (user, stored) in others(after, requested, &document.metadata.namespace) {
        if let Spec::ShardMap(map) = &stored.document.spec
            && count != 1
            && uses(map)
        {
            let detail = format!("{count} primaries: {user} needs exactly one in its shard's Backend");
            problems.note_at("endpoints", "primary_count", detail);
        }
    }
}

/// The documents of a namespace that aren't part of the request.
fn others<'a>(
    after: &'a State,
    requested: &'a BTreeSet<Identity>,
    namespace: &'a Name,
) -> impl Iterator<Item = (&'a Identity, &'a Stored)> {
    after
        .documents()
        .filter(move |(other, _)| &other.namespace == namespace && !requested.contains(other))
}

/// The very check that the filter makes, on what the filter would get.
fn check_slots(after: &State, documents: &[Document]) -> Vec<DocumentProblem> {
    let mut found = Vec::new();
    for gateway in after.gateways() {
        let concerned = |document: &Document| document.metadata.namespace == gateway.namespace;
        let Some(index) = documents.iter().position(concerned) else {
            continue;
        };
        for compiled in slot::compile(after, &gateway) {
            if let Err(error) = compiled.verify() {
                let detail = format!("{} refuses its configuration: {error}", compiled.name);
                let identity = documents
                    .get(index)
                    .map(|document| document.identity().to_string());
                found.push(problem(
                    index,
                    identity,
                    Problem::new("refused_by_filter", "", detail),
                ));
            }
        }
    }
    found
}

fn note_missing_backend(name: &Name, namespace: &Name, problems: &mut Problems) {
    problems.note_at(
        "backend",
        "unknown_backend",
        format!("there is no Backend \"{name}\" in namespace \"{namespace}\""),
    );
}

fn primaries(backend: &BackendSpec) -> usize {
    backend
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.role == Role::Primary)
        .count()
}

/// A Backend's spec.
pub(crate) fn backend<'a>(state: &'a State, namespace: &Name, name: &Name) -> Option<&'a BackendSpec> {
    let identity = Identity {
        kind: Kind::Backend,
        namespace: namespace.clone(),
        name: name.clone(),
    };
    match &state.get(&identity)?.document.spec {
        Spec::Backend(spec) => Some(spec),
        _ => None,
    }
}

fn gateway<'a>(state: &'a State, namespace: &Name, name: &Name) -> Option<&'a GatewaySpec> {
    gateway_spec(
        state,
        &GatewayRef {
            namespace: namespace.clone(),
            name: name.clone(),
        },
    )
}

/// A ShardMap's spec.
pub(crate) fn shard_map<'a>(state: &'a State, namespace: &Name, name: &Name) -> Option<&'a ShardMapSpec> {
    let identity = Identity {
        kind: Kind::ShardMap,
        namespace: namespace.clone(),
        name: name.clone(),
    };
    match &state.get(&identity)?.document.spec {
        Spec::ShardMap(spec) => Some(spec),
        _ => None,
    }
}

/// A Gateway's spec.
pub(crate) fn gateway_spec<'a>(state: &'a State, gateway: &GatewayRef) -> Option<&'a GatewaySpec> {
    let GatewayRef { namespace, name } = gateway.clone();
    match &state
        .get(&Identity {
            kind: Kind::Gateway,
            namespace,
            name,
        })?
        .document
        .spec
    {
        Spec::Gateway(spec) => Some(spec),
        _ => None,
    }
}
