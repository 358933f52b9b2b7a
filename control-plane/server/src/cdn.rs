//! Tells CDNs of purges: one request at a time for each policy, in order, until it is taken or was tried often enough.

mod request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_core::cache::{CdnFailure, CdnOutcome, CdnStatus};
use weir_core::event::Revision;
use weir_policy::document::Identity;
use weir_store::EventStore;

use crate::control::Controller;
use crate::serve::until;
use request::Sender;

/// How often a purge is told, and how long it takes from one time to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tries {
    /// The most.
    pub(crate) most: u32,
    /// The first pause, a quarter more or less; each one after it is twice as long.
    pub(crate) first_pause: Duration,
}

impl Default for Tries {
    /// 511 s in all, a quarter more or less.
    fn default() -> Self {
        Self {
            most: 10,
            first_pause: Duration::from_secs(1),
        }
    }
}

impl Tries {
    fn pause(self, tries: u32) -> Duration {
        let pause = self.first_pause * 2_u32.saturating_pow(tries.saturating_sub(1).min(16));
        pause.mul_f64(0.75 + fastrand::f64() / 2.0)
    }
}

/// What is known of the way to CDNs since the start.
#[derive(Debug, Default)]
pub(crate) struct Cdns {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    failures: BTreeMap<Identity, CdnFailure>,
    failed: u64,
    ended: BTreeMap<CdnOutcome, u64>,
}

impl Cdns {
    /// Adds what the store does not know.
    pub(crate) fn complete(&self, mut statuses: Vec<CdnStatus>) -> Vec<CdnStatus> {
        let inner = self.lock();
        for (policy, failure) in &inner.failures {
            let name = format!("{}/{}", policy.namespace, policy.name);
            let of_policy = |status: &&mut CdnStatus| status.policy == name && status.waiting > 0;
            if let Some(status) = statuses.iter_mut().find(of_policy) {
                status.failure = Some(failure.clone());
            }
        }
        statuses
    }

    /// How many tries failed, and how many purges ended.
    pub(crate) fn outcomes(&self) -> (u64, BTreeMap<CdnOutcome, u64>) {
        let inner = self.lock();
        (inner.failed, inner.ended.clone())
    }

    fn failed(&self, policy: &Identity, failure: CdnFailure) {
        let mut inner = self.lock();
        inner.failed += 1;
        inner.failures.insert(policy.clone(), failure);
    }

    fn ended(&self, policy: &Identity, outcome: CdnOutcome) {
        let mut inner = self.lock();
        inner.failures.remove(policy);
        *inner.ended.entry(outcome).or_default() += 1;
    }

    fn forget(&self, policy: &Identity) {
        self.lock().failures.remove(policy);
    }

    /// A panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells CDNs until `stopped`.
pub(crate) async fn run<S: EventStore + 'static>(
    controller: Arc<Controller<S>>,
    tries: Tries,
    stopped: watch::Receiver<bool>,
) {
    let sender = Sender(controller.outbound().clone());
    let mut changes = controller.world().changes();
    let mut told: JoinSet<Identity> = JoinSet::new();
    let mut busy = BTreeSet::new();
    let stop = until(stopped);
    tokio::pin!(stop);
    loop {
        for policy in waiting(&controller, &busy) {
            busy.insert(policy.clone());
            told.spawn(tell(Arc::clone(&controller), sender.clone(), tries, policy));
        }
        tokio::select! {
            () = &mut stop => return,
            changed = changes.changed() => if changed.is_err() { return },
            Some(ended) = told.join_next() => match ended {
                Ok(policy) => drop(busy.remove(&policy)),
                Err(error) => tracing::error!(%error, "a CDN is told nothing more until the next start"),
            },
        }
    }
}

fn waiting<S: EventStore + 'static>(controller: &Controller<S>, busy: &BTreeSet<Identity>) -> Vec<Identity> {
    let current = controller.world().current();
    let policies = current.state.waiting_cdns();
    policies
        .filter(|policy| !busy.contains(policy))
        .cloned()
        .collect()
}

/// Tells one policy's CDN everything that waits.
async fn tell<S: EventStore + 'static>(
    controller: Arc<Controller<S>>,
    sender: Sender,
    tries: Tries,
    policy: Identity,
) -> Identity {
    let (mut at, mut tried): (Revision, u32) = (0, 0);
    loop {
        let next = {
            let current = controller.world().current();
            let next = current.state.next_cdn_purge(&policy);
            next.map(|(spec, purge)| (spec.clone(), purge))
        };
        let Some((spec, purge)) = next else {
            controller.cdn_book().forget(&policy);
            return policy;
        };
        if purge.revision != at {
            (at, tried) = (purge.revision, 0);
        }
        tried += 1;
        let ended = match sender.send(&spec, &purge).await {
            Ok(()) => settle(&controller, &policy, at, CdnOutcome::Delivered).await,
            Err(detail) => {
                tracing::warn!(
                    policy = purge.policy,
                    revision = at,
                    tried,
                    detail,
                    "a CDN did not take a purge"
                );
                let failure = CdnFailure {
                    revision: at,
                    tries: tried,
                    detail,
                };
                controller.cdn_book().failed(&policy, failure);
                tried >= tries.most && settle(&controller, &policy, at, CdnOutcome::GivenUp).await
            }
        };
        if !ended {
            tokio::time::sleep(tries.pause(tried)).await;
        }
    }
}

/// Whether it is durable that the purge has ended; else it is told again.
async fn settle<S: EventStore + 'static>(
    controller: &Controller<S>,
    policy: &Identity,
    revision: Revision,
    outcome: CdnOutcome,
) -> bool {
    match controller.settle_cdn(policy, revision, outcome).await {
        Ok(()) => {
            controller.cdn_book().ended(policy, outcome);
            true
        }
        Err(error) => {
            tracing::error!(%error, "a CDN was told of a purge, which could not be noted");
            false
        }
    }
}
