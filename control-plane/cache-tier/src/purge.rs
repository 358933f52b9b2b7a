//! Follows the purges of one namespace, and puts them in force in each of its partitions.
//!
//! Nothing is remembered here: how far a partition knows the purges stands beside its objects. So any number of tiers may
//! follow side by side, and a Redis that lost its last writes is told them again.

mod change;
mod control;

use std::time::Duration;

use futures_util::future::try_join_all;
use weir_policy::name::Name;
use weir_policy::proxy::EventPage;

pub(crate) use change::Change;
use change::{batches, changes};
pub(crate) use control::{Control, ControlError};

use crate::metrics::Metrics;
use crate::place::Partition;
use crate::store::{Store, Unavailable};

/// After a failure; each further pause is twice as long, up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why purges can't be followed now.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("the control plane: {0}")]
    Control(#[from] ControlError),
    #[error("Redis: {0}")]
    Store(#[from] Unavailable),
}

/// One namespace's purges.
pub(crate) struct Follower {
    namespace: Name,
    control: Control,
    partitions: Vec<Partition>,
}

impl Follower {
    pub(crate) fn new(namespace: Name, control: Control) -> Self {
        let partitions = Partition::all(&namespace).collect();
        Self {
            namespace,
            control,
            partitions,
        }
    }

    /// For as long as it is polled.
    pub(crate) async fn follow(&self, store: &Store, metrics: &Metrics) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            match self.step(store, metrics).await {
                Ok(()) => pause = SHORTEST_PAUSE,
                Err(error) => {
                    tracing::warn!(namespace = %self.namespace, %error, "purges are not known at once");
                    tokio::time::sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
            }
        }
    }

    /// One page.
    async fn step(&self, store: &Store, metrics: &Metrics) -> Result<(), FollowError> {
        let known = try_join_all(self.partitions.iter().map(|partition| store.cursor(partition))).await?;
        let oldest: Option<Vec<u64>> = known.iter().copied().collect();
        let from = oldest.and_then(|cursors| cursors.into_iter().min());
        if let Some(from) = from {
            metrics.purged(self.namespace.as_str(), 0, from);
        }
        let page = self.control.events(&self.namespace, from).await;
        metrics.control_is(self.namespace.as_str(), page.is_ok());
        let page = page?;
        match from {
            Some(from) if !page.reset => self.apply(store, from, &page).await?,
            _ => self.begin(store, metrics, &known, &page).await?,
        }
        let purges = page.events.iter().filter(|event| event.cache_purge.is_some());
        metrics.purged(self.namespace.as_str(), purges.count() as u64, page.cursor);
        Ok(())
    }

    /// Where purges may have been missed, what was stored before is dropped: in every partition after a reset, else in
    /// those that know nothing.
    async fn begin(
        &self,
        store: &Store,
        metrics: &Metrics,
        known: &[Option<u64>],
        page: &EventPage,
    ) -> Result<(), Unavailable> {
        let lost = self.partitions.iter().zip(known);
        let lost: Vec<_> = lost.filter(|(_, known)| page.reset || known.is_none()).collect();
        tracing::info!(namespace = %self.namespace, partitions = lost.len(), cursor = page.cursor,
            "purges are known from here on");
        metrics.reset(self.namespace.as_str());
        let begun = lost
            .into_iter()
            .map(|(partition, known)| store.begin(partition, *known, page.cursor));
        try_join_all(begun).await.map(drop)
    }

    async fn apply(&self, store: &Store, from: u64, page: &EventPage) -> Result<(), Unavailable> {
        let mut from = from;
        for (to, events) in batches(page) {
            let changes: Vec<Change<'_>> = events.iter().flat_map(changes).collect();
            let applied = self
                .partitions
                .iter()
                .map(|partition| store.apply(partition, (from, to), &changes));
            try_join_all(applied).await?;
            from = to;
        }
        Ok(())
    }
}
