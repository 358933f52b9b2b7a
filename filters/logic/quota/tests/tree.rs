//! Trees of limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use weir_quota::tree::{MAX_DEPTH, QuotaTree, TreeError};

fn tree(limits: &[(&str, Option<&str>)]) -> Result<QuotaTree, TreeError> {
    QuotaTree::try_new(limits)
}

#[test]
fn parents_come_first() {
    let limits = [
        ("user", Some("tenant")),
        ("total", None),
        ("tenant", Some("total")),
        ("free", None),
    ];
    let tree = tree(&limits).unwrap();
    assert_eq!(tree.order(), [1, 3, 2, 0]);
    assert_eq!(tree.chain(0), [1, 2, 0]);
    assert_eq!(tree.chain(3), [3]);
    assert!(tree.chain(9).is_empty());
}

#[test]
fn what_makes_no_tree() {
    let error = |limits: &[(&str, Option<&str>)]| tree(limits).unwrap_err().to_string();
    assert_eq!(
        error(&[("a", None), ("b", None), ("a", None)]),
        "duplicate limit \"a\": expected another name than that of limits/0"
    );
    assert_eq!(
        error(&[("a", None), ("b", Some("c"))]),
        "unknown parent \"c\": expected the name of another limit"
    );
    let cycle = "is its own ancestor: expected parents without a cycle";
    assert_eq!(error(&[("a", Some("a"))]), format!("\"a\" {cycle}"));
    let through = error(&[("x", Some("a")), ("a", Some("b")), ("b", Some("a"))]);
    assert!(through == format!("\"a\" {cycle}") || through == format!("limits/2: \"b\" {cycle}"));
    assert_eq!(
        error(&[
            ("a", None),
            ("b", Some("a")),
            ("c", Some("b")),
            ("d", Some("c")),
            ("e", Some("d"))
        ]),
        "\"e\" has 4 ancestors: expected at most 3"
    );
}

proptest! {
    /// Any parents: a tree whose chains are what following parents gives, or the error that a walk finds.
    #[test]
    fn a_walk_finds_the_same(parents in prop::collection::vec(prop::option::of(0_usize..12), 1..12)) {
        let names: Vec<String> = (0..parents.len()).map(|index| index.to_string()).collect();
        let limits: Vec<_> =
            parents.iter().zip(&names).map(|(parent, name)| (name.clone(), parent.map(|parent| parent.to_string()))).collect();
        let known = parents.iter().flatten().all(|parent| *parent < parents.len());
        let walk = |index: usize| std::iter::successors(Some(index), |at| parents.get(*at).copied().flatten());
        let deepest = (0..parents.len()).map(|index| walk(index).take(20).count()).max().unwrap();
        match QuotaTree::try_new(&limits) {
            Err(TreeError::UnknownParent { .. }) => prop_assert!(!known),
            Err(TreeError::Cycle { index, .. }) => {
                prop_assert!(walk(index).skip(1).take(12).any(|ancestor| ancestor == index));
            }
            Err(TreeError::TooDeep { .. }) => prop_assert!(deepest > MAX_DEPTH),
            Err(other) => prop_assert!(false, "{other}"),
            Ok(tree) => {
                prop_assert!(known && deepest <= MAX_DEPTH);
                let mut order = tree.order().to_vec();
                let position = |index: usize| tree.order().iter().position(|at| *at == index).unwrap();
                for (index, parent) in parents.iter().enumerate() {
                    let mut chain: Vec<usize> = walk(index).collect();
                    chain.reverse();
                    prop_assert_eq!(tree.chain(index), chain);
                    prop_assert!(parent.is_none_or(|parent| position(parent) < position(index)));
                }
                order.sort_unstable();
                prop_assert_eq!(order, (0..parents.len()).collect::<Vec<_>>());
            }
        }
    }
}
