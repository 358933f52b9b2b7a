//! Leases: which process has which share of a fleet-wide limit.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use weir_policy::name::Name;
use weir_policy::proxy::{KeyReport, LeaseReport, LimitReport, Share, WHOLE};

use crate::slot::parse_slot;

/// The most limits of a report.
pub const MAX_LIMITS: usize = 1_024;
/// The most keys of a limit that have shares of their own.
pub const MAX_KEYS: usize = 256;
/// The longest name of a process, bytes.
pub const MAX_INSTANCE_BYTES: usize = 128;

/// How a limit, or one of its keys, is shared out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SharedLimit {
    /// `<namespace>/<policy>/<limit>`.
    pub limit: String,
    /// The key's fingerprint; absent: every key without a share of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What all holders together may use, parts per million: at most [`WHOLE`].
    pub outstanding: u64,
    /// Who has a part of it.
    pub holders: Vec<Holder>,
}

/// A process that has a part of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The process, as it calls itself.
    pub instance: String,
    /// What it was granted last, parts per million.
    pub share: Share,
    /// What it reported that its workers may still use.
    pub held: Share,
    /// Units that its clients ask for in a second.
    pub demand: u64,
}

/// Whether a report can be meant; if not, where and why.
pub fn check(report: &LeaseReport) -> Result<(), String> {
    let (gateway, _) = parse_slot(&report.slot).ok_or_else(|| {
        format!(
            "slot: {:?}: expected weir/<namespace>/<gateway>/<filter>",
            report.slot
        )
    })?;
    if !(1..=MAX_INSTANCE_BYTES).contains(&report.instance.len()) {
        return Err(format!(
            "instance: {} bytes: expected 1 to {MAX_INSTANCE_BYTES}",
            report.instance.len()
        ));
    }
    at_most(report.limits.len(), MAX_LIMITS, "limits")?;
    let mut seen = BTreeSet::new();
    for (index, limit) in report.limits.iter().enumerate() {
        let at = format!("limits[{index}]");
        if !seen.insert(&limit.limit) {
            return Err(format!("{at}.limit: {:?} stands twice", limit.limit));
        }
        check_limit(limit, &gateway.namespace, &at)?;
    }
    Ok(())
}

fn check_limit(limit: &LimitReport, namespace: &Name, at: &str) -> Result<(), String> {
    if !is_limit_of(&limit.limit, namespace) {
        return Err(format!(
            "{at}.limit: {:?}: expected {namespace}/<policy>/<limit>",
            limit.limit
        ));
    }
    check_share(limit.held, at)?;
    at_most(limit.keys.len(), MAX_KEYS, &format!("{at}.keys"))?;
    let mut seen = BTreeSet::new();
    for (index, key) in limit.keys.iter().enumerate() {
        let at = format!("{at}.keys[{index}]");
        if !seen.insert(&key.key) {
            return Err(format!("{at}.key: {:?} stands twice", key.key));
        }
        check_key(key, &at)?;
    }
    Ok(())
}

fn check_key(key: &KeyReport, at: &str) -> Result<(), String> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if key.key.len() != 16 || !key.key.bytes().all(is_digit) {
        return Err(format!(
            "{at}.key: {:?}: expected 16 digits of lower-case hex",
            key.key
        ));
    }
    check_share(key.held, at)
}

fn check_share(held: Share, at: &str) -> Result<(), String> {
    if held > WHOLE {
        return Err(format!("{at}.held: {held}: expected at most {WHOLE}"));
    }
    Ok(())
}

fn at_most(found: usize, most: usize, at: &str) -> Result<(), String> {
    if found > most {
        return Err(format!("{at}: {found} of them: expected at most {most}"));
    }
    Ok(())
}

/// A policy is for the Gateways of its own namespace.
fn is_limit_of(limit: &str, namespace: &Name) -> bool {
    let mut parts = limit.split('/');
    parts.next() == Some(namespace.as_str())
        && parts.next().is_some_and(is_name)
        && parts.next().is_some_and(is_name)
        && parts.next().is_none()
}

fn is_name(text: &str) -> bool {
    Name::try_new(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> KeyReport {
        KeyReport {
            key: format!("{number:016x}"),
            demand: u64::MAX,
            held: WHOLE,
        }
    }

    fn limit(name: &str, keys: usize) -> LimitReport {
        LimitReport {
            limit: name.to_owned(),
            held: WHOLE,
            keys: (0..keys).map(key).collect(),
        }
    }

    fn report(limits: Vec<LimitReport>) -> LeaseReport {
        LeaseReport {
            slot: "weir/default/edge/rate-limit".to_owned(),
            instance: "i".to_owned(),
            sequence: 1,
            limits,
        }
    }

    #[track_caller]
    fn refused(report: &LeaseReport, words: &str) {
        let said = check(report).unwrap_err();
        assert!(said.starts_with(words), "{said}");
    }

    #[test]
    fn a_report_as_large_as_may_be_is_taken() {
        let limits = (0..MAX_LIMITS).map(|number| limit(&format!("default/a/l-{number}"), 0));
        assert_eq!(check(&report(limits.collect())), Ok(()));
        assert_eq!(check(&report(vec![limit("default/a/b", MAX_KEYS)])), Ok(()));
        assert_eq!(check(&report(Vec::new())), Ok(()));
    }

    #[test]
    fn a_report_that_cannot_be_meant_is_refused_with_the_place() {
        let mut one = report(Vec::new());
        one.slot = "weir/default/edge".to_owned();
        refused(&one, "slot: \"weir/default/edge\": expected");
        for instance in [String::new(), "x".repeat(MAX_INSTANCE_BYTES + 1)] {
            let mut one = report(Vec::new());
            one.instance = instance;
            refused(&one, "instance: ");
        }
        for name in [
            "",
            "default/a",
            "shop/a/b",
            "default/a/b/c",
            "default/A/b",
            "default/a/",
        ] {
            refused(&report(vec![limit(name, 0)]), "limits[0].limit: ");
        }
        let twice = vec![limit("default/a/b", 0), limit("default/a/b", 0)];
        refused(&report(twice), "limits[1].limit: \"default/a/b\" stands twice");
        let many = (0..=MAX_LIMITS).map(|number| limit(&format!("default/a/l-{number}"), 0));
        refused(
            &report(many.collect()),
            "limits: 1025 of them: expected at most 1024",
        );
        let many = limit("default/a/b", MAX_KEYS + 1);
        refused(
            &report(vec![many]),
            "limits[0].keys: 257 of them: expected at most 256",
        );
    }

    #[test]
    fn a_share_and_a_key_have_their_bounds() {
        let mut more = limit("default/a/b", 0);
        more.held = WHOLE + 1;
        refused(
            &report(vec![more]),
            "limits[0].held: 1000001: expected at most 1000000",
        );
        let mut more = limit("default/a/b", 2);
        more.keys[1].held = WHOLE + 1;
        refused(&report(vec![more]), "limits[0].keys[1].held: 1000001");
        let mut twice = limit("default/a/b", 2);
        twice.keys[1] = twice.keys[0].clone();
        refused(
            &report(vec![twice]),
            "limits[0].keys[1].key: \"0000000000000000\" stands twice",
        );
        for text in [
            "",
            "0",
            "000000000000000G",
            "00000000000000000",
            "000000000000000A",
        ] {
            let mut bad = limit("default/a/b", 1);
            text.clone_into(&mut bad.keys[0].key);
            refused(&report(vec![bad]), "limits[0].keys[0].key: ");
        }
    }
}
