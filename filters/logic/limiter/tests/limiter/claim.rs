//! Keys by a claim of a token.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::fixture::{Request, Slot};

const HEADER: &str = "x-weir-jwt-staff";

fn by_claim(claim: &str) -> Slot {
    Slot::by(&json!([{"jwtClaim": {"payloadHeaders": [HEADER], "claim": claim}}]))
}

/// The claim of a payload, as JSON text.
fn check_text(claim: &str, payload: impl AsRef<[u8]>, expected: Option<&str>) {
    let slot = by_claim(claim);
    let request = Request::new().with(HEADER, URL_SAFE_NO_PAD.encode(payload.as_ref()));
    let key = expected.map(|value| slot.key_of(&[value]).unwrap());
    let shown = String::from_utf8_lossy(payload.as_ref()).into_owned();
    assert_eq!(
        slot.key(&request),
        key,
        "{claim} of {}",
        &shown[..shown.len().min(200)]
    );
}

fn check(claim: &str, payload: &Value, expected: Option<&str>) {
    check_text(claim, payload.to_string(), expected);
}

#[test]
fn a_claim_is_a_string_a_whole_number_or_a_boolean() {
    check("sub", &json!({"sub": "alice"}), Some("alice"));
    check(
        "sub",
        &json!({"sub": "a\u{e4}\n\u{1f600}\"\\"}),
        Some("a\u{e4}\n\u{1f600}\"\\"),
    );
    check("n", &json!({"n": 42}), Some("42"));
    check("n", &json!({"n": -42}), Some("-42"));
    check("n", &json!({"n": 0}), Some("0"));
    check("n", &json!({"n": u64::MAX}), Some("18446744073709551615"));
    check("n", &json!({"n": i64::MIN}), Some("-9223372036854775808"));
    check("n", &json!({"n": true}), Some("true"));
    check("n", &json!({"n": false}), Some("false"));
    for other in [
        json!(1.5),
        json!(null),
        json!([]),
        json!(["alice"]),
        json!({}),
        json!({"a": 1}),
        json!(""),
    ] {
        check("n", &json!({"n": other}), None);
    }
    check_text("n", "{\"n\":1e3}", None);
    check_text("n", "{\"n\":18446744073709551616}", None);
}

#[test]
fn dots_lead_into_objects() {
    let payload = json!({
        "a": {"b": {"c": "deep"}, "x": 1}, "a.b": "flat", "b": {"c": "other"}, "list": [{"c": "item"}],
    });
    check("a.b.c", &payload, Some("deep"));
    check("a.x", &payload, Some("1"));
    check("a.b", &payload, None);
    check("a.x.c", &payload, None);
    check("list.c", &payload, None);
    check("list.0", &payload, None);
    check("c", &payload, None);
    check("a", &json!("a"), None);
}

#[test]
fn the_last_of_doubled_claims_counts() {
    check_text("sub", r#"{"sub":"a","sub":"b"}"#, Some("b"));
    check_text("sub", r#"{"sub":"a","sub":null}"#, None);
    check_text("a.b", r#"{"a":{"b":"1"},"a":{"c":"2"}}"#, None);
    check_text("a.b", r#"{"a":{"c":"2"},"a":{"b":"1"}}"#, Some("1"));
    check_text("sub", r#"{"\u0073ub":"escaped"}"#, Some("escaped"));
}

#[test]
fn what_is_no_payload_has_no_claims() {
    for text in [
        "",
        "{",
        "{}",
        "[]",
        "nul",
        "{\"sub\":\"a\"",
        "{\"sub\":\"a\"}}",
        "{\"sub\":\"a\"} x",
        "{\"sub\":}",
        "{\"sub\":\"a\",}",
        "{\"sub\":\"a\" \"b\":1}",
        "{\"x\":[1,],\"sub\":\"a\"}",
    ] {
        check_text("sub", text, None);
    }
    check_text("sub", b"{\"sub\":\"\xff\"}", None);
    check_text("sub", "\n {\"sub\" : \"a\"}\t", Some("a"));
}

#[test]
fn base64_may_be_padded_but_nothing_else() {
    let slot = by_claim("sub");
    let payload = json!({"sub": "\u{3ff}\u{fff}~~??>>"}).to_string();
    let key = slot.key_of(&["\u{3ff}\u{fff}~~??>>"]);
    let of = |text: String| slot.key(&Request::new().with(HEADER, text));
    assert_eq!(of(URL_SAFE_NO_PAD.encode(&payload)), key);
    assert_eq!(of(URL_SAFE.encode(&payload)), key);
    assert_ne!(STANDARD.encode(&payload), URL_SAFE.encode(&payload));
    for text in [
        STANDARD.encode(&payload),
        format!("{}!", URL_SAFE_NO_PAD.encode(&payload)),
        format!(" {}", URL_SAFE_NO_PAD.encode(&payload)),
        payload.clone(),
        "A".to_owned(),
    ] {
        assert_eq!(of(text.clone()), None, "{text}");
    }
    let bytes = Request::new().with(HEADER, b"\xff\xfe\x80");
    assert_eq!(slot.key(&bytes), None);
}

#[test]
fn nesting_and_length_are_bounded() {
    let nested = |depth: usize| {
        format!(
            "{{\"x\":{}1{},\"sub\":\"a\"}}",
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    check_text("sub", nested(100), Some("a"));
    // Beside the path no depth is too deep; on it there is an end to it.
    let on_path = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    check_text(&["a"; 100].join("."), on_path(100), Some("1"));
    check_text(&["a"; 120].join("."), on_path(10_000), None);
    check_text("sub", nested(20_000), Some("a"));
    let long = |length: usize| json!({"sub": "a", "x": "x".repeat(length)});
    check("sub", &long(47 << 10), Some("a"));
    check("sub", &long(64 << 10), None);
}

#[test]
fn the_first_header_that_is_there_is_the_payload() {
    let headers = json!(["x-weir-jwt-staff", "x-weir-jwt-partners"]);
    let slot = Slot::by(&json!([{"jwtClaim": {"payloadHeaders": headers, "claim": "sub"}}]));
    let payload = |sub: &str| URL_SAFE_NO_PAD.encode(json!({"sub": sub}).to_string());
    let partner = Request::new().with("x-weir-jwt-partners", payload("p"));
    assert_eq!(slot.key(&partner), slot.key_of(&["p"]));
    let both = partner.with("x-weir-jwt-staff", payload("s"));
    assert_eq!(slot.key(&both), slot.key_of(&["s"]));
    // A token that nobody has verified says nothing.
    let token = format!("Bearer h.{}.s", payload("evil"));
    assert_eq!(slot.key(&Request::new().with("authorization", token)), None);
}

#[test]
fn a_token_that_nobody_has_verified_is_read_where_that_is_wanted() {
    let slot = Slot::by(&json!([{"jwtClaim": {"claim": "sub"}}]));
    let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"a"}"#);
    for (value, found) in [
        (format!("Bearer h.{payload}.s"), true),
        (format!("bEARER   h.{payload}.s  "), true),
        (format!("Bearer h.{payload}"), true),
        (format!("Bearer .{payload}."), true),
        (format!("Bearer {payload}"), false),
        (format!("Bearer h.s.{payload}"), false),
        (format!("Basic h.{payload}.s"), false),
        (format!("Bearerh.{payload}.s"), false),
        ("Bearer ".to_owned(), false),
        ("Bearer".to_owned(), false),
        (String::new(), false),
    ] {
        let request = Request::new().with("authorization", &value);
        let expected = found.then(|| slot.key_of(&["a"]).unwrap());
        assert_eq!(slot.key(&request), expected, "{value}");
    }
    let beside = Request::new().with("x-weir-jwt-staff", &payload);
    assert_eq!(slot.key(&beside), None);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

/// The same by a tree of values.
fn oracle(text: &str, path: &[String]) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let found = path
        .iter()
        .try_fold(&value, |value, name| value.as_object()?.get(name))?;
    match found {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

proptest! {
    #[test]
    fn a_walk_finds_what_a_tree_holds(
        value in json_value(),
        path in proptest::collection::vec("[ab]", 1..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut text = value.to_string();
        if let Some(cut) = cut {
            let at = cut.index(text.len());
            text.truncate((0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap());
        }
        let slot = by_claim(&path.join("."));
        let key = slot.key(&Request::new().with(HEADER, URL_SAFE_NO_PAD.encode(&text)));
        let expected = oracle(&text, &path).map(|value| slot.key_of(&[&value]).unwrap());
        prop_assert_eq!(key, expected, "{}", text);
    }

    #[test]
    fn no_bytes_break_it(payload in proptest::collection::vec(any::<u8>(), 0..100), raw in any::<bool>()) {
        let text = if raw { payload } else { URL_SAFE_NO_PAD.encode(payload).into_bytes() };
        by_claim("sub").key(&Request::new().with(HEADER, text));
    }
}
