//! Paths against oracles: segments compared one by one, and the regular expression that Envoy makes of a template.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use regex_lite::Regex;
use weir_policy::matching::PathMatch;
use weir_route_match::{PathPattern, PathTemplate};

/// Few distinct segments, so that literals and paths meet often.
const SEGMENT: &str = "[ab.]{0,2}";

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => prop::collection::vec("[ab.=%é*]{0,2}|a|b|ab", 0..6).prop_map(|parts| format!("/{}", parts.join("/"))),
        1 => "[ab/]{0,4}",
    ]
}

fn template() -> impl Strategy<Value = String> {
    let segment = prop_oneof![3 => "[ab]{1,2}", 1 => Just("*".to_owned()), 2 => Just("{}".to_owned())];
    (
        prop::collection::vec(segment, 1..5),
        prop_oneof![Just(""), Just("/"), Just("/**")],
    )
        .prop_map(|(parts, end)| {
            let named = parts.iter().enumerate().map(|(index, part)| match part.as_str() {
                "{}" => format!("/{{v{index}}}"),
                literal => format!("/{literal}"),
            });
            named.collect::<String>() + end
        })
}

/// What Envoy 1.40 compiles a template to: source/extensions/path/uri_template_lib.
fn envoy_regex(template: &str) -> Regex {
    const CLASS: &str = r"a-zA-Z0-9\-._~%!$&'()*+,;=:@";
    let part = |part: &str| match part.strip_prefix('{') {
        Some(name) => format!("(?P<{}>[{CLASS}]+)", name.trim_end_matches('}')),
        None if part == "*" => format!("[{CLASS}]+"),
        None if part == "**" => format!("[{CLASS}/]*"),
        None => part.replace('.', r"\."),
    };
    let parts: Vec<String> = template.split('/').map(part).collect();
    Regex::new(&format!("^{}$", parts.join("/"))).unwrap()
}

/// Whole segments, compared one by one.
fn naive_prefix(prefix: &str, path: &str) -> bool {
    let (mut path, mut matched) = (path.split('/'), true);
    for segment in prefix.trim_end_matches('/').split('/') {
        matched &= path.next() == Some(segment);
    }
    matched
}

fn matches(path: &PathMatch, text: &str) -> bool {
    PathPattern::try_new(path).unwrap().matches(text.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_template_is_the_regex_that_envoy_makes_of_it(template in template(), path in path()) {
        let compiled = PathTemplate::try_new(&template).unwrap();
        let captures = envoy_regex(&template);
        let captures = captures.captures(&path);
        prop_assert_eq!(compiled.matches(path.as_bytes()), captures.is_some());
        for index in 0..5 {
            let name = format!("v{index}");
            let Some(variable) = compiled.variable(&name) else { continue };
            let expected = captures.as_ref().and_then(|found| found.name(&name));
            prop_assert_eq!(
                compiled.capture(path.as_bytes(), variable),
                expected.map(|found| found.as_str().as_bytes())
            );
        }
    }

    #[test]
    fn a_prefix_takes_whole_segments(
        prefix in prop::collection::vec(SEGMENT, 0..3),
        path in prop::collection::vec(SEGMENT, 0..5),
    ) {
        let (prefix, path) = (format!("/{}", prefix.join("/")), format!("/{}", path.join("/")));
        prop_assert_eq!(matches(&PathMatch::Prefix(prefix.clone()), &path), naive_prefix(&prefix, &path));
    }

    #[test]
    fn any_bytes_as_a_path_are_judged_quietly(template in template(), path in prop::collection::vec(any::<u8>(), 0..20)) {
        PathTemplate::try_new(&template).unwrap().matches(&path);
        for kind in [PathMatch::Exact, PathMatch::Prefix, PathMatch::RegularExpression] {
            PathPattern::try_new(&kind("/a".to_owned())).unwrap().matches(&path);
        }
    }
}

#[test]
fn the_root_prefix_takes_every_path() {
    for path in ["/", "/a", "/a/b", "//"] {
        assert!(matches(&PathMatch::Prefix("/".into()), path), "{path}");
    }
    assert!(!matches(&PathMatch::Prefix("/".into()), "*"));
}

#[test]
fn a_regular_expression_takes_the_whole_path() {
    let versions = PathMatch::RegularExpression("/v[0-9]+|/latest".into());
    for (path, expected) in [
        ("/v1", true),
        ("/latest", true),
        ("/v1/x", false),
        ("x/v1", false),
        ("/latest1", false),
    ] {
        assert_eq!(matches(&versions, path), expected, "{path}");
    }
}

#[test]
fn refuses_what_envoy_refuses() {
    for bad in [
        "",
        "a",
        "/a//b",
        "/**/a",
        "/{1}",
        "/{a}/{a}",
        "/a b",
        "/a|b",
        "/{a}/{b}/{c}/{d}/{e}/{f}",
    ] {
        assert!(PathTemplate::try_new(bad).is_err(), "{bad}");
    }
    for good in ["/", "/a/", "/a=b", "/**", "/{a}", "/*/x/**"] {
        assert!(PathTemplate::try_new(good).is_ok(), "{good}");
    }
}
