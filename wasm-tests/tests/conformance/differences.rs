//! Where the host is known to differ from Envoy, and why; a difference that is none any more fails its test.

use crate::trace::Trace;

/// Scenario, reason.
const KNOWN: [(&str, &str); 1] = [(
    "line_breaks_in_values",
    "an example until the list is drawn up: what the codec says of a header is not the host's to say",
)];

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
