//! HedgePolicy: what is taken, what is refused, where and why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_policy::compiled::request_hedge::CompiledHedgePolicy;
use weir_policy::compiled::{ConfigError, SlotConfig};
use weir_policy::document::hedge_policy::HedgePolicySpec;
use weir_policy::document::hedge_policy::cold_start::ColdStart;
use weir_policy::document::mode::Mode;
use weir_policy::document::{Document, Spec};
use weir_policy::quantity::{ByteSize, Duration};

fn document(spec: &Value) -> Value {
    json!({"apiVersion": "weir.dev/v1alpha1", "kind": "HedgePolicy", "metadata": {"name": "reads"}, "spec": spec})
}

/// A policy with everything in it.
fn full() -> Value {
    document(&json!({
        "targetRefs": [{"group": "weir.dev", "kind": "Gateway", "name": "edge", "sectionName": "reads"}],
        "match": [{"path": {"type": "Prefix", "value": "/reads"}}],
        "priority": 5,
        "mode": "shadow",
        "quantile": 0.9,
        "minDelay": "10ms",
        "maxDelay": "200ms",
        "coldStart": "50ms",
        "budget": {"percent": 0.5, "minPerSecond": 3},
        "methods": ["GET", "HEAD"],
        "idempotent": {"headers": ["idempotency-key", "x-safe"]},
        "maxRequestBody": "16KiB",
        "overload": {"errorPercent": 12.5, "latencyFactor": 1.5}
    }))
}

/// What is wrong with a document: pointers and reasons.
fn problems(document: Value) -> Vec<(String, String)> {
    match Document::from_value(document) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .into_iter()
            .map(|problem| (problem.pointer, problem.reason))
            .collect(),
    }
}

/// What is wrong with the full policy when `value` stands at `pointer`, in words too.
fn with(pointer: &str, value: &Value) -> Vec<(String, String, String)> {
    let mut document = full();
    *document.pointer_mut(pointer).unwrap() = value.clone();
    let problems = Document::from_value(document).err().unwrap_or_default();
    problems
        .into_iter()
        .map(|problem| (problem.pointer, problem.reason, problem.detail))
        .collect()
}

fn spec(spec: &Value) -> HedgePolicySpec {
    match Document::from_value(document(spec)).unwrap().spec {
        Spec::HedgePolicy(spec) => spec,
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_reads_back_as_it_was_written() {
    let written = full();
    let document = Document::from_value(written.clone()).unwrap();
    assert_eq!(document.to_value()["spec"], written["spec"]);
    let text = serde_json::to_string(&document.to_value()).unwrap();
    let again = Document::from_value(serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(document, again);
}

#[test]
fn nothing_need_be_said() {
    let spec = spec(&json!({}));
    assert_eq!((spec.mode, spec.priority), (Mode::Enforce, 0));
    assert_eq!(spec.quantile.as_ppm(), 980_000);
    assert_eq!(spec.min_delay, Duration::from_millis(2));
    assert_eq!(spec.max_delay, Duration::from_secs(10));
    assert_eq!(spec.cold_start, ColdStart::Wait);
    assert_eq!(spec.budget.percent.percent_as_ppm(), 20_000);
    assert_eq!(spec.budget.min_per_second, 10);
    assert_eq!(spec.methods, ["GET", "HEAD", "OPTIONS"]);
    assert!(spec.idempotent.headers.is_empty());
    assert_eq!(spec.max_request_body, ByteSize::from_bytes(65_536));
    assert_eq!(spec.overload.error_percent.percent_as_ppm(), 200_000);
    assert_eq!(spec.overload.latency_factor.as_ppm(), 2_000_000);
}

#[test]
fn the_defaults_are_written_out() {
    let written = Document::from_value(document(&json!({}))).unwrap().to_value();
    let expected = json!({
        "priority": 0, "mode": "enforce", "quantile": 0.98, "minDelay": "2ms", "maxDelay": "10s", "coldStart": "wait",
        "budget": {"percent": 2, "minPerSecond": 10}, "methods": ["GET", "HEAD", "OPTIONS"], "idempotent": {},
        "maxRequestBody": "64KiB", "overload": {"errorPercent": 20, "latencyFactor": 2}
    });
    assert_eq!(written["spec"], expected);
}

#[test]
fn each_field_says_what_it_expects() {
    let names: Vec<String> = (0..65).map(|index| format!("x-{index}")).collect();
    let many = json!(names);
    let cases = [
        (
            "/spec/quantile",
            json!(0),
            "",
            "number_out_of_range",
            "0: expected 0.0001 to 0.9999",
        ),
        (
            "/spec/quantile",
            json!(1),
            "",
            "number_out_of_range",
            "1: expected 0.0001 to 0.9999",
        ),
        (
            "/spec/quantile",
            json!(-0.5),
            "",
            "number_out_of_range",
            "-0.5: expected",
        ),
        (
            "/spec/quantile",
            json!(95),
            "",
            "number_out_of_range",
            "95: expected",
        ),
        (
            "/spec/quantile",
            json!(0.99999),
            "",
            "invalid_value",
            "at most four decimals",
        ),
        ("/spec/quantile", json!("p95"), "", "wrong_type", "expected f64"),
        (
            "/spec/minDelay",
            json!("0ms"),
            "",
            "duration_out_of_range",
            "0ms: expected 1ms to 1m",
        ),
        (
            "/spec/minDelay",
            json!("61s"),
            "",
            "duration_out_of_range",
            "61s: expected 1ms to 1m",
        ),
        ("/spec/minDelay", json!(10), "", "wrong_type", "expected a string"),
        (
            "/spec/maxDelay",
            json!("9ms"),
            "",
            "duration_out_of_range",
            "9ms: expected 10ms to 1m",
        ),
        (
            "/spec/maxDelay",
            json!("2m"),
            "",
            "duration_out_of_range",
            "2m: expected 10ms to 1m",
        ),
        (
            "/spec/coldStart",
            json!("9ms"),
            "",
            "duration_out_of_range",
            "9ms: expected 10ms to 200ms",
        ),
        (
            "/spec/coldStart",
            json!("1s"),
            "",
            "duration_out_of_range",
            "1s: expected 10ms to 200ms",
        ),
        (
            "/spec/coldStart",
            json!("never"),
            "",
            "invalid_quantity",
            "or \"wait\"",
        ),
        (
            "/spec/budget/percent",
            json!(100.5),
            "",
            "percent_out_of_range",
            "100.5: expected 0 to 100",
        ),
        (
            "/spec/budget/percent",
            json!(-1),
            "",
            "percent_out_of_range",
            "-1: expected 0 to 100",
        ),
        (
            "/spec/budget/minPerSecond",
            json!(10_001),
            "",
            "number_out_of_range",
            "10001: expected 0 to 10000",
        ),
        (
            "/spec/budget/minPerSecond",
            json!(-1),
            "",
            "invalid_value",
            "expected u32",
        ),
        (
            "/spec/methods",
            json!([]),
            "",
            "no_methods",
            "expected at least one of GET, HEAD, OPTIONS",
        ),
        (
            "/spec/methods",
            json!(["GET", "POST"]),
            "/1",
            "unsafe_method",
            "\"POST\": expected GET, HEAD or OPTIONS",
        ),
        (
            "/spec/methods",
            json!(["get"]),
            "/0",
            "unsafe_method",
            "\"get\": expected GET",
        ),
        (
            "/spec/methods",
            json!(["GET", ""]),
            "/1",
            "unsafe_method",
            "\"\": expected GET",
        ),
        (
            "/spec/methods",
            json!(["GET", "HEAD", "GET"]),
            "/2",
            "duplicate_method",
            "\"GET\" stands twice",
        ),
        (
            "/spec/idempotent/headers",
            json!(["x-a", "x-a"]),
            "/1",
            "duplicate_name",
            "\"x-a\" stands twice",
        ),
        (
            "/spec/idempotent/headers",
            json!(["Idempotency-Key"]),
            "/0",
            "invalid_header_name",
            "lower-case",
        ),
        (
            "/spec/idempotent/headers",
            json!(["te"]),
            "/0",
            "hop_by_hop",
            "one connection only",
        ),
        (
            "/spec/idempotent/headers",
            many,
            "",
            "too_many_names",
            "65 names: expected at most 64",
        ),
        (
            "/spec/maxRequestBody",
            json!("2MiB"),
            "",
            "size_out_of_range",
            "2MiB: expected 0B to 1MiB",
        ),
        (
            "/spec/overload/errorPercent",
            json!(0),
            "",
            "percent_out_of_range",
            "0: expected 1 to 100",
        ),
        (
            "/spec/overload/errorPercent",
            json!(101),
            "",
            "percent_out_of_range",
            "101: expected 1 to 100",
        ),
        (
            "/spec/overload/latencyFactor",
            json!(1),
            "",
            "number_out_of_range",
            "1: expected 1.1 to 100",
        ),
        (
            "/spec/overload/latencyFactor",
            json!(101),
            "",
            "number_out_of_range",
            "101: expected 1.1 to 100",
        ),
        (
            "/spec/match/0/path/value",
            json!("reads"),
            "",
            "invalid_path",
            "expected a leading",
        ),
        (
            "/spec/targetRefs/0/kind",
            json!("Service"),
            "",
            "unknown_target",
            "expected \"Gateway\"",
        ),
        ("/spec/mode", json!("on"), "", "unknown_value", "expected one of"),
    ];
    for (place, value, below, reason, words) in cases {
        let found = with(place, &value);
        let [(pointer, found_reason, detail)] = found.as_slice() else {
            panic!("{place} {value}: {found:?}")
        };
        assert_eq!(
            (pointer, found_reason.as_str()),
            (&format!("{place}{below}"), reason),
            "{value}"
        );
        assert!(detail.contains(words), "{place} {value}: {detail}");
    }
}

#[test]
fn bounds_themselves_are_taken() {
    for (place, value) in [
        ("/spec/quantile", json!(0.0001)),
        ("/spec/quantile", json!(0.9999)),
        ("/spec/minDelay", json!("1ms")),
        ("/spec/minDelay", json!("50ms")),
        ("/spec/maxDelay", json!("50ms")),
        ("/spec/maxDelay", json!("60s")),
        ("/spec/coldStart", json!("10ms")),
        ("/spec/coldStart", json!("200ms")),
        ("/spec/budget/percent", json!(0)),
        ("/spec/budget/percent", json!(100)),
        ("/spec/budget/minPerSecond", json!(0)),
        ("/spec/budget/minPerSecond", json!(10_000)),
        ("/spec/maxRequestBody", json!("0B")),
        ("/spec/maxRequestBody", json!("1MiB")),
        ("/spec/overload/latencyFactor", json!(1.1)),
    ] {
        assert_eq!(with(place, &value), [], "{place} {value}");
    }
}

#[test]
fn unknown_fields_are_errors_wherever_they_stand() {
    for place in ["/spec", "/spec/budget", "/spec/idempotent", "/spec/overload"] {
        let mut document = full();
        document.pointer_mut(place).unwrap()["percentage"] = json!(1);
        let expected = (format!("{place}/percentage"), "unknown_field".to_owned());
        assert_eq!(problems(document), [expected]);
    }
}

proptest! {
    /// What the ranges allow is taken, and comes back as the same numbers from the text in which it is stored.
    #[test]
    fn whatever_is_in_range_reads_back(
        quantile in 1_u32..10_000,
        delays in (1_u64..=60_000, 1_u64..=60_000, 0_u64..=100),
        waits in any::<bool>(),
        percent in 0_u32..=1_000_000,
        min_per_second in 0_u32..=10_000,
        body in 0_u64..=(1 << 20),
        error in 10_000_u32..=1_000_000,
        factor in 11_000_u32..=1_000_000,
    ) {
        let (min, max) = (delays.0.min(delays.1), delays.0.max(delays.1));
        let cold = min + (max - min) * delays.2 / 100;
        let fraction = |steps: u32| f64::from(steps) / 10_000.0;
        let value = document(&json!({
            "quantile": fraction(quantile),
            "minDelay": format!("{min}ms"),
            "maxDelay": format!("{max}ms"),
            "coldStart": if waits { "wait".to_owned() } else { format!("{cold}ms") },
            "budget": {"percent": fraction(percent), "minPerSecond": min_per_second},
            "maxRequestBody": format!("{body}B"),
            "overload": {"errorPercent": fraction(error), "latencyFactor": fraction(factor)},
        }));
        let document = Document::from_value(value).unwrap();
        let text = document.to_value().to_string();
        let again = Document::from_value(serde_json::from_str(&text).unwrap()).unwrap();
        prop_assert_eq!(&again, &document);
        let Spec::HedgePolicy(spec) = again.spec else { panic!("another kind") };
        prop_assert_eq!(spec.quantile.as_ppm(), quantile * 100);
        prop_assert_eq!(spec.budget.percent.percent_as_ppm(), percent);
        prop_assert_eq!(spec.cold_start.delay(), (!waits).then(|| Duration::from_millis(cold)));
        prop_assert_eq!(spec.overload.latency_factor.as_ppm(), factor * 100);
    }
}

/// A slot with one policy, as a filter reads it.
fn compiled() -> Value {
    json!({
        "format": 1, "slot": "weir/default/edge/request-hedge", "generation": 1,
        "rules": [{"policy": "default/reads"}],
        "policies": {"default/reads": {
            "quantilePpm": 950_000, "minDelayMs": 5, "maxDelayMs": 1_000, "coldStartDelayMs": 5,
            "budget": {"ppm": 20_000, "minPerSecond": 10},
            "methods": ["GET"], "maxRequestBodyBytes": 65_536,
            "overload": {"errorPpm": 200_000, "latencyFactorPpm": 2_000_000},
            "maxRetries": 1, "clusters": ["weir/default/orders/a/read"], "routeTimeoutsMs": {"all": 15_000}
        }}
    })
}

fn read(slot: &Value) -> Result<SlotConfig<CompiledHedgePolicy>, ConfigError> {
    SlotConfig::<CompiledHedgePolicy>::read(slot.to_string().as_bytes())
}

#[test]
fn what_a_filter_reads_is_what_was_compiled() {
    let config = read(&compiled()).unwrap();
    assert_eq!(serde_json::to_value(config).unwrap(), compiled());
}

#[test]
fn a_filter_names_the_field_that_it_can_not_follow() {
    const POLICY: &str = "/policies/default~1reads";
    for (field, value, expected) in [
        ("quantilePpm", json!(0), "1 to 999999"),
        ("quantilePpm", json!(1_000_000), "1 to 999999"),
        ("minDelayMs", json!(0), "at least 1"),
        ("maxDelayMs", json!(4), "at least minDelayMs"),
        ("coldStartDelayMs", json!(4), "minDelayMs to maxDelayMs"),
        ("coldStartDelayMs", json!(1_001), "minDelayMs to maxDelayMs"),
        ("budget/ppm", json!(1_000_001), "0 to 1000000"),
        ("overload/errorPpm", json!(1_000_001), "0 to 1000000"),
        ("overload/latencyFactorPpm", json!(1_000_000), "more than 1000000"),
        ("maxRetries", json!(0), "1"),
        ("maxRetries", json!(2), "1"),
    ] {
        let mut slot = compiled();
        let pointer = format!("{POLICY}/{field}");
        *slot.pointer_mut(&pointer).unwrap() = value;
        let expected = ConfigError::Invalid(format!("{pointer}: expected {expected}"));
        assert_eq!(read(&slot), Err(expected));
    }
    let mut slot = compiled();
    slot.pointer_mut(POLICY).unwrap()["later"] = json!(1);
    assert!(matches!(read(&slot), Err(ConfigError::Malformed(_))));
    slot["format"] = json!(2);
    assert_eq!(read(&slot), Err(ConfigError::UnknownFormat(2)));
}
