//! The tier: lookups that wait for one another, and what runs beside them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use weir_policy::cache_tier::{Fields, Variant, Vary, decode_fields};

use crate::hints::Hints;
use crate::metrics::Metrics;
use crate::place::Place;
use crate::purge::{Control, Follower};
use crate::rooms::{Room, Rooms};
use crate::settings::{Settings, SetupError};
use crate::store::{Ask, Found, Hit, Store, Unavailable};
use crate::{http, wake};

/// An object may change by which names it varies while it is looked up; so often.
const MAX_STEPS: usize = 4;
/// The first pause of those who wait; each further one is twice as long, up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How often Redis is asked whether it is there.
const PING: Duration = Duration::from_secs(1);

/// The service, as parts: a router to serve, and what has to run beside it.
pub struct Tier {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) metrics: Arc<Metrics>,
    rooms: Rooms,
    hints: Hints,
    seats: Semaphore,
    control: Option<Control>,
}

/// What is looked up.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) place: Place,
    /// As [`decode_fields`] reads it.
    pub(crate) fields: Bytes,
    /// The lease is wanted though there may be an object.
    pub(crate) refresh: bool,
}

impl Question {
    fn fields(&self) -> Fields<'_> {
        // Whoever made the question has read it.
        decode_fields(&self.fields).unwrap_or_default()
    }
}

/// What a lookup comes to.
#[derive(Debug)]
pub(crate) enum Outcome {
    Hit(Hit),
    Lease { token: String, vary: Vary },
    Busy(Variant),
    Pass,
}

impl Tier {
    /// Checks the settings; connects to nothing yet.
    ///
    /// # Errors
    /// Which setting is wrong.
    pub fn try_new(settings: Settings) -> Result<Arc<Self>, SetupError> {
        let metrics = Arc::new(Metrics::default());
        let control = settings.control.as_deref().map(Control::try_new).transpose()?;
        Ok(Arc::new(Self {
            store: Store::try_new(&settings, Arc::clone(&metrics))?,
            metrics,
            rooms: Rooms::default(),
            hints: Hints::default(),
            seats: Semaphore::new(settings.max_waiting),
            control,
            settings,
        }))
    }

    /// The protocol, `/metrics` and `/healthz`.
    pub fn router(self: &Arc<Self>) -> Router {
        http::router(self)
    }

    /// Connects to Redis, follows purges, listens for fills; for as long as it is polled. Until it has connected, lookups
    /// answer 503.
    pub async fn run(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        let (links, pings, wakes) = (Arc::clone(&self), Arc::clone(&self), Arc::clone(&self));
        tasks.spawn(async move { links.store.connect().await });
        tasks.spawn(async move { pings.ping().await });
        tasks.spawn(async move { wake::listen(&wakes.settings.redis, &wakes.rooms).await });
        if let Some(control) = &self.control {
            for namespace in &self.settings.namespaces {
                let follower = Follower::new(namespace.clone(), control.clone());
                let tier = Arc::clone(&self);
                tasks.spawn(async move { follower.follow(&tier.store, &tier.metrics).await });
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn ping(&self) {
        let Some(namespace) = self.settings.namespaces.first() else {
            return;
        };
        let mut was_up = None;
        loop {
            let up = self.store.ping(namespace).await;
            match was_up.replace(up) {
                Some(before) if before == up => {}
                _ if up => tracing::info!("Redis answers"),
                _ => tracing::warn!("Redis does not answer: lookups are answered with 503"),
            }
            tokio::time::sleep(PING).await;
        }
    }

    /// Looks an object up, and waits for whoever fills it.
    pub(crate) async fn lookup(
        self: &Arc<Self>,
        question: &Arc<Question>,
        wait: Duration,
    ) -> Result<Outcome, Unavailable> {
        let until = Instant::now() + wait;
        let first = self.ask(question).await?;
        let Outcome::Busy(variant) = &first else {
            return Ok(first);
        };
        let seat = self.seats.try_acquire().ok().filter(|_| !wait.is_zero());
        let Some(_seat) = seat else {
            return Ok(first);
        };
        let _counted = Counted::new(&self.metrics);
        let seat = self.rooms.enter(&question.place.key, variant);
        let held = self.hold(seat.room(), question, until).await;
        Ok(held?.unwrap_or(first))
    }

    /// Waits for its turn, then asks until there is an answer. Only waits are given up, never a question: it may come back
    /// with a lease.
    async fn hold(
        self: &Arc<Self>,
        room: &Room,
        question: &Arc<Question>,
        until: Instant,
    ) -> Result<Option<Outcome>, Unavailable> {
        let Ok(mut turn) = timeout_at(until, room.turn.lock()).await else {
            return Ok(None);
        };
        if let Some(hit) = turn.as_ref().filter(|hit| self.is_for(hit, question)) {
            return Ok(Some(Outcome::Hit(hit.clone())));
        }
        let mut pause = SHORTEST_PAUSE;
        while Instant::now() < until {
            let next = until.min(Instant::now() + pause);
            // Woken or not: ask.
            let _ = timeout_at(next, room.woken.notified()).await;
            pause = LONGEST_PAUSE.min(pause * 2);
            match self.ask(question).await? {
                Outcome::Busy(_) => {}
                Outcome::Hit(hit) => {
                    *turn = Some(hit.clone());
                    return Ok(Some(Outcome::Hit(hit)));
                }
                outcome => return Ok(Some(outcome)),
            }
        }
        Ok(None)
    }

    /// What another one found may be another variant: by which names an object varies is known once it is there.
    fn is_for(&self, hit: &Hit, question: &Question) -> bool {
        !question.refresh && (self.settings.variant_of)(&hit.vary, &question.fields()) == hit.variant
    }

    /// Asks Redis, in a task of its own: a lease that comes back when the caller is gone is given back.
    async fn ask(self: &Arc<Self>, question: &Arc<Question>) -> Result<Outcome, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let (tier, question) = (Arc::clone(self), Arc::clone(question));
        tokio::spawn(async move {
            let outcome = tier.ask_store(&question).await;
            if let Err(Ok(Outcome::Lease { token, .. })) = answer.send(outcome) {
                // If this fails, it ends by itself.
                let _ = tier.store.release(&question.place, &token, 0).await;
            }
        });
        // The task ends early with the runtime only.
        answered.await.unwrap_or(Err(Unavailable::Unconnected))
    }

    async fn ask_store(&self, question: &Question) -> Result<Outcome, Unavailable> {
        let (place, fields) = (&question.place, question.fields());
        let mut vary = self.hints.guess(&place.key);
        let mut variant = Variant::only();
        for _ in 0..MAX_STEPS {
            variant = (self.settings.variant_of)(&vary, &fields);
            let ask = Ask {
                vary: &vary,
                variant: &variant,
                refresh: question.refresh,
            };
            match self.store.lookup(place, &ask).await? {
                Found::Varies(other) => {
                    self.hints.learn(&place.key, &other);
                    vary = other;
                }
                Found::Lease(token) => {
                    self.metrics.leased();
                    return Ok(Outcome::Lease { token, vary });
                }
                Found::Busy => break,
                Found::Pass => return Ok(Outcome::Pass),
                Found::Hit {
                    body,
                    revision,
                    ttl_ms,
                    soft_purged,
                } => {
                    return Ok(Outcome::Hit(Hit {
                        body,
                        revision,
                        ttl_ms,
                        soft_purged,
                        vary,
                        variant,
                    }));
                }
            }
        }
        Ok(Outcome::Busy(variant))
    }
}

/// One more waits, until this is dropped.
struct Counted<'a>(&'a Metrics);

impl<'a> Counted<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.waiting.inc();
        Self(metrics)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.waiting.dec();
    }
}
