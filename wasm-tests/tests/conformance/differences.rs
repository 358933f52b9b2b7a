//! Where the host is known to differ from Envoy, and why; a difference that is none any more fails its test.

use crate::trace::Trace;

/// Scenario, reason.
const KNOWN: [(&str, &str); 14] = [
    ("change_request_and_keep_length", CODEC),
    ("change_response_and_keep_length", CODEC),
    ("foreign_expressions", REGISTRY),
    ("foreign_functions", REGISTRY),
    ("line_breaks_in_values", CODEC),
    ("odd_values", CODEC),
    ("reply_changed_on_its_way", CODEC),
    ("reply_over_http1", CODEC),
    ("reply_without_body_200", CODEC),
    ("too_large_a_body", CODEC),
    (
        "properties_of_addresses",
        "the hosts of scripted clusters have names, not addresses",
    ),
    (
        "reply_twice_in_two_callbacks",
        "the stream has ended with the second reply, where Envoy still offers the first one's body to the filter",
    ),
    (
        "properties_of_time",
        "response.backend_latency is not offered: it takes the clock of the upstream's connection",
    ),
    (
        "set_pairs_without_forwarded_proto",
        "the connection manager's own checks of a request are not the host's",
    ),
];

const REGISTRY: &str =
    "expressions and signatures are not among the foreign functions that the host offers itself";
/// The host hands messages on as filters leave them; HTTP/1.1 and HTTP/2 as bytes are no part of it.
const CODEC: &str = "what a codec refuses or adds";

/// Panics when the traces differ against the list.
pub(crate) fn check(name: &str, envoy: &Trace, host: &Trace) {
    match KNOWN.iter().find(|(known, _)| *known == name) {
        Some((_, reason)) => assert_ne!(
            envoy, host,
            "{name} is listed as different ({reason}), and is not"
        ),
        None => assert!(envoy == host, "{name} differs:\n{}", diff(envoy, host)),
    }
}

/// Line by line from the first difference to the last: `-` Envoy only, `+` the host only.
fn diff(envoy: &Trace, host: &Trace) -> String {
    let (envoy, host): (Vec<String>, Vec<String>) = (envoy.lines().collect(), host.lines().collect());
    let start = envoy
        .iter()
        .zip(&host)
        .take_while(|(one, other)| one == other)
        .count();
    let (one, other) = (&envoy[start..], &host[start..]);
    let end = one
        .iter()
        .rev()
        .zip(other.iter().rev())
        .take_while(|(one, other)| one == other)
        .count();
    let marked = |lines: &[String], sign: &str| -> String {
        lines.iter().map(|line| format!("{sign} {line}\n")).collect()
    };
    marked(&envoy[..start], " ")
        + &marked(&one[..one.len() - end], "-")
        + &marked(&other[..other.len() - end], "+")
}
