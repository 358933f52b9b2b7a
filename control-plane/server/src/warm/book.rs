//! What is known of runs since the start: when strategies are due, and what proxies have said.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use weir_core::cache::{Due, Timetable, WarmStatus};
use weir_core::slot::parse_slot;
use weir_core::state::State;
use weir_policy::name::Name;
use weir_policy::proxy::{CacheReport, WarmCounts};

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
    /// By run and by proxy.
    counts: BTreeMap<(Name, String), BTreeMap<String, WarmCounts>>,
}

impl WarmBook {
    pub(crate) fn with_times<T>(&self, work: impl FnOnce(&mut Timetable) -> T) -> T {
        work(&mut self.lock().times)
    }

    /// A run has begun, or could not.
    pub(crate) fn begun(&self, due: Due, failure: Option<String>) {
        let mut inner = self.lock();
        match failure {
            Some(failure) => drop(inner.failures.insert(due, failure)),
            None => drop(inner.failures.remove(&due)),
        }
    }

    /// A proxy has said what it has fetched. Of runs that nobody remembers nothing is kept.
    pub(crate) fn report(&self, report: CacheReport, state: &State) {
        let Some((gateway, _)) = parse_slot(&report.slot) else {
            return;
        };
        let policies = state.warming_of(&gateway.namespace);
        let known: Vec<&str> = policies
            .flat_map(|(identity, _)| state.warm_runs(identity))
            .map(|run| run.job.as_str())
            .collect();
        let mut inner = self.lock();
        inner
            .counts
            .retain(|(namespace, job), _| *namespace != gateway.namespace || known.contains(&job.as_str()));
        for counts in report.jobs {
            if known.contains(&counts.job.as_str()) {
                let job = (gateway.namespace.clone(), counts.job.clone());
                let nodes = inner.counts.entry(job).or_default();
                nodes.insert(report.node.clone(), counts);
            }
        }
    }

    /// Everything of a namespace.
    pub(crate) fn status(&self, state: &State, namespace: &Name) -> WarmStatus {
        let inner = self.lock();
        let mut status = WarmStatus::of(state, namespace, &inner.times);
        for strategy in &mut status.strategies {
            let of = |due: &&Due| {
                due.strategy == strategy.strategy
                    && format!("{}/{}", due.policy.namespace, due.policy.name) == strategy.policy
            };
            let due = inner.failures.keys().find(of);
            strategy.failure = due.and_then(|due| inner.failures.get(due)).cloned();
        }
        for run in &mut status.runs {
            let nodes = inner.counts.get(&(namespace.clone(), run.run.job.clone()));
            for counts in nodes.into_iter().flat_map(BTreeMap::values) {
                run.proxies += 1;
                run.requests += u64::from(counts.urls);
                run.fetched += u64::from(counts.fetched);
                run.hit += u64::from(counts.hit);
                run.failed += u64::from(counts.failed);
            }
        }
        status
    }

    /// A panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
