//! Which policy wins: section, Gateway, none; then priority; then the more specific match; then the name.
//!
//! No timestamps, so that file, REST and Kubernetes agree.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use weir_policy::matching::{PathMatch, RequestMatch};
use weir_policy::name::Name;

/// How closely a policy is attached; earlier wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// To one route of the Gateway.
    Section(Name),
    /// To the Gateway.
    Gateway,
    /// To every Gateway of the namespace.
    Namespace,
}

impl Level {
    pub(super) const fn section(&self) -> Option<&Name> {
        match self {
            Self::Section(name) => Some(name),
            Self::Gateway | Self::Namespace => None,
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Section(_) => 0,
            Self::Gateway => 1,
            Self::Namespace => 2,
        }
    }
}

/// A policy with one of its matches, at one level.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) policy: String,
    pub(super) level: Level,
    pub(super) priority: i32,
    pub(super) request_match: Option<RequestMatch>,
}

/// How specific a match is; greater wins.
#[derive(PartialEq, Eq, PartialOrd, Ord, Default)]
struct Specificity {
    exact_host: bool,
    host_length: usize,
    path_kind: u8,
    path_length: usize,
    methods: bool,
    headers: usize,
}

/// The order in which a filter tries them.
pub(super) fn order(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.sort_by_cached_key(|candidate| {
        let specificity = candidate
            .request_match
            .as_ref()
            .map(specificity)
            .unwrap_or_default();
        (
            candidate.level.rank(),
            Reverse(candidate.priority),
            Reverse(specificity),
            candidate.policy.clone(),
        )
    });
    candidates
}

fn specificity(request_match: &RequestMatch) -> Specificity {
    let host = request_match.host.as_deref().unwrap_or_default();
    let (path_kind, path_length) = match &request_match.path {
        Some(PathMatch::Exact(path)) => (3, path.len()),
        Some(PathMatch::Template(path) | PathMatch::Prefix(path)) => (2, path.len()),
        Some(PathMatch::RegularExpression(pattern)) => (1, pattern.len()),
        None => (0, 0),
    };
    Specificity {
        exact_host: !host.is_empty() && !host.starts_with('*'),
        host_length: host.len(),
        path_kind,
        path_length,
        methods: !request_match.methods.is_empty(),
        headers: request_match.headers.len(),
    }
}

/// Policies none of whose candidates can ever win, with the first policy that stands before them.
pub(super) fn shadowed(candidates: &[Candidate]) -> BTreeMap<String, String> {
    let mut shadowed = BTreeMap::new();
    let mut alive = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let before = candidates
            .iter()
            .take(index)
            .find(|earlier| covers(earlier, candidate));
        match before {
            Some(winner) if winner.policy != candidate.policy => {
                shadowed.insert(candidate.policy.clone(), winner.policy.clone());
            }
            _ => alive.push(candidate.policy.clone()),
        }
    }
    shadowed.retain(|policy, _| !alive.contains(policy));
    shadowed
}

/// Whether every request of `later` is one of `earlier`.
fn covers(earlier: &Candidate, later: &Candidate) -> bool {
    let route = earlier.level.section().is_none() || earlier.level.section() == later.level.section();
    route && (earlier.request_match.is_none() || earlier.request_match == later.request_match)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(
        policy: &str,
        level: Level,
        priority: i32,
        request_match: Option<RequestMatch>,
    ) -> Candidate {
        Candidate {
            policy: policy.to_owned(),
            level,
            priority,
            request_match,
        }
    }

    fn on_path(path: PathMatch) -> Option<RequestMatch> {
        Some(RequestMatch {
            path: Some(path),
            ..RequestMatch::default()
        })
    }

    fn on_host(host: &str) -> Option<RequestMatch> {
        Some(RequestMatch {
            host: Some(host.to_owned()),
            ..RequestMatch::default()
        })
    }

    fn names(candidates: Vec<Candidate>) -> Vec<String> {
        order(candidates)
            .into_iter()
            .map(|candidate| candidate.policy)
            .collect()
    }

    #[test]
    fn a_closer_level_wins_over_priority() {
        let section = Level::Section("r".parse().unwrap());
        let ordered = names(vec![
            candidate("namespace", Level::Namespace, 100, None),
            candidate("gateway", Level::Gateway, 10, None),
            candidate("section", section, 0, None),
        ]);
        assert_eq!(ordered, ["section", "gateway", "namespace"]);
    }

    #[test]
    fn priority_then_specificity_then_name() {
        let ordered = names(vec![
            candidate("z", Level::Gateway, 0, None),
            candidate("a", Level::Gateway, 0, None),
            candidate(
                "regex",
                Level::Gateway,
                0,
                on_path(PathMatch::RegularExpression("/a.*".into())),
            ),
            candidate(
                "prefix",
                Level::Gateway,
                0,
                on_path(PathMatch::Prefix("/a".into())),
            ),
            candidate(
                "longer",
                Level::Gateway,
                0,
                on_path(PathMatch::Template("/a/{id}".into())),
            ),
            candidate("exact", Level::Gateway, 0, on_path(PathMatch::Exact("/".into()))),
            candidate("suffix", Level::Gateway, 0, on_host("*.example.com")),
            candidate("host", Level::Gateway, 0, on_host("a.de")),
            candidate("urgent", Level::Gateway, 1, None),
        ]);
        assert_eq!(
            ordered,
            [
                "urgent", "host", "suffix", "exact", "longer", "prefix", "regex", "a", "z"
            ]
        );
    }

    #[test]
    fn a_policy_that_never_wins_names_the_winner() {
        let ordered = order(vec![
            candidate("a", Level::Gateway, 0, None),
            candidate("b", Level::Gateway, 0, None),
            candidate("c", Level::Gateway, 0, on_host("c.de")),
        ]);
        assert_eq!(
            shadowed(&ordered),
            BTreeMap::from([("b".to_owned(), "a".to_owned())])
        );
    }
}
