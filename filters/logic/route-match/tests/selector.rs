//! Rules and routes of a slot.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use weir_policy::compiled::{CompiledRoute, FORMAT, Rule, SlotConfig};
use weir_policy::matching::{HeaderMatch, PathMatch, RequestMatch};
use weir_route_match::{Matcher, RequestView, Selector};

fn path(prefix: &str) -> RequestMatch {
    RequestMatch {
        path: Some(PathMatch::Prefix(prefix.into())),
        ..RequestMatch::default()
    }
}

fn rule(policy: &str, route: Option<&str>, request_match: Option<RequestMatch>) -> Rule {
    Rule {
        policy: policy.into(),
        route: route.map(Into::into),
        request_match,
    }
}

fn route(name: &str, matches: Vec<RequestMatch>) -> CompiledRoute {
    CompiledRoute {
        name: name.into(),
        matches,
    }
}

fn slot(routes: Vec<CompiledRoute>, rules: Vec<Rule>) -> SlotConfig<()> {
    let policies: BTreeMap<String, ()> = rules.iter().map(|rule| (rule.policy.clone(), ())).collect();
    SlotConfig {
        format: FORMAT,
        slot: "weir/default/edge/shard-router".into(),
        generation: 1,
        control: None,
        routes,
        rules,
        policies,
    }
}

/// Notes which headers were read.
struct Reads<'r>(&'r [(&'r str, &'r [u8])], RefCell<BTreeSet<String>>);

impl RequestView for Reads<'_> {
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.1.borrow_mut().insert(name.to_owned());
        self.0.values(name)
    }
}

fn check(config: &SlotConfig<()>, request: &[(&str, &[u8])], policy: Option<&str>, reads: &[&str]) {
    let selector = Selector::try_new(config).unwrap();
    let request = Reads(request, RefCell::default());
    let found = selector
        .select(&request)
        .and_then(|index| config.policies.keys().nth(index));
    assert_eq!(found.map(String::as_str), policy);
    let reads: BTreeSet<String> = reads.iter().copied().map(str::to_owned).collect();
    assert_eq!(*request.1.borrow(), reads);
}

#[test]
fn a_rule_without_conditions_reads_nothing() {
    let config = slot(
        vec![route("r", vec![path("/r")])],
        vec![rule("d/a", None, None), rule("d/b", None, None)],
    );
    check(&config, &[(":path", b"/r")], Some("d/a"), &[]);
    check(&slot(Vec::new(), Vec::new()), &[(":path", b"/r")], None, &[]);
}

#[test]
fn the_first_rule_that_holds_wins() {
    let rules = vec![
        rule("d/z", None, Some(header_match("x-beta", Some("on")))),
        rule("d/b", None, Some(path("/a"))),
        rule("d/a", None, None),
    ];
    let config = slot(Vec::new(), rules);
    check(&config, &[("x-beta", b"on")], Some("d/z"), &["x-beta"]);
    check(
        &config,
        &[("x-beta", b"On"), (":path", b"/a")],
        Some("d/b"),
        &["x-beta", ":path"],
    );
    check(
        &config,
        &[(":path", b"/ab?x=/a")],
        Some("d/a"),
        &["x-beta", ":path"],
    );
}

fn header_match(name: &str, value: Option<&str>) -> RequestMatch {
    RequestMatch {
        headers: vec![HeaderMatch {
            name: name.into(),
            value: value.map(Into::into),
        }],
        ..RequestMatch::default()
    }
}

proptest! {
    /// Envoy compares each value on its own, and does not join them.
    #[test]
    fn a_repeated_header_matches_by_any_of_its_values(
        values in prop::collection::vec("[a,]{0,3}", 0..4),
        expected in "[a,]{0,4}",
    ) {
        let mut request: Vec<(&str, &[u8])> = vec![("x-b", b"a")];
        for value in &values {
            request.extend([("x-a", value.as_bytes()), ("x-c", b"a")]);
        }
        let holds = |value| Matcher::try_new(&header_match("x-a", value)).unwrap().matches(&request[..]);
        prop_assert_eq!(holds(Some(&expected)), values.contains(&expected));
        prop_assert_eq!(holds(None), !values.is_empty());
    }
}

#[test]
fn a_rule_of_a_route_holds_only_on_that_route() {
    let routes = vec![
        route("reports", vec![path("/a/reports"), path("/r")]),
        route("all", Vec::new()),
    ];
    let rules = vec![
        rule("d/a", Some("all"), Some(path("/a"))),
        rule("d/r", Some("reports"), None),
    ];
    let config = slot(routes, rules);
    // The earlier route takes it, though the later one would match as well.
    check(&config, &[(":path", b"/a/reports/1")], Some("d/r"), &[":path"]);
    check(&config, &[(":path", b"/a/1")], Some("d/a"), &[":path"]);
    check(&config, &[(":path", b"/b")], None, &[":path"]);
}

#[test]
fn methods_are_case_sensitive_and_hosts_are_not() {
    let request_match = RequestMatch {
        host: Some("API.example.com".into()),
        methods: vec!["GET".into(), "HEAD".into()],
        ..RequestMatch::default()
    };
    let config = slot(Vec::new(), vec![rule("d/a", None, Some(request_match))]);
    let request = |method: &'static [u8]| {
        [
            (":method", method),
            (":authority", b"api.EXAMPLE.com:1".as_slice()),
        ]
    };
    check(
        &config,
        &request(b"HEAD"),
        Some("d/a"),
        &[":method", ":authority"],
    );
    check(&config, &request(b"head"), None, &[":method"]);
}

#[test]
fn an_error_names_the_field() {
    let text = |config: &SlotConfig<()>| Selector::try_new(config).unwrap_err().to_string();
    let bad = |routes, request_match| slot(routes, vec![rule("d/a", None, request_match)]);
    let template = RequestMatch {
        path: Some(PathMatch::Template("/a//b".into())),
        ..RequestMatch::default()
    };
    let found = text(&bad(Vec::new(), Some(template.clone())));
    assert!(
        found.starts_with("/rules/0/match/path/value: a path template has no empty segment"),
        "{found}"
    );
    let found = text(&bad(vec![route("r", vec![path("/"), template])], None));
    assert!(
        found.starts_with("/routes/0/match/1/path/value: a path template has no empty segment"),
        "{found}"
    );
    let found = text(&slot(Vec::new(), vec![rule("d/a", Some("nowhere"), None)]));
    assert!(
        found.starts_with("/rules/0/route: no route \"nowhere\""),
        "{found}"
    );
}
