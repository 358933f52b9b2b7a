//! Requests that are refused, and configurations.

use serde_json::{Value, json};
use weir_wasm_tests::{Action, HostError, LocalResponse, Request};

use crate::fixture::{Router, keyed, policy, slot};

/// The filter's answer to a request, after what must hold of every refusal.
fn refusal(router: &Router, request: Request) -> LocalResponse {
    let outcome = router.request(request);
    assert_eq!(outcome.action, Action::Pause, "a refused request must go nowhere");
    outcome.local_response.expect("no answer")
}

fn problem(response: &LocalResponse) -> Value {
    assert_eq!(
        response.headers.text("content-type").as_deref(),
        Some("application/problem+json")
    );
    serde_json::from_slice(&response.body).unwrap()
}

#[test]
fn a_missing_key_is_a_400_problem() {
    let router = Router::with(&slot(1, &["a"]));
    let response = refusal(&router, Request::get("/orders"));
    assert_eq!(response.status, 400);
    let problem = problem(&response);
    assert_eq!(problem["status"], 400);
    for member in ["type", "title", "detail"] {
        assert!(
            problem[member].as_str().is_some_and(|text| !text.is_empty()),
            "{member}: {problem}"
        );
    }
}

#[test]
fn a_grpc_request_without_a_key_gets_invalid_argument() {
    let router = Router::with(&slot(1, &["a"]));
    for content_type in ["application/grpc", "application/grpc+proto"] {
        let request = Request::new("POST", "/orders").header("content-type", content_type);
        let outcome = router.request(request);
        let response = outcome.local_response.unwrap();
        assert_eq!((response.status, response.grpc_status), (400, Some(3)));
        let answer = outcome.answer.unwrap();
        assert_eq!(answer.text("grpc-status").as_deref(), Some("3"));
        assert_eq!(answer.text(":status").as_deref(), Some("200"));
        assert_eq!(answer.text("content-type").as_deref(), Some("application/grpc"));
    }
}

#[test]
fn a_key_that_is_too_long_is_a_400_and_one_byte_less_is_not() {
    let mut short = slot(1, &["a"]);
    policy(&mut short)["maxKeyBytes"] = json!(8);
    let router = Router::with(&short);
    assert_eq!(router.place(keyed("12345678")).1, "a");
    let response = refusal(&router, keyed("123456789"));
    assert_eq!(
        (response.status, &problem(&response)["status"]),
        (400, &json!(400))
    );
    assert!(
        !String::from_utf8_lossy(&response.body).contains("123456789"),
        "the key is repeated"
    );
}

/// What a broken configuration's refusal must say, after which the old one serves on.
fn check_refused(breaking: impl FnOnce(&mut Value), expected: &str) {
    let router = Router::with(&slot(1, &["a"]));
    let vms: Vec<_> = router.plugin.workers().map(|worker| worker.vm()).collect();
    let mut broken = slot(2, &["b"]);
    breaking(&mut broken);
    let error = router.configure(&broken).unwrap_err();
    assert!(matches!(error, HostError::Refused { .. }), "{error}");
    assert!(
        error.to_string().contains(expected),
        "{error}: expected {expected:?}"
    );
    assert_eq!(router.place(keyed("1")).1, "a");
    assert_eq!(
        router
            .plugin
            .workers()
            .map(|worker| worker.vm())
            .collect::<Vec<_>>(),
        vms
    );
}

#[test]
fn an_unknown_format_is_refused() {
    check_refused(|slot| slot["format"] = json!(2), "format");
}

#[test]
fn an_unknown_field_is_refused() {
    check_refused(|slot| slot["extra"] = json!(true), "extra");
}

#[test]
fn an_unknown_field_of_a_policy_is_refused() {
    check_refused(|slot| policy(slot)["weight"] = json!(1), "weight");
}

#[test]
fn a_rule_for_no_policy_is_refused() {
    check_refused(
        |slot| slot["rules"][0]["policy"] = json!("default/none"),
        "default/none",
    );
}

#[test]
fn a_doubled_shard_is_refused() {
    check_refused(
        |slot| {
            let shards = policy(slot)["shards"].as_array_mut().unwrap();
            shards.push(shards[0].clone());
        },
        "shards/1",
    );
}

#[test]
fn what_is_no_json_is_refused() {
    let router = Router::load();
    for junk in [&b""[..], b"{", b"null", b"\xff\xfe"] {
        let error = router.plugin.configure(junk).unwrap_err();
        assert!(matches!(error, HostError::Refused { .. }), "{error}");
    }
}
