//! A fleet that shares one limit by leases, with everything that can go wrong on the way.
//!
//! What is shown, at every moment of every schedule of losses, delays, overtaking reports, partitions, restarts of proxies
//! and of the control plane:
//! 1. Shares whose lease runs sum to the whole at most, of a listed key and of all others, each proxy counted with the
//!    largest share that any of its workers still uses.
//! 2. In any window all proxies together let through at most (rate · Δ + burst), and beyond it only what proxies add that
//!    have lost their lease and go on with an equal part: those count as so much more of the limit while they do. So does
//!    what a control plane, just started, leaves to them because it can't tell it from a lease.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use weir_policy::proxy::{KeyReport, LeaseAnswer, LeaseReport, LimitReport};
use weir_quota::cell::{Gcra, Rate, State};
use weir_quota::lease::{LeaseBook, LeaseSettings, WhenLost, lapsed};
use weir_quota::share::{MAX_STALE_NS, Share, ShareRecord, WHOLE};

const EPOCH: u64 = 1_800_000_000_000_000_000;
const MS: u64 = 1_000_000;
const TICK: u64 = 10;
const LEASE: u64 = 1_000;
const REPORT_EVERY: u64 = 250;
const GIVE_UP: u64 = 500;
const STALE: u64 = MAX_STALE_NS / MS;
/// How long a book grants only what is held: a lease and its grace.
const QUIET: u64 = LEASE + 250;
const END: u64 = 7_000;
const LIMIT: &str = "default/api/total";
const KEY: &str = "00000000000a11ce";

#[derive(Clone, Debug)]
enum Fault {
    Partition {
        proxy: usize,
        for_ms: u64,
    },
    RestartProxy(usize),
    RestartBook,
    Demand {
        proxy: usize,
        cost: u64,
    },
    /// Of ten messages so many are lost, and others take up to so long.
    Weather {
        lost: u64,
        delay: u64,
    },
}

#[derive(Clone, Debug)]
struct Schedule {
    seed: u64,
    rate: Rate,
    demands: Vec<u64>,
    when_lost: WhenLost,
    faults: Vec<(u64, Fault)>,
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let fault = prop_oneof![
        2 => (0_usize..6, 0_u64..4_000).prop_map(|(proxy, for_ms)| Fault::Partition { proxy, for_ms }),
        1 => (0_usize..6).prop_map(Fault::RestartProxy),
        1 => Just(Fault::RestartBook),
        4 => (0_usize..6, prop_oneof![Just(0), 1_u64..30]).prop_map(|(proxy, cost)| Fault::Demand { proxy, cost }),
        2 => (0_u64..8, 1_u64..900).prop_map(|(lost, delay)| Fault::Weather { lost, delay }),
    ];
    let rates = (1_u64..40, 1_u64..60).prop_map(|(ms, burst)| Rate::try_new(1, ms * MS, burst).unwrap());
    let lost = prop_oneof![Just(WhenLost::EqualShare), Just(WhenLost::Deny)];
    let demands = prop::collection::vec(prop_oneof![Just(0), 1_u64..30], 1..=6);
    let faults = prop::collection::vec((0..END, fault), 0..12);
    (any::<u64>(), rates, demands, lost, faults).prop_map(|(seed, rate, demands, when_lost, faults)| {
        Schedule {
            seed,
            rate,
            demands,
            when_lost,
            faults,
        }
    })
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

/// A record, whether a lease stands behind it, and its predecessor, which some workers still use until the time given.
#[derive(Clone, Copy, Default)]
struct View {
    now: Option<ShareRecord>,
    leased: bool,
    before: Option<ShareRecord>,
    before_leased: bool,
    until: u64,
}

impl View {
    fn set(&mut self, record: Option<ShareRecord>, leased: bool, now: u64) {
        let same = self.now == record;
        if !same {
            (self.before, self.before_leased, self.until) = (self.now, self.leased, now + STALE);
            self.now = record;
        }
        self.leased = leased;
    }

    fn in_use(&self, now: u64) -> [(Share, bool); 2] {
        let share = |record: Option<ShareRecord>| record.map_or(0, |record| record.share());
        let before = if now < self.until { share(self.before) } else { 0 };
        [(share(self.now), self.leased), (before, self.before_leased)]
    }

    fn held(&self, now: u64) -> Share {
        self.in_use(now)
            .map(|(share, _)| share)
            .into_iter()
            .max()
            .unwrap()
    }

    fn leased(&self, now: u64) -> u64 {
        let leased = self.in_use(now).into_iter().filter(|(_, leased)| *leased);
        u64::from(leased.map(|(share, _)| share).max().unwrap_or(0))
    }
}

struct Proxy {
    instance: u64,
    sequence: u64,
    base: View,
    /// What workers use for the key: its own record, or the base's.
    key: View,
    own: Option<ShareRecord>,
    retired: bool,
    proxies: u32,
    /// When the report was sent whose answer is in force.
    leased_from: Option<u64>,
    waiting_since: Option<u64>,
    /// All that was reported as held had been leased.
    reported_leases: bool,
    next_report: u64,
    state: Option<State>,
    demand: u64,
    asked: Vec<(u64, u64)>,
    partitioned_until: u64,
}

impl Proxy {
    fn new(instance: u64, demand: u64) -> Self {
        Self {
            instance,
            sequence: 0,
            base: View::default(),
            key: View::default(),
            own: None,
            retired: false,
            proxies: 1,
            leased_from: None,
            waiting_since: None,
            reported_leases: true,
            next_report: 0,
            state: None,
            demand,
            asked: Vec::new(),
            partitioned_until: 0,
        }
    }

    fn report(&mut self, now: u64) -> LeaseReport {
        self.sequence += 1;
        let in_use = [&self.base, &self.key].map(|view| view.in_use(now));
        self.reported_leases = in_use
            .as_flattened()
            .iter()
            .all(|(share, leased)| *leased || *share == 0);
        self.asked.retain(|(at, _)| at + 1_000 > now);
        let demand = self.asked.iter().map(|(_, cost)| cost).sum();
        let key = KeyReport {
            key: KEY.to_owned(),
            demand,
            held: self.key.held(now),
        };
        let keys = if demand > 0 || self.own.is_some() {
            vec![key]
        } else {
            Vec::new()
        };
        LeaseReport {
            slot: "weir/default/edge/rate-limit".to_owned(),
            instance: self.instance.to_string(),
            sequence: self.sequence,
            limits: vec![LimitReport {
                limit: LIMIT.to_owned(),
                held: self.base.held(now),
                keys,
            }],
        }
    }

    /// Shares may change now: the change before is known to all workers.
    fn is_settled(&self, now: u64) -> bool {
        now >= self.base.until && now >= self.key.until
    }

    fn adopt(&mut self, answer: &Answer, now: u64, rate: &Rate) {
        let Some(grant) = answer.body.limits.first() else {
            return;
        };
        (self.proxies, self.leased_from) = (answer.body.proxies, Some(answer.sent));
        let own = grant.keys.first().map(|key| key.share);
        let leased = answer.informed || self.reported_leases;
        self.set(grant.share, own, leased, now, rate);
    }

    fn set(&mut self, base: Share, own: Option<Share>, leased: bool, now: u64, rate: &Rate) {
        let at = EPOCH + now * MS;
        let grant = |record: ShareRecord, share| {
            if record.share() == share {
                record
            } else {
                record.grant(share, at, rate)
            }
        };
        let base = self.base.now.map_or_else(
            || ShareRecord::first(base, at, rate),
            |record| grant(record, base),
        );
        self.base.set(Some(base), leased, now);
        (self.own, self.retired) = match (self.own, own) {
            (Some(record), Some(share)) if !self.retired => (Some(grant(record, share)), false),
            (_, Some(share)) => (Some(base.listed(share, at, rate)), false),
            (Some(_), None) if !self.retired => (Some(base.retired(at, rate)), true),
            (_, None) => (None, false),
        };
        self.key.set(self.own.or(Some(base)), leased, now);
    }

    /// Leases end, as early as the last worker needs to hear of it.
    fn lapse(&mut self, now: u64, when_lost: WhenLost, rate: &Rate) {
        let (Some(sent), Some(base)) = (self.leased_from, self.base.now) else {
            return;
        };
        let age = now + STALE + TICK - sent;
        if age < LEASE {
            return;
        }
        let share = |share| lapsed(share, self.proxies, when_lost, age, LEASE);
        let own = if self.retired { None } else { self.own };
        let (base, own) = (share(base.share()), own.map(|own| share(own.share())));
        if self.is_settled(now) || self.base.leased {
            self.set(base, own, false, now, rate);
        }
    }
}

struct Answer {
    at: u64,
    proxy: usize,
    instance: String,
    sequence: u64,
    sent: u64,
    /// The book knew what everyone holds.
    informed: bool,
    body: LeaseAnswer,
}

struct Fleet {
    schedule: Schedule,
    dice: Dice,
    now: u64,
    book: LeaseBook,
    proxies: Vec<Proxy>,
    instances: u64,
    lost: u64,
    delay: u64,
    reports: Vec<(u64, usize, u64, LeaseReport)>,
    answers: Vec<Answer>,
    quiet_until: u64,
    /// What each window that began at an earlier tick still allows, ns · ppm.
    windows: Vec<i128>,
    admitted: u64,
}

fn book(now: u64) -> LeaseBook {
    LeaseBook::new(
        LeaseSettings {
            lease_ms: LEASE,
            max_keys: 4,
            floor_ppm: 10_000,
        },
        now,
    )
}

impl Fleet {
    fn new(schedule: Schedule) -> Self {
        let demands = schedule.demands.clone();
        let proxies: Vec<_> = (0..)
            .zip(demands)
            .map(|(id, demand)| Proxy::new(id, demand))
            .collect();
        Self {
            dice: Dice(schedule.seed),
            now: 0,
            book: book(0),
            instances: proxies.len() as u64,
            proxies,
            lost: 0,
            delay: 20,
            reports: Vec::new(),
            answers: Vec::new(),
            quiet_until: QUIET,
            windows: Vec::new(),
            admitted: 0,
            schedule,
        }
    }

    fn run(&mut self) {
        while self.now < END {
            self.break_things();
            self.deliver();
            self.send();
            for proxy in &mut self.proxies {
                proxy.lapse(self.now, self.schedule.when_lost, &self.schedule.rate);
            }
            self.check_shares();
            self.ask();
            self.now += TICK;
        }
    }

    fn break_things(&mut self) {
        let due = |(at, _): &&(u64, Fault)| (self.now..self.now + TICK).contains(at);
        let faults: Vec<Fault> = self
            .schedule
            .faults
            .iter()
            .filter(due)
            .map(|(_, fault)| fault.clone())
            .collect();
        let count = self.proxies.len();
        for fault in faults {
            match fault {
                Fault::Partition { proxy, for_ms } => {
                    self.proxies[proxy % count].partitioned_until = self.now + for_ms
                }
                Fault::RestartProxy(proxy) => {
                    let demand = self.proxies[proxy % count].demand;
                    self.proxies[proxy % count] = Proxy::new(self.instances, demand);
                    self.instances += 1;
                }
                Fault::RestartBook => (self.book, self.quiet_until) = (book(self.now), self.now + QUIET),
                Fault::Demand { proxy, cost } => self.proxies[proxy % count].demand = cost,
                Fault::Weather { lost, delay } => (self.lost, self.delay) = (lost, delay),
            }
        }
    }

    fn arrives(&mut self, proxy: usize) -> Option<u64> {
        let lost = self.now < self.proxies[proxy].partitioned_until || self.dice.below(10) < self.lost;
        let at = self.now + self.dice.below(self.delay);
        (!lost).then_some(at)
    }

    fn send(&mut self) {
        for proxy in 0..self.proxies.len() {
            let (now, this) = (self.now, &mut self.proxies[proxy]);
            if this.waiting_since.is_some_and(|since| now >= since + GIVE_UP) {
                this.waiting_since = None;
            }
            if this.waiting_since.is_some() || now < this.next_report {
                continue;
            }
            let report = this.report(now);
            (this.waiting_since, this.next_report) = (Some(now), now + REPORT_EVERY);
            if let Some(at) = self.arrives(proxy) {
                self.reports.push((at, proxy, now, report));
            }
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        for (_, proxy, sent, report) in self
            .reports
            .extract_if(.., |(at, ..)| *at <= now)
            .collect::<Vec<_>>()
        {
            let body = self.book.report(&report, now);
            if let Some(at) = self.arrives(proxy) {
                let (instance, sequence, informed) =
                    (report.instance, report.sequence, now >= self.quiet_until);
                self.answers.push(Answer {
                    at,
                    proxy,
                    instance,
                    sequence,
                    sent,
                    informed,
                    body,
                });
            }
        }
        for answer in self
            .answers
            .extract_if(.., |answer| answer.at <= now)
            .collect::<Vec<_>>()
        {
            let proxy = &mut self.proxies[answer.proxy];
            let expected = proxy.instance.to_string() == answer.instance && proxy.sequence == answer.sequence;
            if expected && proxy.waiting_since.is_some() && now < answer.sent + GIVE_UP {
                proxy.waiting_since = None;
                if proxy.is_settled(now) {
                    proxy.adopt(&answer, now, &self.schedule.rate);
                }
            }
        }
    }

    /// Claim 1.
    fn check_shares(&self) {
        let now = self.now;
        let sum = |view: fn(&Proxy) -> &View| {
            self.proxies
                .iter()
                .map(|proxy| view(proxy).leased(now))
                .sum::<u64>()
        };
        let (base, key) = (sum(|proxy| &proxy.base), sum(|proxy| &proxy.key));
        assert!(
            base <= u64::from(WHOLE),
            "at {now} ms: {base} ppm of the limit are leased"
        );
        assert!(
            key <= u64::from(WHOLE),
            "at {now} ms: {key} ppm of the key are leased"
        );
    }

    /// Requests of one tick, and claim 2.
    fn ask(&mut self) {
        let (now, rate) = (self.now, self.schedule.rate);
        let in_use: u64 = self
            .proxies
            .iter()
            .map(|proxy| u64::from(proxy.key.held(now)))
            .sum();
        let parts = i128::from(in_use.max(u64::from(WHOLE)));
        self.windows.push(parts * i128::from(rate.tolerance_ns()));
        self.windows
            .iter_mut()
            .for_each(|window| *window += parts * i128::from(TICK * MS));
        let mut admitted = 0;
        for proxy in &mut self.proxies {
            for _ in 0..self.dice.below(4) {
                let at = EPOCH + now * MS + self.dice.below(TICK * MS);
                let cost = self.dice.below(proxy.demand + 1);
                proxy.asked.push((now, cost));
                let stale = now < proxy.key.until && self.dice.below(2) == 0;
                let Some(record) = (if stale { proxy.key.before } else { proxy.key.now }) else {
                    continue;
                };
                let (verdict, next) = Gcra::shared(&rate, &record).check(proxy.state, at, cost);
                proxy.state = next.or(proxy.state);
                admitted += if verdict.is_allow() { cost } else { 0 };
            }
        }
        self.admitted += admitted;
        let price = i128::from(admitted * rate.interval_ns()) * i128::from(WHOLE);
        self.windows.iter_mut().for_each(|window| *window -= price);
        assert!(
            self.windows.iter().all(|window| *window >= 0),
            "at {now} ms more passed than the limit allows"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_fleet_keeps_its_limit(schedule in schedules()) {
        Fleet::new(schedule).run();
    }
}

/// The bounds above would hold for a fleet that refuses everything; this one must not.
#[test]
fn a_calm_fleet_uses_its_limit() {
    let rate = Rate::try_new(1_000, 1_000 * MS, 100).unwrap();
    let demands = vec![18, 9, 3];
    let calm = Schedule {
        seed: 1,
        rate,
        demands,
        when_lost: WhenLost::Deny,
        faults: Vec::new(),
    };
    let mut fleet = Fleet::new(calm);
    fleet.run();
    assert!(
        fleet.admitted > 4_500,
        "{} units in 7 s, of which the first 1.25 have no shares",
        fleet.admitted
    );
    let used: Vec<Share> = fleet.proxies.iter().map(|proxy| proxy.key.held(END)).collect();
    for (share, parts) in used.iter().zip([6, 3, 1]) {
        assert!(share.abs_diff(parts * 100_000) < 60_000, "{used:?}");
    }
}
