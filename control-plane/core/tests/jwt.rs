//! JWT providers of a Gateway, as its proxies get them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::sync::Arc;

use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType;
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::jwt_provider::JwksSourceSpecifier;
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::jwt_requirement::RequiresType;
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::requirement_rule::RequirementType;
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::{JwtAuthentication, JwtProvider};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType as HttpConfigType;
use prost::Message;
use serde_json::{Value, json};
use support::{World, backend, gateway, shard_map, verifying_gateway};
use weir_core::module::{Module, ModuleCatalog};
use weir_core::node::{GatewayRef, NodeKind};
use weir_core::snapshot::{Resource, ResourceType, Snapshot, View, view};

const VERIFICATION: &str = "envoy.filters.http.jwt_authn";
const REMOVAL: &str = "envoy.filters.http.header_mutation";
const LISTENER: &str = "weir/default/edge/10000";
const KEYS_CLUSTER: &str = "weir/default/backend/id";

/// What the proxies of `edge` get.
fn snapshot(edge: Value) -> Arc<Snapshot> {
    let mut world = World::default();
    let map = shard_map("orders", "edge", &["a"]);
    world
        .apply(vec![edge, backend("a", 9101), backend("id", 9201), map])
        .unwrap();
    let kind = NodeKind {
        gateway: GatewayRef::parse("default/edge"),
        modules_dir: "/modules".to_owned(),
    };
    let module = Module {
        sha256: "0123".to_owned(),
        size: 1,
    };
    let catalog = ModuleCatalog {
        modules: [("shard-router".to_owned(), module)].into(),
    };
    match view(&world.state, &catalog, &kind, None) {
        View::Assigned(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

fn listener(snapshot: &Snapshot) -> &Resource {
    &snapshot.of(ResourceType::Listener)[LISTENER]
}

/// The listener's message, changed within its connection manager.
fn changed(resource: &Resource, change: impl FnOnce(&mut HttpConnectionManager)) -> Vec<u8> {
    let mut message = Listener::decode(resource.body.value.as_slice()).unwrap();
    let filter = &mut message.filter_chains[0].filters[0];
    let Some(ConfigType::TypedConfig(any)) = &mut filter.config_type else {
        panic!("{filter:?}")
    };
    let mut manager = HttpConnectionManager::decode(any.value.as_slice()).unwrap();
    change(&mut manager);
    any.value = manager.encode_to_vec();
    message.encode_to_vec()
}

fn verification(snapshot: &Snapshot) -> JwtAuthentication {
    let mut found = None;
    changed(listener(snapshot), |manager| {
        assert_eq!(manager.http_filters[0].name, VERIFICATION);
        if let Some(HttpConfigType::TypedConfig(any)) = &manager.http_filters[0].config_type {
            found = Some(JwtAuthentication::decode(any.value.as_slice()).unwrap());
        }
    });
    found.unwrap()
}

/// The names of the one rule's providers, and whether a token may be missing.
fn rule(verification: &JwtAuthentication) -> (Vec<String>, bool) {
    let [rule] = verification.rules.as_slice() else {
        panic!("{:?}", verification.rules)
    };
    let Some(RequirementType::Requires(requirement)) = &rule.requirement_type else {
        panic!("{rule:?}")
    };
    let requirements = match requirement.requires_type.as_ref().unwrap() {
        RequiresType::RequiresAny(any) => {
            assert!(any.requirements.len() > 1, "Envoy takes no list of one");
            any.requirements.clone()
        }
        _ => vec![requirement.clone()],
    };
    let (mut providers, mut missing) = (Vec::new(), false);
    for one in &requirements {
        match one.requires_type.as_ref().unwrap() {
            RequiresType::ProviderName(name) => providers.push(name.clone()),
            RequiresType::AllowMissing(_) => missing = true,
            other => panic!("{other:?}"),
        }
    }
    (providers, missing)
}

/// Two filters around the slots; without `jwt` every byte is what it is with these taken out.
#[test]
fn nothing_else_changes() {
    let (without, with) = (
        snapshot(gateway("edge")),
        snapshot(verifying_gateway("edge", &["staff"])),
    );
    let unverified = changed(listener(&with), |manager| {
        let filters = &mut manager.http_filters;
        assert_eq!(filters.remove(0).name, VERIFICATION);
        assert_eq!(filters.remove(filters.len() - 2).name, REMOVAL);
    });
    assert_eq!(unverified, listener(&without).body.value);
    for resource_type in [ResourceType::Route, ResourceType::ExtensionConfig] {
        assert!(!with.of(resource_type).is_empty());
        assert_eq!(with.of(resource_type), without.of(resource_type));
    }
}

#[test]
fn the_listener_waits_for_the_cluster_that_keys_come_from() {
    let (without, with) = (
        snapshot(gateway("edge")),
        snapshot(verifying_gateway("edge", &["staff"])),
    );
    for resource_type in [ResourceType::Cluster, ResourceType::Endpoint] {
        assert!(!without.of(resource_type).contains_key(KEYS_CLUSTER));
        assert!(with.of(resource_type).contains_key(KEYS_CLUSTER));
    }
    assert!(listener(&without).clusters.is_empty());
    assert_eq!(listener(&with).clusters, [KEYS_CLUSTER.to_owned()].into());
}

#[test]
fn a_token_may_be_missing_unless_it_is_required() {
    let mut edge = verifying_gateway("edge", &["staff", "partners"]);
    let providers = vec!["staff".to_owned(), "partners".to_owned()];
    assert_eq!(
        rule(&verification(&snapshot(edge.clone()))),
        (providers.clone(), true)
    );
    edge["spec"]["jwt"]["required"] = json!(true);
    assert_eq!(rule(&verification(&snapshot(edge))), (providers, false));

    let mut edge = verifying_gateway("edge", &["staff"]);
    let provider = vec!["staff".to_owned()];
    assert_eq!(
        rule(&verification(&snapshot(edge.clone()))),
        (provider.clone(), true)
    );
    edge["spec"]["jwt"]["required"] = json!(true);
    assert_eq!(rule(&verification(&snapshot(edge))), (provider, false));
}

#[test]
fn a_provider_is_envoys_provider() {
    let mut edge = verifying_gateway("edge", &["staff", "partners"]);
    let keys = r#"{"keys": [{"kty": "oct", "k": "AA"}]}"#;
    edge["spec"]["jwt"]["providers"][1] = json!({
        "name": "partners", "issuer": "partners", "audiences": ["shop"], "forward": false,
        "jwks": {"inline": keys}, "fromHeaders": [{"name": "x-token", "valuePrefix": "T "}],
        "fromParams": ["token"], "fromCookies": ["SID"]
    });
    let verification = verification(&snapshot(edge));
    let of = |name: &str| -> &JwtProvider { &verification.providers[name] };

    let staff = of("staff");
    assert_eq!(staff.issuer, "https://staff.example.com");
    assert_eq!(staff.forward_payload_header, "x-weir-jwt-staff");
    assert_eq!(staff.payload_in_metadata, "staff");
    assert!(staff.forward && staff.audiences.is_empty() && staff.from_headers.is_empty());
    let Some(JwksSourceSpecifier::RemoteJwks(remote)) = &staff.jwks_source_specifier else {
        panic!("{staff:?}")
    };
    let uri = remote.http_uri.as_ref().unwrap();
    assert_eq!(uri.uri, "http://id/keys");
    assert_eq!(uri.timeout.as_ref().unwrap().seconds, 2);
    assert_eq!(remote.cache_duration.as_ref().unwrap().seconds, 60);
    assert!(remote.async_fetch.is_some());

    let partners = of("partners");
    assert_eq!(partners.forward_payload_header, "x-weir-jwt-partners");
    assert!(!partners.forward);
    assert_eq!(partners.audiences, ["shop"]);
    assert_eq!(
        (
            partners.from_headers[0].name.as_str(),
            partners.from_headers[0].value_prefix.as_str()
        ),
        ("x-token", "T ")
    );
    assert_eq!(
        (&partners.from_params, &partners.from_cookies),
        (&vec!["token".to_owned()], &vec!["SID".to_owned()])
    );
    let Some(JwksSourceSpecifier::LocalJwks(local)) = &partners.jwks_source_specifier else {
        panic!("{partners:?}")
    };
    assert!(format!("{local:?}").contains("oct"));
}

#[test]
fn the_same_providers_give_the_same_bytes() {
    let names: Vec<String> = (0..16).map(|number| format!("provider-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let edge = || verifying_gateway("edge", &names);
    let first = snapshot(edge());
    assert_eq!(verification(&first).providers.len(), names.len());
    for _ in 0..4 {
        assert_eq!(listener(&first), listener(&snapshot(edge())));
    }
}
