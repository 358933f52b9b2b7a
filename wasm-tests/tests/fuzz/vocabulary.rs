//! Words that configurations and requests have in common, so that rules meet requests that match them.

use proptest::prelude::*;
use proptest::sample::select;

pub(crate) const HEADERS: [&str; 8] = [
    "x-user-id",
    "x-tenant",
    "cookie",
    "content-type",
    "x-weir-cluster",
    "x-weir-shard",
    "user-agent",
    "a!#$%&'*+.^_`|~9",
];
pub(crate) const QUERIES: [&str; 6] = ["user", "id", "a b", "ü", "%41", "&="];
pub(crate) const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "TRACE", "POST", "DELETE", "get"];
pub(crate) const HOSTS: [&str; 5] = [
    "service.test",
    "*.service.test",
    "API.Example.com",
    "*.com",
    "a_b.c-d",
];
pub(crate) const AUTHORITIES: [&str; 8] = [
    "service.test",
    "SERVICE.test:8080",
    "a.b.service.test:",
    ".service.test",
    "api.example.com:1:2",
    "[::1]:443",
    "a_b.c-d",
    "",
];
pub(crate) const SEGMENTS: [&str; 12] = [
    "orders", "users", "42", "a", "b", "", "%41", "a%2Fb", "%", "a+b", "..", "~",
];
/// Values that a rule asks for; requests carry them now and then.
pub(crate) const VALUES: [&str; 5] = ["", "1", "gold", "ü", "application/grpc"];
pub(crate) const TEMPLATES: [&str; 8] = [
    "/users/{id}",
    "/users/{id}/**",
    "/{a}/{b}",
    "/{a}/*/{c}/**",
    "/*/{b}/",
    "/{one}/{two}/{three}/{four}/{five}",
    "/{id}",
    "/orders/{id}/a",
];
pub(crate) const PATTERNS: [&str; 10] = [
    "/orders(/.*)?",
    "/[a-z]+",
    "(?i)/ORDERS",
    ".*",
    "/users/[0-9]{1,20}",
    "(a*)*b|/(a|b|c)*",
    "/(users|orders)/[^/]+(/[^/]*)*",
    r"/\d+|\w+|\s",
    "(?s)/.{0,1000}",
    "^/a$|b^",
];

/// One of these words.
pub(crate) fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(str::to_owned)
}

/// A path of [`SEGMENTS`], with a leading slash.
pub(crate) fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&SEGMENTS[..]), 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}
