//! The budget: never more than it says, whatever happens; and no less than it could.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use weir_hedge::budget::{Budget, Escrow, LAPSE_NS, Ledger, Occasion, Purse, TOKEN, WINDOW_S};

const EPOCH: u64 = 1_800_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const WINDOW: u64 = WINDOW_S * SECOND;

/// What may happen.
#[derive(Clone, Debug)]
enum Event {
    Forward(u64),
    Back(u64),
    /// So many requests at a worker, all at once.
    Requests(usize, u8),
    Tick(usize),
    /// Hedges of so many armed requests of a worker leave.
    Hedges(usize, u8),
    /// So many requests of a worker end.
    Ends(usize, u8),
    /// The worker reads the record, then another one settles: its own bytes are refused.
    LostRace(usize, usize),
    /// The worker is gone, a new one is in its place. What it had armed may still leave.
    Lost(usize),
    /// The worker sleeps until its room is given up; the others don't.
    Sleeps(usize),
    /// Every request of every worker wants its hedge, for so many rounds of so many milliseconds.
    BrownOut(u8, u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let worker = || 0_usize..5;
    let event = prop_oneof![
        6 => (0..2 * SECOND).prop_map(Event::Forward),
        2 => (0..20 * SECOND).prop_map(Event::Forward),
        1 => (0..2_000 * SECOND).prop_map(Event::Forward),
        1 => (0..2 * SECOND).prop_map(Event::Back),
        1 => (0..100 * SECOND).prop_map(Event::Back),
        12 => (worker(), 1_u8..60).prop_map(|(worker, count)| Event::Requests(worker, count)),
        2 => worker().prop_map(Event::Tick),
        6 => (worker(), 1_u8..60).prop_map(|(worker, count)| Event::Hedges(worker, count)),
        8 => (worker(), 1_u8..60).prop_map(|(worker, count)| Event::Ends(worker, count)),
        2 => (worker(), worker()).prop_map(|(first, second)| Event::LostRace(first, second)),
        1 => worker().prop_map(Event::Lost),
        1 => worker().prop_map(Event::Sleeps),
        2 => (1_u8..60, 20_u64..800).prop_map(|(rounds, ms)| Event::BrownOut(rounds, ms)),
    ];
    prop::collection::vec(event, 1..100)
}

fn budgets() -> impl Strategy<Value = Budget> {
    (
        prop_oneof![0_u32..50_000, 0_u32..=1_000_000],
        prop_oneof![0_u32..4, 0_u32..30],
    )
        .prop_map(|(parts, min)| Budget::new(parts, min))
}

/// A request that is armed.
struct Armed {
    escrow: Escrow,
    hedged: bool,
    /// It may still be: the delay is not over.
    waits: bool,
}

struct Worker {
    purse: Purse,
    armed: Vec<Armed>,
    /// Its room was given up.
    lapsed: bool,
}

impl Worker {
    const fn new(budget: Budget, id: u64) -> Self {
        Self {
            purse: Purse::new(budget, id),
            armed: Vec::new(),
            lapsed: false,
        }
    }

    /// Settles, without another one in between.
    fn settle(&mut self, record: &mut Option<Vec<u8>>, occasion: Occasion, now: u64) {
        let (bytes, settlement) = self.purse.settle(record.as_deref(), occasion, now);
        *record = Some(bytes);
        self.purse.accept(settlement);
        self.lapsed = false;
    }
}

/// What happened by a point in time: all of it so far.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// The clock's steps forward.
    forward: u64,
    requests: u64,
    hedges: u64,
}

/// A process.
struct World {
    budget: Budget,
    now: u64,
    /// How much earlier a worker reads the clock than it writes, nanoseconds.
    lags: Vec<u64>,
    record: Option<Vec<u8>>,
    workers: Vec<Worker>,
    /// What workers had that are lost, each until its room is given up.
    lost: Vec<Worker>,
    born: u64,
    sums: Sums,
    history: Vec<Sums>,
}

impl World {
    fn new(budget: Budget, workers: u64) -> Self {
        Self {
            budget,
            now: EPOCH,
            lags: Vec::new(),
            record: None,
            workers: (0..workers).map(|id| Worker::new(budget, id)).collect(),
            lost: Vec::new(),
            born: workers,
            sums: Sums::default(),
            history: vec![Sums::default()],
        }
    }

    /// The time as a worker sees it.
    fn seen(&self, worker: usize) -> u64 {
        self.now - self.lags.get(worker).unwrap_or(&0)
    }

    fn sync(&mut self, worker: usize, occasion: Occasion) {
        let now = self.seen(worker);
        let worker = &mut self.workers[worker];
        if worker.purse.is_due(occasion, now) {
            worker.settle(&mut self.record, occasion, now);
        }
    }

    /// A request; whether it is armed.
    fn request(&mut self, worker: usize) -> bool {
        self.sums.requests += 1;
        self.sync(worker, Occasion::Request);
        let now = self.seen(worker);
        let Worker { purse, armed, .. } = &mut self.workers[worker];
        purse.deposit();
        let escrow = purse.arm(now);
        let is_armed = escrow.is_some();
        armed.extend(escrow.map(|escrow| Armed {
            escrow,
            hedged: false,
            waits: true,
        }));
        self.note();
        is_armed
    }

    fn hedge(&mut self, lost: bool, worker: usize) {
        let workers = if lost { &mut self.lost } else { &mut self.workers };
        if let Some(armed) = workers[worker].armed.iter_mut().find(|armed| armed.waits) {
            armed.hedged = true;
            armed.waits = false;
            self.sums.hedges += 1;
            self.note();
        }
    }

    fn end(&mut self, worker: usize) {
        let Worker { purse, armed, .. } = &mut self.workers[worker];
        if let Some(over) = armed.pop() {
            purse.release(over.escrow, over.hedged);
        }
    }

    fn lose_race(&mut self, loser: usize, winner: usize) {
        let purse = &self.workers[loser].purse;
        let _refused = purse.settle(self.record.as_deref(), Occasion::Request, self.seen(loser));
        let now = self.seen(winner);
        self.workers[winner].settle(&mut self.record, Occasion::Request, now);
    }

    fn lose(&mut self, worker: usize) {
        let fresh = Worker::new(self.budget, self.born);
        self.born += 1;
        self.lost
            .push(std::mem::replace(&mut self.workers[worker], fresh));
    }

    fn sleep(&mut self, worker: usize) {
        for seconds in 0..LAPSE_NS / SECOND + 2 {
            // A hedge leaves within a minute, or not at all.
            if seconds == 60 {
                let silent = self.lost.iter_mut().chain([&mut self.workers[worker]]);
                silent
                    .flat_map(|worker| &mut worker.armed)
                    .for_each(|armed| armed.waits = false);
            }
            self.forward(SECOND);
            (0..self.workers.len())
                .filter(|other| *other != worker)
                .for_each(|other| self.sync(other, Occasion::Tick));
        }
        self.workers[worker].lapsed = self.workers.len() > 1;
    }

    fn brown_out(&mut self, rounds: u8, ms: u64) {
        for round in 0..usize::from(rounds) {
            for worker in 0..self.workers.len() {
                for _ in 0..5 {
                    self.request(worker);
                }
                if round % 2 == 1 {
                    (0..10).for_each(|_| self.hedge(false, worker));
                    (0..10).for_each(|_| self.end(worker));
                }
            }
            self.forward(ms * 1_000_000);
        }
    }

    fn forward(&mut self, ns: u64) {
        self.now += ns;
        self.sums.forward += ns;
        self.note();
    }

    fn note(&mut self) {
        self.history.push(self.sums);
    }

    fn tell(&mut self, event: &Event) {
        let at = |worker: usize| worker % self.workers.len();
        match *event {
            Event::Forward(ns) => {
                (0..self.lost.len()).for_each(|lost| self.hedge(true, lost));
                self.forward(ns);
            }
            Event::Back(ns) => self.now -= ns,
            Event::Requests(worker, count) => {
                let worker = at(worker);
                (0..count).for_each(|_| {
                    self.request(worker);
                });
            }
            Event::Tick(worker) => self.sync(at(worker), Occasion::Tick),
            Event::Hedges(worker, count) => {
                let worker = at(worker);
                (0..count).for_each(|_| self.hedge(false, worker));
            }
            Event::Ends(worker, count) => {
                let worker = at(worker);
                (0..count).for_each(|_| self.end(worker));
            }
            Event::LostRace(loser, winner) => {
                let (loser, winner) = (at(loser), at(winner));
                self.lose_race(loser, winner);
            }
            Event::Sleeps(worker) => self.sleep(at(worker)),
            Event::Lost(worker) => self.lose(at(worker)),
            Event::BrownOut(rounds, ms) => self.brown_out(rounds, ms),
        }
    }

    /// All that can leave without another deposit, and without time passing.
    fn all(&self) -> u64 {
        let in_purses = self.workers.iter().filter(|worker| !worker.lapsed);
        let in_purses: u64 = in_purses.map(|worker| worker.purse.has()).sum();
        let balance = self
            .record
            .as_deref()
            .map_or(0, |record| Ledger::parse(record).unwrap().balance());
        in_purses + balance
    }

    /// Over any time of a window or longer: hedges ≤ P · requests + m · L.
    fn check(&self) -> Result<(), TestCaseError> {
        let unused = |sums: &Sums| {
            let by_requests = i128::from(sums.requests) * i128::from(self.budget.parts());
            let by_time = i128::from(sums.forward / 1_000) * i128::from(self.budget.min_per_second());
            by_requests + by_time - i128::from(sums.hedges) * i128::from(TOKEN)
        };
        let mut from = self.history.iter().peekable();
        let mut most = i128::MIN;
        for to in &self.history {
            while let Some(begin) = from.next_if(|begin| begin.forward + WINDOW <= to.forward) {
                most = most.max(unused(begin));
            }
            // A microsecond may be cut off at either end.
            let cut = i128::from(self.budget.min_per_second());
            prop_assert!(unused(to) + cut >= most, "{to:?} {most} {:?}", self.budget);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_more_hedges_leave_than_the_budget_says(
        budget in budgets(),
        workers in 1_u64..6,
        lags in prop_oneof![Just(Vec::new()), prop::collection::vec(0..SECOND * 9 / 10, 5)],
        events in events(),
    ) {
        let mut world = World::new(budget, workers);
        world.lags = lags;
        for event in &events {
            world.tell(event);
            prop_assert!(world.all() <= budget.capacity());
        }
        world.check()?;
    }

    /// Whatever happened: when all requests have ended and two windows have passed, each worker in turn can arm one.
    #[test]
    fn with_tokens_idle_a_request_is_armed(
        (parts, min) in (0_u32..50_000, 1_u32..30),
        workers in 1_u64..6,
        events in events(),
    ) {
        let mut world = World::new(Budget::new(parts, min), workers);
        events.iter().for_each(|event| world.tell(event));
        let workers = world.workers.len();
        for worker in 0..workers {
            while !world.workers[worker].armed.is_empty() {
                world.end(worker);
            }
        }
        // A lost worker's room is given up; a step back is made good.
        world.now = EPOCH.max(world.now) + 10_000 * SECOND;
        for _ in 0..LAPSE_NS / SECOND + 20 {
            world.forward(SECOND);
            (0..workers).for_each(|worker| world.sync(worker, Occasion::Tick));
        }
        prop_assert_eq!(world.all(), world.budget.capacity());
        for worker in 0..workers {
            prop_assert!(world.request(worker));
            world.end(worker);
            world.forward(SECOND);
            world.sync(worker, Occasion::Tick);
        }
    }

    /// A purse that is stored with a record of garbage, or of another budget, goes on without a panic.
    #[test]
    fn any_record_is_taken(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            prop::collection::vec(prop_oneof![Just(0_u64), Just(1), Just(u64::MAX), any::<u64>()], 0..20)
                .prop_map(|words| [1].into_iter().chain(words).flat_map(u64::to_le_bytes).collect()),
        ],
        budget in budgets(),
        now in any::<u64>(),
    ) {
        let mut purse = Purse::new(budget, 1);
        for occasion in [Occasion::Request, Occasion::Tick, Occasion::Request] {
            let (stored, settlement) = purse.settle(Some(&bytes), occasion, now);
            purse.accept(settlement);
            prop_assert!(purse.has() <= budget.capacity());
            let balance = Ledger::parse(&stored).unwrap().balance();
            prop_assert!(purse.room() + balance <= budget.capacity());
        }
    }
}

/// A worker that is alone, with requests at an even rate, of which every other armed one sends its hedge.
fn steady(budget: Budget, per_second: u64, seconds: u64) -> (World, u64) {
    let mut world = World::new(budget, 1);
    let mut settled = 0;
    for _ in 0..per_second * seconds {
        settled += u64::from(world.workers[0].purse.is_due(Occasion::Request, world.now));
        world.request(0);
        world.hedge(false, 0);
        world.end(0);
        world.forward(SECOND / per_second);
    }
    (world, settled)
}

#[test]
fn who_wants_more_than_the_budget_gets_all_of_it() {
    let (world, _) = steady(Budget::new(20_000, 10), 1_000, 60);
    let allowed = 60 * (1_000 / 50 + 10 / 2);
    assert!(world.sums.hedges <= allowed);
    assert!(
        world.sums.hedges * 100 >= allowed * 98,
        "{} of {allowed}",
        world.sums.hedges
    );
}

#[test]
fn most_requests_ask_nobody() {
    // One request of a hundred is hedged: less than is allowed.
    let mut world = World::new(Budget::new(20_000, 10), 1);
    let (mut settled, mut armed) = (0, 0);
    for number in 0..100_000 {
        settled += u64::from(world.workers[0].purse.is_due(Occasion::Request, world.now));
        armed += u64::from(world.request(0));
        if number % 100 == 0 {
            world.hedge(false, 0);
        }
        world.end(0);
        world.now += 200_000;
    }
    assert!(armed >= 99_000, "{armed}");
    assert!(settled <= 400, "{settled}");
}

#[test]
fn a_lost_workers_tokens_are_spent_and_its_room_comes_back() {
    let mut world = World::new(Budget::new(0, 1), 2);
    world.sync(0, Occasion::Tick);
    world.forward(20 * SECOND);
    assert!(world.request(0));
    world.lose(0);
    let ledger = |world: &World| Ledger::parse(world.record.as_deref().unwrap()).unwrap();
    let lost = ledger(&world).room();
    assert!(lost >= TOKEN);
    for _ in 0..LAPSE_NS / SECOND - 1 {
        world.forward(SECOND);
        world.sync(1, Occasion::Tick);
        assert_eq!(ledger(&world).room(), lost);
    }
    assert_eq!(ledger(&world).balance() + lost, world.budget.capacity());
    world.forward(SECOND);
    world.sync(1, Occasion::Tick);
    assert_eq!(ledger(&world).room(), 0);
    world.forward(2 * lost / TOKEN * SECOND);
    world.sync(1, Occasion::Tick);
    assert_eq!(ledger(&world).balance(), world.budget.capacity());
}

#[test]
fn a_worker_that_slept_too_long_has_nothing_and_gives_nothing_back() {
    let mut world = World::new(Budget::new(0, 1), 2);
    world.sync(0, Occasion::Tick);
    world.forward(20 * SECOND);
    assert!(world.request(0) && world.request(0));
    world.end(0);
    let (free, held) = (TOKEN, TOKEN);
    assert!(world.workers[0].purse.has() >= free + held);
    for _ in 0..=LAPSE_NS / SECOND {
        world.forward(SECOND);
        world.sync(1, Occasion::Tick);
    }
    assert!(world.workers[0].purse.has() >= free + held);
    assert_eq!(world.workers[0].purse.arm(world.now), None);
    world.sync(0, Occasion::Tick);
    let has = world.workers[0].purse.has();
    world.end(0);
    assert_eq!(world.workers[0].purse.has(), has);
    assert!(world.all() <= world.budget.capacity());
}
