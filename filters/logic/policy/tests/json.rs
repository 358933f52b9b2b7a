//! The small reader of JSON against serde_json's own.
#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use weir_policy::json::from_slice;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Strict {
    number: u32,
    #[serde(default)]
    signed: Option<i64>,
    #[serde(default)]
    float: f64,
    #[serde(default)]
    list: Vec<Kind>,
    #[serde(default)]
    map: BTreeMap<String, Lax>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lax {
    text: String,
    #[serde(default, alias = "small")]
    byte: u8,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Kind {
    Unit,
    Text(String),
    Pair(bool, u16),
    Fields { on: bool },
    Nested(Box<Kind>),
}

/// Values that are near what [`Strict`] takes: its fields with values that fit, and any others.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<u8>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("unit")),
        Just(json!({"text": "a\"\\\u{1f600}\n", "small": 7})),
        Just(json!({"pair": [true, 7]})),
        Just(json!({"pair": [true, 7, 8]})),
        Just(json!({"fields": {"on": true}})),
        Just(json!({"unit": null})),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop::sample::select(vec![
            "number", "signed", "float", "list", "map", "text", "byte", "small", "unit", "pair", "fields",
            "nested", "on", "other",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.prop_map(str::to_owned), inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

fn strict() -> impl Strategy<Value = Value> {
    let kinds = prop_oneof![
        Just(json!("unit")),
        any::<String>().prop_map(|text| json!({"text": text})),
        Just(json!({"nested": {"nested": {"fields": {"on": false}}}})),
        Just(json!({"pair": [false, 65_535]})),
        value(),
    ];
    let lax = prop_oneof![
        any::<String>().prop_map(|text| json!({"text": text, "ignored": [{"a": [1.5e3, null]}]})),
        value()
    ];
    (
        any::<u32>(),
        any::<i64>(),
        any::<f64>(),
        prop::collection::vec(kinds, 0..3),
        prop::collection::btree_map(any::<String>(), lax, 0..3),
    )
        .prop_map(|(number, signed, float, list, map)| {
            json!({"number": number, "signed": signed, "float": float, "list": list, "map": map})
        })
}

/// An array in place of an object is refused, and what is no UTF-8 wherever it stands; serde_json takes them.
fn is_stricter(error: &serde_json::Error, json: &[u8]) -> bool {
    error.to_string().starts_with("invalid type: sequence, expected") || str::from_utf8(json).is_err()
}

fn check<T: for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(json: &[u8]) {
    let text = String::from_utf8_lossy(json);
    match (from_slice::<T>(json), serde_json::from_slice::<T>(json)) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
        (Err(error), Err(_)) => assert!(error.line() > 0, "{error}: {text}"),
        (Err(error), Ok(_)) => assert!(is_stricter(&error, json), "{error}: {text}"),
        (Ok(found), Err(error)) => panic!("{error}, read as {found:?}: {text}"),
    }
}

proptest! {
    #[test]
    fn it_reads_what_serde_json_reads(value in prop_oneof![value(), strict()], pretty: bool) {
        let json = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        check::<Strict>(&json);
        check::<Lax>(&json);
        check::<Kind>(&json);
        check::<Value>(&json);
        check::<Option<Vec<Kind>>>(&json);
    }

    #[test]
    fn broken_text_is_refused_where_serde_json_refuses_it(
        value in strict(),
        at: prop::sample::Index,
        byte: u8,
        cut: bool,
    ) {
        let mut json = serde_json::to_vec(&value).unwrap();
        let at = at.index(json.len());
        json[at] = byte;
        if cut {
            json.truncate(at);
        }
        check::<Strict>(&json);
        check::<Value>(&json);
    }
}

#[test]
fn an_error_says_what_and_where() {
    let check = |json: &str, expected: &str| {
        let error = from_slice::<Strict>(json.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(
        "[]",
        "invalid type: sequence, expected struct Strict at line 1 column 1",
    );
    check(
        "{\n \"number\": -1}",
        "invalid value: integer `-1`, expected u32 at line 2 column 12",
    );
    check(
        "{\"number\": 1.5}",
        "invalid type: floating point `1.5`, expected u32 at line 1 column 12",
    );
    check(
        "{\"number\": 1, \"number\": 2}",
        "duplicate field `number` at line 1 column 25",
    );
    check("{\"signed\": 1}", "missing field `number` at line 1 column 12");
    check(
        "{\"number\": 1, \"numbers\": 2}",
        "unknown field `numbers`, expected one of `number`, `signed`, `float`, `list`, `map` at line 1 column 26",
    );
    check(
        "{\"list\": [\"unit\", {\"text\": \"a\", \"unit\": null}]}",
        "invalid value: map, expected an object with one member at line 1 column 19",
    );
    check("{\"number\": 1,}", "key must be a string at line 1 column 14");
    check("{\"number\": 1} 2", "trailing characters at line 1 column 15");
}

#[test]
fn a_deep_text_is_no_danger() {
    let deep = format!(
        "{{\"text\": \"a\", \"other\": {}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(from_slice::<Lax>(deep.as_bytes()).unwrap().text, "a");
}

#[test]
fn enums_and_tuples_are_read_as_serde_json_reads_them() {
    let kinds = [
        "\"unit\"",
        "\"text\"",
        "\"other\"",
        "{}",
        "{\"unit\": null}",
        "{\"unit\": 1}",
        "{\"text\": \"a\\u00e9\\n\"}",
        "{\"text\": 1}",
        "{\"pair\": [true, 7]}",
        "{\"pair\": [true]}",
        "{\"pair\": [true, 7, 8]}",
        "{\"pair\": [true, 65536]}",
        "{\"fields\": {\"on\": true}}",
        "{\"fields\": {\"on\": true, \"off\": 1}}",
        "{\"nested\": {\"nested\": \"unit\"}}",
        "{\"text\": \"a\", \"unit\": null}",
    ];
    for kind in kinds {
        check::<Kind>(kind.as_bytes());
    }
}
