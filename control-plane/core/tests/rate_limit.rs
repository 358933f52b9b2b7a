//! RateLimitPolicies, as the proxies of a Gateway get them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use serde_json::{Value, json};
use support::{World, backend, gateway, verifying_gateway};
use weir_core::node::GatewayRef;
use weir_core::slot::compile;

/// A policy for every Gateway, whose one limit has this key.
fn policy(descriptor: &Value) -> Value {
    let quota = json!({"rate": {"requests": 1, "window": "1s"}});
    let limits = json!([{"name": "client", "key": [descriptor], "quota": quota}]);
    json!({"apiVersion": "weir.dev/v1alpha1", "kind": "RateLimitPolicy", "metadata": {"name": "api"},
           "spec": {"limits": limits}})
}

/// The key as the proxies of `default/edge` read it.
fn compiled_key(documents: Vec<Value>) -> Value {
    let mut world = World::default();
    world.apply(documents).unwrap();
    let slots = compile(&world.state, &GatewayRef::parse("default/edge").unwrap());
    let slot = slots.iter().find(|slot| slot.filter == "rate-limit").unwrap();
    slot.verify().unwrap();
    let config: Value = serde_json::from_str(&slot.json).unwrap();
    config["policies"]["default/api"]["limits"][0]["key"][0].clone()
}

#[test]
fn a_claim_is_read_where_the_gateways_providers_put_it() {
    let sub = json!({"jwtClaim": {"claim": "sub"}});
    let edge = || {
        vec![
            backend("id", 9201),
            verifying_gateway("edge", &["staff", "partners"]),
        ]
    };
    let key = |descriptor: &Value| compiled_key([edge(), vec![policy(descriptor)]].concat());
    let both = json!(["x-weir-jwt-staff", "x-weir-jwt-partners"]);
    assert_eq!(
        key(&sub),
        json!({"jwtClaim": {"payloadHeaders": both, "claim": "sub"}})
    );
    let one = json!({"jwtClaim": {"claim": "sub", "provider": "partners"}});
    let expected = json!({"jwtClaim": {"payloadHeaders": ["x-weir-jwt-partners"], "claim": "sub"}});
    assert_eq!(key(&one), expected);
}

#[test]
fn only_a_claim_that_says_so_is_read_from_a_token_that_nobody_has_verified() {
    let unverified = json!({"jwtClaim": {"claim": "sub", "unverified": true}});
    let from_token = json!({"jwtClaim": {"claim": "sub"}});
    assert_eq!(
        compiled_key(vec![gateway("edge"), policy(&unverified)]),
        from_token
    );
    // A Gateway without a document verifies nothing.
    let sub = json!({"jwtClaim": {"claim": "sub"}});
    let nowhere = json!({"jwtClaim": {"payloadHeaders": [""], "claim": "sub"}});
    assert_eq!(compiled_key(vec![policy(&sub)]), nowhere);
}
