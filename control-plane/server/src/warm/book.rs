//! What is known of runs since the start: when strategies are due, and what proxies have said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use weir_core::cache::{Due, Timetable, WarmDone, WarmOutcome, WarmStatus, WarmTotals};
use weir_core::slot::parse_slot;
use weir_policy::name::Name;
use weir_policy::proxy::CacheReport;

use super::progress::{Progress, Sum};
use crate::world::World;

/// What is known of runs since the start.
#[derive(Debug, Default)]
pub(crate) struct WarmBook {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    times: Timetable,
    /// Why the last run did not begin.
    failures: BTreeMap<Due, String>,
    /// By namespace and run; of runs that nobody remembers nothing is kept.
    runs: BTreeMap<(Name, String), Progress>,
    totals: WarmTotals,
}

impl WarmBook {
    pub(crate) fn with_times<T>(&self, work: impl FnOnce(&mut Timetable) -> T) -> T {
        work(&mut self.lock().times)
    }

    /// A run that was due has begun, or could not.
    pub(crate) fn begun(&self, due: Due, failure: Option<String>) {
        let mut inner = self.lock();
        match failure {
            Some(failure) => drop(inner.failures.insert(due, failure)),
            None => drop(inner.failures.remove(&due)),
        }
    }

    /// A run is durable, or there was none to be made.
    pub(crate) fn durable(&self, namespace: &Name, done: &WarmDone, now_ms: u64) {
        let mut inner = self.lock();
        let Some(job) = &done.job else {
            inner.totals.left_out += done.urls as u64;
            return inner.count(WarmOutcome::Empty);
        };
        let run = inner.runs.entry((namespace.clone(), job.clone())).or_default();
        run.begun(done.shares.clone(), now_ms);
        let early = run.sum();
        inner.add(early);
    }

    /// No run has come of it.
    pub(crate) fn ended(&self, outcome: WarmOutcome) {
        self.lock().count(outcome);
    }

    /// A proxy has said what it has fetched.
    pub(crate) fn report(&self, report: CacheReport, world: &World, now_ms: u64) {
        let Some((gateway, _)) = parse_slot(&report.slot) else {
            return;
        };
        let mut inner = self.lock();
        let current = world.current();
        let known = current.state.warm_jobs();
        let mut is_news = false;
        for counts in report.jobs {
            if !known.contains(&(&gateway.namespace, counts.job.as_str())) {
                continue;
            }
            let run = inner
                .runs
                .entry((gateway.namespace.clone(), counts.job.clone()))
                .or_default();
            let before = run.sum();
            is_news |= run.told(&report.node, counts);
            // A proxy makes requests in the order of runs: what follows waits.
            if is_news {
                run.goes_on(now_ms);
            }
            let more = run.sum().since(before);
            if run.is_counted() {
                inner.add(more);
            }
        }
        inner.settle(&known, now_ms);
    }

    /// Everything of a namespace.
    pub(crate) fn status(&self, world: &World, namespace: &Name, now_ms: u64) -> WarmStatus {
        let mut inner = self.lock();
        let current = world.current();
        inner.settle(&current.state.warm_jobs(), now_ms);
        let mut status = WarmStatus::of(&current.state, namespace, &inner.times);
        for strategy in &mut status.strategies {
            let of = |due: &&Due| {
                due.strategy == strategy.strategy
                    && format!("{}/{}", due.policy.namespace, due.policy.name) == strategy.policy
            };
            let due = inner.failures.keys().find(of);
            strategy.failure = due.and_then(|due| inner.failures.get(due)).cloned();
        }
        for run in &mut status.runs {
            if let Some(known) = inner.runs.get(&(namespace.clone(), run.run.job.clone())) {
                known.complete(run);
            }
        }
        status
    }

    /// What became of all runs.
    pub(crate) fn totals(&self, world: &World, now_ms: u64) -> WarmTotals {
        let mut inner = self.lock();
        inner.settle(&world.current().state.warm_jobs(), now_ms);
        let under_way = inner.runs.values().filter(|run| run.is_under_way()).count();
        WarmTotals {
            under_way,
            ..inner.totals.clone()
        }
    }

    /// A panic elsewhere leaves it whole. Whoever has it looks at the world afterwards: a run that is here is there.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Ends the runs that are over, and forgets those that nobody remembers.
    fn settle(&mut self, known: &BTreeSet<(&Name, &str)>, now_ms: u64) {
        let mut ended = Vec::new();
        self.runs.retain(|(namespace, job), run| {
            let is_known = known.contains(&(namespace, job.as_str()));
            ended.extend(run.settle(!is_known, now_ms));
            is_known
        });
        for (outcome, left_out) in ended {
            self.count(outcome);
            self.totals.left_out += left_out;
        }
    }

    fn count(&mut self, outcome: WarmOutcome) {
        *self.totals.runs.entry(outcome).or_default() += 1;
    }

    fn add(&mut self, sum: Sum) {
        self.totals.fetched += sum.fetched;
        self.totals.hit += sum.hit;
        self.totals.failed += sum.failed;
    }
}
