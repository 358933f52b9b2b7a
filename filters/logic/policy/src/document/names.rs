//! Lists of names: of headers, cookies, parameters of the query, media types.

use std::collections::BTreeSet;

use crate::matching::check_header_name;
use crate::problem::Problems;

/// The most names of one list.
const MAX_NAMES: usize = 64;
/// The longest name, bytes.
const MAX_NAME: usize = 256;
/// Fields of one connection (RFC 9110 section 7.6.1, RFC 2616 section 13.5.1), which say nothing of a request or an answer.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Notes names that stand twice, those that `check` finds fault with, and lists that are too long.
pub(in crate::document) fn check_names(
    names: &[String],
    field: &str,
    problems: &mut Problems,
    check: impl Fn(&str, &mut Problems),
) {
    problems.within(field, |problems| {
        if names.len() > MAX_NAMES {
            let detail = format!("{} names: expected at most {MAX_NAMES}", names.len());
            problems.note("too_many_names", detail);
        }
        let mut seen = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            problems.within(index, |problems| {
                if !seen.insert(name) {
                    problems.note("duplicate_name", format!("{name:?} stands twice"));
                } else if name.len() > MAX_NAME {
                    let detail = format!("{} bytes: expected at most {MAX_NAME}", name.len());
                    problems.note("name_too_long", detail);
                } else {
                    check(name, problems);
                }
            });
        }
    });
}

/// Notes what is wrong with a list of headers.
pub(in crate::document) fn check_fields(names: &[String], field: &str, problems: &mut Problems) {
    check_names(names, field, problems, check_field_name);
}

/// Notes what keeps `name` from being a lower-case header name of more than one connection.
pub(in crate::document) fn check_field_name(name: &str, problems: &mut Problems) {
    if HOP_BY_HOP.contains(&name) {
        let detail = format!("{name:?} is of one connection only (RFC 9110 section 7.6.1)");
        return problems.note("hop_by_hop", detail);
    }
    check_header_name(name, problems);
}
