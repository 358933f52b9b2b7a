//! The lease book without a network: where it converges, what it never exceeds, what it ignores.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_policy::proxy::{KeyReport, LeaseReport, LimitReport};
use weir_quota::lease::{LeaseBook, LeaseSettings, WhenLost, lapsed};
use weir_quota::share::{Share, WHOLE};

const LEASE: u64 = 1_000;
const LIMIT: &str = "default/api/total";

fn settings(max_keys: usize) -> LeaseSettings {
    LeaseSettings {
        lease_ms: LEASE,
        max_keys,
        floor_ppm: 10_000,
    }
}

/// A proxy that does as it is told, at once.
struct Proxy {
    name: String,
    sequence: u64,
    base: Share,
    keys: BTreeMap<String, Share>,
    demand: BTreeMap<String, u64>,
}

fn key(name: u64) -> String {
    format!("{name:016x}")
}

impl Proxy {
    fn new(name: impl ToString, demand: &[(u64, u64)]) -> Self {
        let demand = demand
            .iter()
            .map(|(name, demand)| (key(*name), *demand))
            .collect();
        Self {
            name: name.to_string(),
            sequence: 0,
            base: 0,
            keys: BTreeMap::new(),
            demand,
        }
    }

    fn holds(&self, name: u64) -> Share {
        self.keys.get(&key(name)).copied().unwrap_or(self.base)
    }

    fn report(&mut self) -> LeaseReport {
        self.sequence += 1;
        let mut named: BTreeMap<&String, u64> = self.keys.keys().map(|key| (key, 0)).collect();
        named.extend(self.demand.iter().map(|(key, demand)| (key, *demand)));
        let keys = named.into_iter().map(|(key, demand)| KeyReport {
            key: key.clone(),
            demand,
            held: self.keys.get(key).copied().unwrap_or(self.base),
        });
        let limit = LimitReport {
            limit: LIMIT.to_owned(),
            held: self.base,
            keys: keys.collect(),
        };
        LeaseReport {
            slot: "weir/default/edge/rate-limit".to_owned(),
            instance: self.name.clone(),
            sequence: self.sequence,
            limits: vec![limit],
        }
    }

    fn exchange(&mut self, book: &mut LeaseBook, now: u64) {
        let report = self.report();
        let answer = book.report(&report, now);
        let grant = &answer.limits[0];
        self.base = grant.share;
        self.keys = grant
            .keys
            .iter()
            .map(|key| (key.key.clone(), key.share))
            .collect();
    }
}

/// So many rounds of reports, one every 250 ms, from `now` on; gives back when they end.
fn rounds(book: &mut LeaseBook, proxies: &mut [Proxy], count: u64, now: u64) -> u64 {
    for round in 0..count {
        for proxy in &mut *proxies {
            proxy.exchange(book, now + round * 250);
        }
        let at = now + round * 250;
        for key in [None].into_iter().chain((0..40).map(|name| Some(key(name)))) {
            assert!(book.outstanding(LIMIT, key.as_deref(), at) <= u64::from(WHOLE));
        }
        let held: u64 = proxies.iter().map(|proxy| u64::from(proxy.holds(1))).sum();
        assert!(held <= u64::from(WHOLE));
    }
    now + count * 250
}

/// A book that knows its fleet.
fn informed(max_keys: usize) -> LeaseBook {
    LeaseBook::new(settings(max_keys), 0)
}

#[test]
fn shares_follow_demand_within_eight_reports() {
    let mut book = informed(256);
    let mut proxies = [Proxy::new("a", &[]), Proxy::new("b", &[]), Proxy::new("c", &[])];
    let now = rounds(&mut book, &mut proxies, 12, 0);
    assert_eq!(proxies.each_ref().map(|proxy| proxy.base), [333_333; 3]);
    for (proxy, demand) in proxies.iter_mut().zip([600, 300, 100]) {
        proxy.demand.insert(key(1), demand);
    }
    let now = rounds(&mut book, &mut proxies, 8, now);
    for (proxy, parts) in proxies.iter().zip([6, 3, 1]) {
        assert!(
            proxy.holds(1).abs_diff(parts * 100_000) < 5_000,
            "{}",
            proxy.holds(1)
        );
        assert_eq!(proxy.holds(2), 333_333);
    }
    // The wind turns.
    for (proxy, demand) in proxies.iter_mut().zip([100, 300, 600]) {
        proxy.demand.insert(key(1), demand);
    }
    let now = rounds(&mut book, &mut proxies, 8, now);
    for (proxy, parts) in proxies.iter().zip([1, 3, 6]) {
        assert!(
            proxy.holds(1).abs_diff(parts * 100_000) < 5_000 * parts.max(2),
            "{}",
            proxy.holds(1)
        );
    }
    // Nobody asks any more: the key is dropped, and everyone has an equal part.
    proxies.iter_mut().for_each(|proxy| proxy.demand.clear());
    rounds(&mut book, &mut proxies, 10, now);
    assert!(
        proxies
            .iter()
            .all(|proxy| proxy.keys.is_empty() && proxy.base == 333_333)
    );
}

#[test]
fn a_newcomer_gets_its_part_and_the_dead_leave_theirs() {
    let mut book = informed(256);
    let mut proxies = vec![Proxy::new("a", &[(1, 10)]), Proxy::new("b", &[(1, 10)])];
    let now = rounds(&mut book, &mut proxies, 12, 0);
    proxies.push(Proxy::new("c", &[(1, 10)]));
    let now = rounds(&mut book, &mut proxies, 4, now);
    let third = |share: Share| share.abs_diff(333_333) < 100;
    assert!(
        proxies
            .iter()
            .all(|proxy| third(proxy.base) && third(proxy.holds(1)))
    );
    assert_eq!(book.instances(now), 3);
    proxies.pop();
    let now = rounds(&mut book, &mut proxies, 14, now);
    assert_eq!(book.instances(now), 2);
    assert!(
        proxies
            .iter()
            .all(|proxy| proxy.base == WHOLE / 2 && proxy.holds(1) == WHOLE / 2)
    );
}

#[test]
fn after_a_start_only_what_is_held_is_granted() {
    let mut book = informed(256);
    let mut proxies = [Proxy::new("a", &[(1, 90)]), Proxy::new("b", &[(1, 10)])];
    let now = rounds(&mut book, &mut proxies, 14, 0);
    let held = proxies.each_ref().map(|proxy| (proxy.base, proxy.holds(1)));
    assert!(held[0].1 > 850_000);
    let mut book = LeaseBook::new(settings(256), now);
    // One of them is heard of, and asks for more; the other may still have its share.
    proxies[1].demand.insert(key(1), 1_000);
    for round in 0..5 {
        proxies[1].exchange(&mut book, now + round * 250);
        assert_eq!((proxies[1].base, proxies[1].holds(1)), held[1]);
    }
    proxies[1].exchange(&mut book, now + 1_250);
    assert_eq!(proxies[1].base, WHOLE);
}

#[test]
fn a_report_that_was_overtaken_changes_nothing() {
    let mut book = informed(256);
    let mut proxies = [Proxy::new("a", &[]), Proxy::new("b", &[])];
    let late = proxies[0].report();
    let now = rounds(&mut book, &mut proxies, 12, 0);
    let answer = book.report(&late, now);
    assert!(answer.limits.is_empty());
    assert_eq!(book.outstanding(LIMIT, None, now), u64::from(WHOLE));
}

/// More keys than there is room for: the hottest are listed, and one that becomes hot takes a cold one's place.
#[test]
fn the_hottest_keys_are_listed() {
    let mut book = informed(4);
    let all: Vec<(u64, u64)> = (0..30).map(|name| (name, 100 + name)).collect();
    let mut proxies = [Proxy::new("a", &all), Proxy::new("b", &all[..10])];
    let now = rounds(&mut book, &mut proxies, 12, 0);
    let listed = |proxy: &Proxy| proxy.keys.keys().cloned().collect::<Vec<_>>();
    assert_eq!(listed(&proxies[0]), [26, 27, 28, 29].map(key));
    assert_eq!(listed(&proxies[1]), [26, 27, 28, 29].map(key));
    proxies[0].demand.insert(key(3), 1_000);
    rounds(&mut book, &mut proxies, 12, now);
    assert_eq!(listed(&proxies[0]), [3, 27, 28, 29].map(key));
}

/// Whatever the book knows of it: who holds more of a key than of the others is counted with it until it gives it back.
#[test]
fn what_someone_holds_is_counted() {
    let mut book = informed(4);
    let mut proxies = [Proxy::new("a", &[]), Proxy::new("b", &[])];
    let now = rounds(&mut book, &mut proxies, 12, 0);
    proxies[0].keys.insert(key(7), 800_000);
    proxies[0].exchange(&mut book, now);
    assert_eq!(book.outstanding(LIMIT, Some(&key(7)), now), 800_000 + 500_000);
    assert_eq!(proxies[0].holds(7), 500_000);
    rounds(&mut book, &mut proxies, 2, now);
    assert!(proxies.iter().all(|proxy| proxy.keys.is_empty()));
}

#[test]
fn what_makes_no_sense_is_ignored() {
    let mut book = informed(4);
    let mut report = Proxy::new("a", &[(1, 5)]).report();
    report.limits[0].keys.push(KeyReport {
        key: "no fingerprint".to_owned(),
        demand: 5,
        held: u32::MAX,
    });
    report.limits[0].keys.push(KeyReport {
        key: key(1),
        demand: u64::MAX,
        held: u32::MAX,
    });
    report.limits[0].held = u32::MAX;
    report.limits.push(report.limits[0].clone());
    report.limits.push(LimitReport {
        limit: "no namespace".to_owned(),
        held: 5,
        keys: Vec::new(),
    });
    let answer = book.report(&report, 0);
    assert_eq!(answer.limits.len(), 1);
    assert_eq!(answer.limits[0].keys.len(), 1);
    assert!(answer.limits[0].share <= WHOLE && answer.limits[0].keys[0].share <= WHOLE);
    report.instance = "x".repeat(1_000);
    assert!(book.report(&report, 0).limits.is_empty());
    report.instance = "b".to_owned();
    for number in 0..5_000 {
        let limit = format!("default/api/{number}");
        report.limits = vec![LimitReport {
            limit,
            held: 0,
            keys: Vec::new(),
        }];
        report.sequence += 1;
        // One of the namespace's 4096 is the one above.
        assert_eq!(book.report(&report, 0).limits.len(), usize::from(number < 4_095));
    }
    report.limits[0].limit = "other/api/0".to_owned();
    report.sequence += 1;
    assert_eq!(book.report(&report, 0).limits.len(), 1);
}

#[test]
fn a_status_page_sees_every_lease() {
    let mut book = informed(4);
    let mut proxies = [Proxy::new("a", &[(1, 60)]), Proxy::new("b", &[])];
    let now = rounds(&mut book, &mut proxies, 12, 0);
    let seen: Vec<_> = book
        .leases(now)
        .map(|lease| (lease.key, lease.instance, lease.demand))
        .collect();
    assert_eq!(
        seen,
        [
            (None, "a", 0),
            (None, "b", 0),
            (Some(1), "a", 60),
            (Some(1), "b", 0)
        ]
    );
    let share = book.leases(now).nth(2).unwrap().share;
    assert_eq!(share, 995_000);
    assert_eq!(book.leases(now + 10_000).count(), 0);
}

#[test]
fn a_lease_lapses_in_two_steps() {
    let at = |share, age, lost| lapsed(share, 4, lost, age, 1_000);
    for lost in [WhenLost::EqualShare, WhenLost::Deny] {
        assert_eq!(at(700_000, 999, lost), 700_000);
        assert_eq!(at(700_000, 1_000, lost), 250_000);
        assert_eq!(at(100_000, 1_999, lost), 100_000);
    }
    assert_eq!(at(100_000, 2_000, WhenLost::EqualShare), 250_000);
    assert_eq!(at(100_000, 2_000, WhenLost::Deny), 0);
    assert_eq!(lapsed(0, 0, WhenLost::EqualShare, 5, 1), WHOLE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Proxies that do as they are told, in any order and with any demand, never hold more than the whole of anything.
    #[test]
    fn nobody_holds_more_than_the_whole(
        steps in prop::collection::vec((0_usize..5, 0_u64..6, 0_u64..1_000, 0_u64..400), 1..200),
    ) {
        let mut book = informed(3);
        let mut proxies: Vec<Proxy> = (0..5).map(|name| Proxy::new(name, &[])).collect();
        let mut told = [0; 5];
        let mut now = 0;
        for (proxy, name, demand, wait) in steps {
            now += wait;
            proxies[proxy].demand.insert(key(name), demand);
            proxies[proxy].exchange(&mut book, now);
            told[proxy] = now;
            for name in 0..6 {
                let holding = proxies.iter().zip(told).filter(|(_, told)| now < told + LEASE);
                let held: u64 = holding.map(|(proxy, _)| u64::from(proxy.holds(name))).sum();
                prop_assert!(held <= u64::from(WHOLE), "{held} ppm of key {name}");
                let outstanding = book.outstanding(LIMIT, Some(&key(name)), now);
                prop_assert!(held <= outstanding, "{held} ppm of key {name} are held, and {outstanding} are known");
            }
        }
    }
}
