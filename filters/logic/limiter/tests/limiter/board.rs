//! What the workers of a process know of shares and resets.

use proptest::prelude::*;
use serde_json::json;
use weir_limiter::{Board, Decision, Demand, FRESH_NS, Fingerprint, Limit, Limiter};
use weir_policy::proxy::{KeyGrant, LeaseAnswer, LimitGrant, LimitReport, Share, WHOLE};

use crate::fixture::{MILLI, NOW, Request, SECOND, Slot, limit, limiter, policy, rate, slot};

/// A slot with one limit of a hundred a second for the fleet.
fn fleet(when_lost: &str) -> Limiter {
    let fleet = json!({"quota": rate(100, 1_000), "fleet": {"proxies": 4, "whenLost": when_lost}});
    limiter(&slot(
        &[("default/api", policy(&[limit(&fleet)], &json!({})))],
        &json!({}),
    ))
}

fn only(limiter: &Limiter) -> &Limit {
    &limiter.policies()[0].limits()[0]
}

fn answer(lease_ms: u64, proxies: u32, share: Share, keys: &[(u64, Share)]) -> LeaseAnswer {
    let keys = keys.iter().map(|(key, share)| KeyGrant {
        key: format!("{key:016x}"),
        share: *share,
    });
    let grant = LimitGrant {
        limit: "default/api/client".to_owned(),
        share,
        keys: keys.collect(),
    };
    LeaseAnswer {
        lease_ms,
        proxies,
        limits: vec![grant],
    }
}

/// The report of the only limit, where keys 0 to 3 were asked for.
fn report(board: &Board, limiter: &Limiter, now: u64) -> LimitReport {
    let mut asked = Demand::default();
    (0..4).for_each(|key| asked.add(only(limiter).id(), Fingerprint(key), 1));
    board.report(limiter.fleet_limits(), &asked, now).pop().unwrap()
}

fn held(report: &LimitReport, key: u64) -> Share {
    let name = format!("{key:016x}");
    let own = report.keys.iter().find(|report| report.key == name);
    own.map_or(report.held, |report| report.held)
}

fn share(board: &Board, limiter: &Limiter, key: u64, now: u64) -> Share {
    board.share(only(limiter), Fingerprint(key), now).unwrap().share()
}

#[test]
fn before_any_answer_a_process_has_its_part_and_nothing_in_hand() {
    let limiter = fleet("equalShare");
    let board = Board::new(NOW);
    assert_eq!(share(&board, &limiter, 7, NOW), WHOLE / 4);
    assert_eq!(report(&board, &limiter, NOW).held, WHOLE / 4);
    let slot = Slot {
        limiter,
        world: crate::world::World::default(),
        board,
    };
    let request = Request::new().with("x-user", "a");
    assert!(!slot.passes(&request, NOW));
    // 25 of a hundred a second.
    assert!(!slot.passes(&request, NOW + 39 * MILLI));
    assert!(slot.passes(&request, NOW + 40 * MILLI));
    assert_eq!(slot.count(&request, NOW + 3_600 * SECOND), 25);
}

#[test]
fn a_quota_that_is_not_the_fleets_has_no_share() {
    let limiter = limiter(&slot(
        &[("default/api", policy(&[limit(&json!({}))], &json!({})))],
        &json!({}),
    ));
    let mut board = Board::new(NOW);
    board.apply(&answer(1_000, 1, 5, &[]), limiter.fleet_limits(), NOW, NOW);
    assert_eq!(board.share(only(&limiter), Fingerprint(7), NOW), None);
    assert_eq!(board.report(limiter.fleet_limits(), &Demand::default(), NOW), []);
}

#[test]
fn an_answer_puts_shares_on_the_board() {
    let limiter = fleet("equalShare");
    let mut board = Board::new(NOW);
    let given = answer(2_000, 4, 100_000, &[(1, 400_000), (2, 0)]);
    board.apply(&given, limiter.fleet_limits(), NOW, NOW + 5 * MILLI);
    let shares = [1, 2, 3].map(|key| share(&board, &limiter, key, NOW + SECOND));
    assert_eq!(shares, [400_000, 0, 100_000]);
    // Keys that are not in the answer have the limit's share again.
    board.apply(
        &answer(2_000, 4, 200_000, &[(3, 1)]),
        limiter.fleet_limits(),
        NOW,
        NOW + SECOND,
    );
    let shares = [1, 2, 3].map(|key| share(&board, &limiter, key, NOW + SECOND));
    assert_eq!(shares, [200_000, 200_000, 1]);
}

#[test]
fn an_answer_about_nothing_known_changes_no_share() {
    let limiter = fleet("equalShare");
    let mut board = Board::new(NOW);
    let mut given = answer(2_000, 4, 9, &[]);
    given.limits[0].limit = "default/api/other".to_owned();
    board.apply(&given, limiter.fleet_limits(), NOW, NOW);
    assert_eq!(share(&board, &limiter, 1, NOW), WHOLE / 4);
    // What is no key is passed over, and nothing is more than the whole.
    let mut given = answer(2_000, 4, u32::MAX, &[(1, u32::MAX)]);
    let odd = ["", "xyz", "11112222333344445555"].map(|key| KeyGrant {
        key: key.to_owned(),
        share: 5,
    });
    given.limits[0].keys.extend(odd);
    board.apply(&given, limiter.fleet_limits(), NOW, NOW);
    assert_eq!([1, 2].map(|key| share(&board, &limiter, key, NOW)), [WHOLE; 2]);
    assert_eq!(
        board.report(limiter.fleet_limits(), &Demand::default(), NOW)[0]
            .keys
            .len(),
        1
    );
}

#[test]
fn an_answer_that_comes_too_late_says_nothing() {
    let limiter = fleet("equalShare");
    let mut board = Board::new(NOW);
    let before = board.clone();
    board.apply(
        &answer(1_000, 4, WHOLE, &[]),
        limiter.fleet_limits(),
        NOW,
        NOW + SECOND,
    );
    assert_eq!(board, before);
}

#[test]
fn a_lease_that_ends_leaves_an_equal_share_then_what_the_policy_says() {
    for (when_lost, last) in [("equalShare", WHOLE / 10), ("deny", 0)] {
        let limiter = fleet(when_lost);
        let mut board = Board::new(NOW);
        let given = answer(2_000, 10, 300_000, &[(1, 50_000)]);
        board.apply(&given, limiter.fleet_limits(), NOW, NOW + SECOND);
        let shares = |now: u64| [1, 2].map(|key| share(&board, &limiter, key, now));
        assert_eq!(shares(NOW + 2 * SECOND), [50_000, 300_000]);
        assert_eq!(shares(NOW + 2 * SECOND + 1), [50_000, 100_000]);
        assert_eq!(shares(NOW + 4 * SECOND), [50_000, 100_000]);
        assert_eq!(shares(NOW + 4 * SECOND + 1), [last, last]);
        assert_eq!(shares(NOW + 9_000 * SECOND), [last, last]);
        // An answer after that goes on from there.
        let mut board = board.clone();
        board.apply(
            &given,
            limiter.fleet_limits(),
            NOW + 10 * SECOND,
            NOW + 10 * SECOND,
        );
        assert_eq!(share(&board, &limiter, 2, NOW + 10 * SECOND), 300_000);
        assert_eq!(
            report(&board, &limiter, NOW + 10 * SECOND).held,
            300_000.max(last)
        );
    }
}

#[test]
fn no_share_is_no_refusal_for_want_of_quota() {
    let limiter = fleet("deny");
    let mut board = Board::new(NOW);
    board.apply(&answer(1_000, 4, 0, &[]), limiter.fleet_limits(), NOW, NOW);
    let slot = Slot {
        limiter,
        world: crate::world::World::default(),
        board,
    };
    let Decision::Limited(limited) = slot.ask(&Request::new(), NOW) else {
        panic!()
    };
    assert!(limited.lost);
    assert_eq!(limited.retry_after_s, None);
}

#[test]
fn shares_survive_a_reset_and_counts_do_not() {
    let limiter = fleet("equalShare");
    let mut board = Board::new(NOW);
    let key = only(&limiter).key_of_texts(&["a".to_owned()], 0).unwrap();
    board.apply(
        &answer(900_000, 2, 0, &[(key.0, WHOLE)]),
        limiter.fleet_limits(),
        NOW,
        NOW,
    );
    let mut slot = Slot {
        limiter,
        world: crate::world::World::default(),
        board,
    };
    let request = Request::new().with("x-user", "a");
    let now = NOW + 60 * SECOND;
    assert_eq!(slot.count(&request, now), 100);
    slot.board.reset(only(&slot.limiter).id());
    assert_eq!(
        slot.count(&request, now),
        100,
        "the share is the key's own, and the count starts anew"
    );
    // What is reported of a key is the same in every process, however many resets it has heard of.
    let reported: Vec<_> = slot
        .world
        .demanded()
        .into_iter()
        .map(|(_, _, key, _)| key)
        .collect();
    assert!(reported.iter().all(|reported| *reported == key), "{reported:?}");
}

#[test]
fn a_reset_is_of_one_limit() {
    let limits = [limit(&json!({})), limit(&json!({"name": "other"}))];
    let limiter = limiter(&slot(&[("default/api", policy(&limits, &json!({})))], &json!({})));
    let [one, other] = [0, 1].map(|index| limiter.policies()[0].limits()[index].id());
    let mut board = Board::new(NOW);
    assert_eq!((board.epoch(one), board.epoch(other)), (0, 0));
    board.reset(one);
    board.reset(one);
    assert_eq!((board.epoch(one), board.epoch(other)), (2, 0));
    assert_eq!(board.born(), NOW);
}

#[test]
fn bytes_whose_order_is_wrong_are_no_board() {
    let limits = [limit(&json!({})), limit(&json!({"name": "other"}))];
    let slot = Slot::with(&limits);
    let mut board = Board::new(NOW);
    for limit in slot.limiter.policies()[0].limits() {
        board.reset(limit.id());
    }
    let bytes = board.to_bytes();
    // The last two entries are of 17 bytes each: an id, an epoch, no share, no keys.
    let (head, entries) = bytes.split_at(bytes.len() - 34);
    let swapped = [head, &entries[17..], &entries[..17]].concat();
    let doubled = [head, &entries[..17], &entries[..17]].concat();
    assert_eq!(Board::from_bytes(&[head, entries].concat()), Some(board));
    assert_eq!(
        [swapped, doubled].map(|bytes| Board::from_bytes(&bytes)),
        [None, None]
    );
}

#[test]
fn listed_keys_are_bounded() {
    let limiter = fleet("equalShare");
    let mut board = Board::new(NOW);
    let keys: Vec<(u64, Share)> = (0..5_000).map(|key| (key, 10)).collect();
    for _ in 0..3 {
        board.apply(&answer(1_000, 4, 5, &keys), limiter.fleet_limits(), NOW, NOW);
    }
    let mut asked = Demand::default();
    (0..900).for_each(|key| asked.add(only(&limiter).id(), Fingerprint(10_000 + key), 1));
    let report = board.report(limiter.fleet_limits(), &asked, NOW).pop().unwrap();
    assert_eq!(report.keys.len(), 256);
    assert!(board.to_bytes().len() < 16 << 10);
}

/// Something that happens so many milliseconds after what happened before.
#[derive(Clone, Debug)]
enum Event {
    Answer {
        took: u64,
        lease_ms: u64,
        proxies: u32,
        share: Share,
        keys: Vec<(u64, Share)>,
    },
    Reset,
    Look,
}

fn event() -> impl Strategy<Value = (u64, Event)> {
    let shares = proptest::collection::vec((0_u64..4, 0_u32..=WHOLE), 0..4);
    let answer = (0_u64..400, 1_u64..600, 1_u32..20, 0_u32..=WHOLE, shares).prop_map(
        |(took, lease_ms, proxies, share, keys)| Event::Answer {
            took,
            lease_ms,
            proxies,
            share,
            keys,
        },
    );
    let pause = prop_oneof![0_u64..60, 0_u64..400];
    (
        pause,
        prop_oneof![4 => answer, 1 => Just(Event::Reset), 4 => Just(Event::Look)],
    )
}

fn happen(board: &mut Board, limiter: &Limiter, event: &Event, now: u64) {
    match event {
        Event::Answer {
            took,
            lease_ms,
            proxies,
            share,
            keys,
        } => {
            let given = answer(*lease_ms, *proxies, *share, keys);
            board.apply(&given, limiter.fleet_limits(), now - took * MILLI, now);
        }
        Event::Reset => board.reset(only(limiter).id()),
        Event::Look => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_held_is_never_less_than_any_worker_uses(
        events in proptest::collection::vec(event(), 1..24), deny in any::<bool>(),
    ) {
        let limiter = fleet(if deny { "deny" } else { "equalShare" });
        // When each board came, and until when a worker may have a copy of it.
        let mut boards = vec![(NOW, Board::new(NOW))];
        let mut now = NOW;
        for (pause, event) in events {
            now += pause * MILLI;
            let mut board = boards.last().unwrap().1.clone();
            happen(&mut board, &limiter, &event, now);
            boards.push((now, board));
            let report = report(&boards.last().unwrap().1, &limiter, now);
            for key in 0..5 {
                let fresh = |(index, _): &(usize, _)| {
                    boards.get(index + 1).is_none_or(|(replaced, _)| replaced + FRESH_NS > now)
                };
                for (_, (_, copy)) in boards.iter().enumerate().filter(fresh) {
                    let used = share(copy, &limiter, key, now);
                    prop_assert!(used <= held(&report, key), "{} of key {} at {}", used, key, now - NOW);
                }
            }
        }
    }

    #[test]
    fn what_is_held_is_the_share_again_soon(events in proptest::collection::vec(event(), 1..12)) {
        let limiter = fleet("equalShare");
        let (mut board, mut now) = (Board::new(NOW), NOW);
        for (pause, event) in events {
            now += pause * MILLI;
            happen(&mut board, &limiter, &event, now);
        }
        now += 2 * SECOND;
        let report = report(&board, &limiter, now);
        for key in 0..5 {
            prop_assert_eq!(held(&report, key), share(&board, &limiter, key, now));
        }
    }

    #[test]
    fn a_board_reads_back(events in proptest::collection::vec(event(), 0..12)) {
        let limiter = fleet("equalShare");
        let (mut board, mut now) = (Board::new(NOW), NOW);
        for (pause, event) in events {
            now += pause * MILLI;
            happen(&mut board, &limiter, &event, now);
        }
        let bytes = board.to_bytes();
        prop_assert_eq!(Board::from_bytes(&bytes), Some(board));
        for end in 0..bytes.len() {
            prop_assert_eq!(Board::from_bytes(&bytes[..end]), None);
        }
    }

    #[test]
    fn any_bytes_are_a_board_that_serves_or_none(
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        given in any::<bool>(),
    ) {
        let limiter = fleet("equalShare");
        let mut board = Board::new(NOW);
        board.apply(&answer(1_000, 3, 5, &[(1, 7), (2, 8)]), limiter.fleet_limits(), NOW, NOW);
        let mut bytes = if given { board.to_bytes() } else { [b"weirbrd1".as_slice(), &tail].concat() };
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let Some(board) = Board::from_bytes(&bytes) else { return Ok(()) };
        let slot = Slot { limiter, world: crate::world::World::default(), board };
        for now in [0, NOW, NOW + SECOND, u64::MAX] {
            slot.ask(&Request::new(), now);
            let report = report(&slot.board, &slot.limiter, now);
            let mut board = slot.board.clone();
            board.apply(&answer(u64::MAX, 0, 5, &[(9, 1)]), slot.limiter.fleet_limits(), now, now);
            prop_assert!(report.held <= WHOLE);
        }
    }
}
