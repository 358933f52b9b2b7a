//! A run of a scenario: events in the order of their times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;

use super::draw::{For, exponential, rng};
use super::replica::{Replica, Try};
use super::run::{Run, Second};
use super::scenario::Scenario;
use super::value::Value;
use crate::budget::{Budget, Escrow, Occasion, Purse};
use crate::policy::Policy;
use crate::route::{Decision, Outcome, Response, Route};

const EPOCH: u64 = 1_800_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLI: u64 = 1_000_000;
/// So much later than its delay a hedge leaves, for Envoy waits as before a retry (seen on 1.40 with a back-off of 1 ms). Nanoseconds.
const LATE_NS: std::ops::Range<u64> = NANOS_PER_MILLI..7 * NANOS_PER_MILLI;

/// Hedges by a policy.
#[derive(Clone, Copy, Debug)]
pub struct Hedging {
    /// Delay and overload.
    pub policy: Policy,
    /// How many.
    pub budget: Budget,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Work on a try is over, by a replica.
    Done(Try, usize),
    Hedge(usize),
    TimedOut(usize),
    User,
}

/// A request under way, or over.
#[derive(Debug)]
struct Request {
    user: usize,
    worker: usize,
    began: u64,
    first_replica: usize,
    escrow: Option<Escrow>,
    delay_ms: u32,
    hedged: bool,
    over: bool,
}

/// Who waits for answers, and for how many.
#[derive(Debug)]
struct User {
    began: u64,
    waits_for: usize,
}

#[derive(Debug)]
struct Worker {
    route: Route,
    purse: Purse,
}

#[derive(Debug)]
struct World<'s> {
    scenario: &'s Scenario,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    /// Events so far: those of one time come in their order.
    sequence: u64,
    arrivals: Rng,
    users: Vec<User>,
    requests: Vec<Request>,
    replicas: Vec<Replica>,
    /// None without hedges.
    workers: Vec<Worker>,
    route: Value,
    budget: Value,
    run: Run,
}

/// Runs a scenario, with hedges or without.
pub fn run(scenario: &Scenario, hedging: Option<Hedging>) -> Run {
    let mut world = World::new(scenario, hedging);
    world.schedule_user();
    while let Some(Reverse((at, _, event))) = world.events.pop() {
        world.now = at;
        world.happens(event);
    }
    world.run.close();
    world.run
}

impl<'s> World<'s> {
    fn new(scenario: &'s Scenario, hedging: Option<Hedging>) -> Self {
        let worker = |hedging: Hedging, id| Worker {
            route: Route::new(hedging.policy),
            purse: Purse::new(hedging.budget, id),
        };
        let workers = hedging.iter().flat_map(|hedging| {
            let ids = 0..scenario.workers as u64;
            ids.map(|id| worker(*hedging, id))
        });
        Self {
            scenario,
            now: EPOCH,
            events: BinaryHeap::new(),
            sequence: 0,
            arrivals: rng(scenario.seed, For::Arrivals, 0, 0),
            users: Vec::new(),
            requests: Vec::new(),
            replicas: (0..scenario.replicas)
                .map(|_| Replica::new(scenario.slots))
                .collect(),
            workers: workers.collect(),
            route: Value::default(),
            budget: Value::default(),
            run: Run {
                by_second: vec![Second::default(); scenario.seconds as usize],
                ..Run::default()
            },
        }
    }

    fn schedule(&mut self, after_ns: u64, event: Event) {
        self.sequence += 1;
        self.events
            .push(Reverse((self.now + after_ns, self.sequence, event)));
    }

    fn schedule_user(&mut self) {
        let gap = exponential(&mut self.arrivals) / self.scenario.per_second;
        let gap = (gap * SECOND as f64) as u64;
        let seconds = self.scenario.warm_up_seconds + self.scenario.seconds;
        if self.now + gap < EPOCH + seconds * SECOND {
            self.schedule(gap, Event::User);
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::User => {
                self.user();
                self.schedule_user();
            }
            Event::Done(done, replica) => self.done(done, replica),
            Event::Hedge(request) => self.hedge(request),
            Event::TimedOut(request) => self.end(request, Outcome::TimedOut),
        }
    }

    /// The second of the run that is reported in which something happened, if it is.
    fn second(&mut self, at: u64) -> Option<&mut Second> {
        let begin = EPOCH + self.scenario.warm_up_seconds * SECOND;
        let second = at.checked_sub(begin)? / SECOND;
        self.run.by_second.get_mut(second as usize)
    }

    fn user(&mut self) {
        let user = self.users.len();
        self.users.push(User {
            began: self.now,
            waits_for: self.scenario.fan_out,
        });
        (0..self.scenario.fan_out).for_each(|_| self.request(user));
    }

    fn request(&mut self, user: usize) {
        let number = self.requests.len();
        let worker = rng(self.scenario.seed, For::Worker, number, 0).usize(..self.scenario.workers);
        let (escrow, delay_ms) = match self.decide(worker) {
            Some(Decision::Arm { delay_ms, escrow }) => (Some(escrow), delay_ms),
            Some(Decision::Deny(_)) | None => (None, 0),
        };
        if escrow.is_some() {
            let late_ns = rng(self.scenario.seed, For::Lateness, number, 0).u64(LATE_NS);
            self.schedule(
                u64::from(delay_ms) * NANOS_PER_MILLI + late_ns,
                Event::Hedge(number),
            );
        }
        let first_replica = self.replica(number, None);
        self.requests.push(Request {
            user,
            worker,
            began: self.now,
            first_replica,
            escrow,
            delay_ms,
            hedged: false,
            over: false,
        });
        if let Some(second) = self.second(self.now) {
            second.requests += 1;
            self.run.requests += 1;
        }
        self.schedule(
            self.scenario.timeout_ms * NANOS_PER_MILLI,
            Event::TimedOut(number),
        );
        self.send(number, 0, first_replica);
    }

    fn decide(&mut self, worker: usize) -> Option<Decision> {
        let Worker { route, purse } = self.workers.get_mut(worker)?;
        // One after the other: nobody else changes a value in between.
        let _never = route.sync(&self.route, self.now);
        let _never = purse.sync(&self.budget, Occasion::Request, self.now);
        Some(route.on_request(purse, Some(self.scenario.timeout_ms), self.now))
    }

    /// A replica, other than one.
    fn replica(&self, request: usize, other_than: Option<usize>) -> usize {
        let mut rng = rng(
            self.scenario.seed,
            For::Replica,
            request,
            usize::from(other_than.is_some()),
        );
        match other_than {
            None => rng.usize(..self.replicas.len()),
            Some(other) => (other + rng.usize(1..self.replicas.len())) % self.replicas.len(),
        }
    }

    fn send(&mut self, request: usize, attempt: usize, replica: usize) {
        let new = Try { request, attempt };
        if self
            .replicas
            .get_mut(replica)
            .is_some_and(|replica| replica.take(new))
        {
            self.work(new, replica);
        }
    }

    fn work(&mut self, on: Try, replica: usize) {
        let warm_up = self.scenario.warm_up_seconds as f64;
        let at_s = (self.now - EPOCH) as f64 / SECOND as f64 - warm_up;
        let slower: f64 = self
            .scenario
            .trouble
            .iter()
            .map(|trouble| trouble.slows(replica, at_s))
            .product();
        let (seed, latency) = (self.scenario.seed, &self.scenario.latency);
        let ms = latency.of_try_ms(seed, on.request, on.attempt) * slower;
        self.schedule((ms * NANOS_PER_MILLI as f64) as u64, Event::Done(on, replica));
    }

    fn done(&mut self, done: Try, replica: usize) {
        let requests = &self.requests;
        let waits = |next: Try| requests.get(next.request).is_some_and(|request| !request.over);
        let next = self
            .replicas
            .get_mut(replica)
            .and_then(|replica| replica.done(waits));
        if let Some(next) = next {
            self.work(next, replica);
        }
        self.end(done.request, Outcome::Answered);
    }

    fn hedge(&mut self, number: usize) {
        let Some(request) = self.requests.get_mut(number).filter(|request| !request.over) else {
            return;
        };
        request.hedged = true;
        let first = request.first_replica;
        let replica = self.replica(number, Some(first));
        if let Some(second) = self.second(self.now) {
            second.hedges += 1;
            self.run.hedges += 1;
        }
        self.send(number, 1, replica);
    }

    /// A request is over, if it was not before.
    fn end(&mut self, number: usize, outcome: Outcome) {
        let Some(request) = self.requests.get_mut(number).filter(|request| !request.over) else {
            return;
        };
        request.over = true;
        let response = Response {
            took_ns: self.now - request.began,
            hedged_after_ms: request.hedged.then_some(request.delay_ms),
            outcome,
            pushback_ms: None,
        };
        if let Some(Worker { route, purse }) = self.workers.get_mut(request.worker) {
            route.on_response(&response, self.now);
            if let Some(escrow) = request.escrow.take() {
                purse.release(escrow, request.hedged);
            }
        }
        let user = request.user;
        self.answer(user);
    }

    fn answer(&mut self, user: usize) {
        let Some(User { began, waits_for }) = self.users.get_mut(user) else {
            return;
        };
        *waits_for -= 1;
        let (began, over) = (*began, *waits_for == 0);
        let took_ns = self.now - began;
        if let Some(second) = self.second(began).filter(|_| over) {
            second.took_ns.push(took_ns);
            self.run.took_ns.push(took_ns);
        }
    }
}
