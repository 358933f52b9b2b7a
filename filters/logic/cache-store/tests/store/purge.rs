//! Purges: what they are for is gone, for all workers, and as little else as can be.

use std::cell::Cell;
use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use weir_cache_store::purge::{FRESH_MS, Judged, Purgeable, Purges, Verdict};
use weir_policy::proxy::{CachePurge, EventPage, Notice, ProxyEvent, Purged};

use crate::NOW;
use crate::world::World;

fn purge(policy: Option<&str>, soft: bool, what: Purged) -> CachePurge {
    CachePurge {
        policy: policy.map(str::to_owned),
        soft,
        what,
    }
}

fn tags(tags: &[&str]) -> Purged {
    Purged::Tags(tags.iter().map(|tag| (*tag).to_owned()).collect())
}

fn page(revision: u64, purge: CachePurge) -> EventPage {
    EventPage {
        cursor: revision,
        reset: false,
        events: vec![ProxyEvent::new(revision, Notice::CachePurge(purge))],
    }
}

fn reset(cursor: u64) -> EventPage {
    EventPage {
        cursor,
        reset: true,
        events: Vec::new(),
    }
}

/// An object of the policy `default/a` at `shop/a/b` with the tags x and y.
fn verdict(purges: &Purges, world: &World<'_>, revision: u64, now_ms: u64) -> Verdict {
    let object = Purgeable {
        revision,
        policy: "default/a",
        url: b"shop/a/b",
        tags: [b"x".as_slice(), b"y"],
    };
    purges.verdict(world, object, &Cell::default(), now_ms).unwrap()
}

fn after(purge: CachePurge) -> Verdict {
    let (world, one, other) = (World::default(), Purges::new("slot"), Purges::new("slot"));
    assert!(one.apply(&world, &page(7, purge)).unwrap());
    assert_eq!(one.revision(&world, NOW).unwrap(), 7);
    // What began after the purge is not meant.
    assert_eq!(verdict(&other, &world, 7, NOW), Verdict::Valid);
    let verdicts = [&one, &other].map(|purges| verdict(purges, &world, 6, NOW));
    assert_eq!(verdicts[0], verdicts[1]);
    verdicts[0]
}

#[test]
fn a_purge_is_for_what_it_names_and_what_was_before() {
    let list = |text: &str| vec![text.to_owned()];
    for (what, is_meant) in [
        (Purged::All, true),
        (tags(&["z", "x"]), true),
        (tags(&["z"]), false),
        (tags(&["shop/a/b"]), false),
        (Purged::Urls(list("shop/a/b")), true),
        (Purged::Urls(list("shop/a")), false),
        (Purged::Urls(list("x")), false),
        (Purged::Prefixes(list("shop/a")), true),
        (Purged::Prefixes(list("shop/a/b/c")), false),
        (Purged::Prefixes(list("")), true),
    ] {
        for (policy, is_its) in [
            (None, true),
            (Some("default/a"), true),
            (Some("default/b"), false),
        ] {
            for (soft, then) in [(false, Verdict::Gone), (true, Verdict::Soft)] {
                let expected = if is_meant && is_its { then } else { Verdict::Valid };
                assert_eq!(
                    after(purge(policy, soft, what.clone())),
                    expected,
                    "{what:?} {policy:?}"
                );
            }
        }
    }
}

#[test]
fn a_soft_purge_after_a_hard_one_brings_nothing_back() {
    let (world, purges) = (World::default(), Purges::new("slot"));
    for (revision, soft) in [(7, false), (9, true)] {
        purges
            .apply(&world, &page(revision, purge(None, soft, tags(&["x"]))))
            .unwrap();
    }
    let verdicts = [6, 7, 8, 9].map(|revision| verdict(&purges, &world, revision, NOW));
    assert_eq!(
        verdicts,
        [Verdict::Gone, Verdict::Soft, Verdict::Soft, Verdict::Valid]
    );
}

#[test]
fn a_page_that_comes_again_changes_nothing() {
    let (world, one, other) = (World::default(), Purges::new("slot"), Purges::new("slot"));
    let first = page(7, purge(None, false, tags(&["x"])));
    assert!(one.apply(&world, &first).unwrap());
    assert!(!other.apply(&world, &first).unwrap());
    assert!(!one.apply(&world, &EventPage::default()).unwrap());
    assert_eq!(one.revision(&world, NOW).unwrap(), 7);
}

#[test]
fn with_events_lost_all_that_is_stored_is_gone_wherever_the_control_plane_begins_again() {
    for cursor in [3, 7, 20] {
        let (world, purges) = (World::default(), Purges::new("slot"));
        purges
            .apply(&world, &page(7, purge(None, false, tags(&["z"]))))
            .unwrap();
        assert!(purges.apply(&world, &reset(cursor)).unwrap());
        assert_eq!(verdict(&purges, &world, 7, NOW), Verdict::Gone);
        let revision = purges.revision(&world, NOW).unwrap();
        assert_eq!(verdict(&purges, &world, revision, NOW), Verdict::Valid);
        // The next purge is for what is stored now, even if its number is lower than former ones.
        assert!(
            purges
                .apply(&world, &page(cursor + 1, purge(None, false, tags(&["x"]))))
                .unwrap()
        );
        assert_eq!(verdict(&purges, &world, revision, NOW), Verdict::Gone);
    }
}

#[test]
fn a_copy_of_the_board_is_read_anew_when_it_is_old() {
    let (world, one, other) = (World::default(), Purges::new("slot"), Purges::new("slot"));
    assert_eq!(verdict(&other, &world, 0, NOW), Verdict::Valid);
    one.apply(&world, &page(7, purge(None, false, tags(&["x"]))))
        .unwrap();
    world.calls();
    assert_eq!(verdict(&other, &world, 0, NOW + FRESH_MS - 1), Verdict::Valid);
    assert_eq!(world.calls(), (0, 0));
    assert_eq!(verdict(&other, &world, 0, NOW + FRESH_MS), Verdict::Gone);
    // A clock that steps far back makes no copy younger.
    one.apply(&world, &page(8, purge(None, false, Purged::All)))
        .unwrap();
    assert_eq!(other.revision(&world, NOW - 1_000).unwrap(), 8);
}

#[test]
fn a_clock_that_steps_back_makes_a_copy_younger_until_the_next_tick_alone() {
    let (world, one, other) = (World::default(), Purges::new("slot"), Purges::new("slot"));
    assert_eq!(other.revision(&world, NOW).unwrap(), 0);
    one.apply(&world, &page(7, purge(None, false, Purged::All)))
        .unwrap();
    let later = NOW - 1 + FRESH_MS;
    assert_eq!(other.revision(&world, later).unwrap(), 0);
    other.look_again();
    assert_eq!(other.revision(&world, later).unwrap(), 7);
}

#[test]
fn what_was_judged_is_not_judged_again_before_the_next_purge() {
    let (world, purges) = (World::default(), Purges::new("slot"));
    purges
        .apply(&world, &page(7, purge(None, true, tags(&["x"]))))
        .unwrap();
    let judged = Cell::new(Judged::default());
    let judge = || {
        let object = Purgeable {
            revision: 1,
            policy: "default/a",
            url: b"u",
            tags: [b"x".as_slice()],
        };
        world.calls();
        (
            purges.verdict(&world, object, &judged, NOW).unwrap(),
            world.calls().0,
        )
    };
    assert_eq!(judge(), (Verdict::Soft, 3));
    assert_eq!(judge(), (Verdict::Soft, 0));
    purges
        .apply(&world, &page(8, purge(None, false, tags(&["x"]))))
        .unwrap();
    assert_eq!(judge().0, Verdict::Gone);
}

#[test]
fn a_page_that_another_worker_takes_up_at_the_same_time_counts_once() {
    for before in 0..2 {
        let (world, one, other) = (World::default(), Purges::new("slot"), Purges::new("slot"));
        let both = page(7, purge(None, false, tags(&["x"])));
        let same = both.clone();
        world.before_store(before, move |world| {
            other.apply(world, &same).unwrap();
        });
        one.apply(&world, &both).unwrap();
        assert_eq!(one.revision(&world, NOW).unwrap(), 7);
        assert_eq!(verdict(&one, &world, 6, NOW), Verdict::Gone);
    }
}

#[test]
fn purges_of_few_tags_are_for_nothing_else() {
    let (world, purges) = (World::default(), Purges::new("slot"));
    for revision in 1..=500 {
        let tag = format!("other-{revision}");
        purges
            .apply(&world, &page(revision, purge(None, false, tags(&[&tag]))))
            .unwrap();
    }
    assert_eq!(verdict(&purges, &world, 0, NOW), Verdict::Valid);
    assert!(world.keys().len() <= 257);
}

/// Something purged: by which means, its text, whose.
fn what() -> impl Strategy<Value = CachePurge> {
    let texts = vec("[ab]{1,3}", 1..4);
    let what = (0..10_u8, texts).prop_map(|(kind, texts)| match kind {
        0 => Purged::All,
        1..=4 => Purged::Tags(texts),
        5..=7 => Purged::Urls(texts),
        _ => Purged::Prefixes(texts),
    });
    let policy = prop::option::of((0..40_u8).prop_map(|policy| format!("default/{policy}")));
    (policy, any::<bool>(), what).prop_map(|(policy, soft, what)| CachePurge { policy, soft, what })
}

fn means(purge: &CachePurge, policy: &str, url: &str, tag: &str) -> bool {
    purge.policy.as_deref().is_none_or(|of| of == policy)
        && match &purge.what {
            Purged::All => true,
            Purged::Tags(tags) => tags.iter().any(|of| of == tag),
            Purged::Urls(urls) => urls.iter().any(|of| of == url),
            Purged::Prefixes(prefixes) => prefixes.iter().any(|of| url.starts_with(of)),
        }
}

proptest! {
    /// Against a list of all purges. With as many different ones as fit nowhere more is purged, never less.
    #[test]
    fn no_purge_is_ever_forgotten(purges in vec(what(), 0..150), objects in vec(("[ab]{1,3}", "[ab]{1,3}", 0..40_u8, 0..150_u64), 20)) {
        let (world, all) = (World::default(), Purges::new("slot"));
        for (revision, purge) in (1..).zip(&purges) {
            all.apply(&world, &page(revision, purge.clone())).unwrap();
        }
        let fits = purges.len() < 16;
        for (url, tag, policy, revision) in &objects {
            let policy = format!("default/{policy}");
            let later = (1..).zip(&purges).filter(|(at, purge)| at > revision && means(purge, &policy, url, tag));
            let expected = later.map(|(_, purge)| if purge.soft { Verdict::Soft } else { Verdict::Gone }).max();
            let expected = expected.unwrap_or_default();
            let object = Purgeable { revision: *revision, policy: &policy, url: url.as_bytes(), tags: [tag.as_bytes()] };
            let verdict = all.verdict(&world, object, &Cell::default(), NOW).unwrap();
            prop_assert!(verdict >= expected, "{verdict:?} of {expected:?}");
            prop_assert!(!fits || verdict == expected, "{verdict:?} of {expected:?}");
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    /// Thousands of tags in buckets for few.
    #[test]
    fn buckets_that_are_full_forget_nothing(seed in any::<u64>()) {
        let mut random = fastrand::Rng::with_seed(seed);
        let (world, all) = (World::default(), Purges::new("slot"));
        let mut purged = HashMap::new();
        for revision in 1..=60 {
            let names: Vec<_> = (0..100).map(|_| format!("t{}", random.u32(0..8_000))).collect();
            purged.extend(names.iter().map(|name| (name.clone(), revision)));
            all.apply(&world, &page(revision, purge(None, false, Purged::Tags(names)))).unwrap();
        }
        let mut valid = 0;
        for number in 0..8_000 {
            let tag = format!("t{number}");
            let revision = random.u64(0..60);
            let object = Purgeable { revision, policy: "p", url: b"u", tags: [tag.as_bytes()] };
            let verdict = all.verdict(&world, object, &Cell::default(), NOW).unwrap();
            let is_purged = purged.get(&tag).is_some_and(|at| *at > revision);
            prop_assert!(verdict == Verdict::Gone || !is_purged, "{tag}");
            valid += usize::from(verdict == Verdict::Valid);
        }
        // What came late in the row is told apart.
        prop_assert!(valid > 400, "{valid}");
        prop_assert!(world.keys().len() <= 257);
    }
}
