//! What is kept in Redis, and the scripts that read and change it.
//!
//! Each operation is one script on one partition: an object and its purges lie in one slot, so what a script decides is
//! decided at one moment, in one round trip.

mod breaker;
mod link;
mod reply;
mod script;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::{ErrorKind, RedisError, ServerErrorKind, Value};
use weir_policy::cache_tier::{Variant, Vary};
use weir_policy::name::Name;

use crate::metrics::Metrics;
use crate::place::{PARTITIONS, Partition, Place};
use crate::purge::Change;
use crate::settings::{Settings, SetupError};
use breaker::Breaker;
pub(crate) use link::client;
use link::{Link, Pool};
pub(crate) use reply::{Found, Hit, Stored};
use script::Call;

/// Where waiting lookups of all tiers hear that something came of a fill: the object's key.
pub(crate) const CHANNEL: &str = "weir:cache-tier:filled";
/// The most variants of one object; the one that ends first gives way.
const MAX_VARIANTS: u32 = 64;
/// The most fields of an object's hash: variants, leases and hits for miss.
const MAX_FIELDS: u32 = 512;
/// The most purged tags and URLs that are remembered by themselves, for each namespace.
const MAX_TAG_PURGES: u32 = 65_536;
/// The same of prefixes, which every lookup compares.
const MAX_PREFIX_PURGES: u32 = 256;
/// A page of purges may take longer than a lookup.
const PURGE_TIMEOUT: Duration = Duration::from_secs(2);

/// Redis can't be asked now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unavailable {
    /// It failed lately.
    #[error("the circuit breaker is open")]
    Open,
    /// There is no connection yet.
    #[error("no connection")]
    Unconnected,
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// An error instead of an answer.
    #[error("{0}")]
    Redis(#[from] RedisError),
}

impl Unavailable {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Open => "breaker",
            Self::Unconnected => "unconnected",
            Self::Timeout(_) => "timeout",
            Self::Redis(_) => "error",
        }
    }

    /// Whether it says that Redis is down, or slow; else it has answered, if with an error of the command's own.
    fn is_outage(&self) -> bool {
        match self {
            Self::Redis(error) => !matches!(
                error.kind(),
                ErrorKind::Extension
                    | ErrorKind::Server(ServerErrorKind::ResponseError | ServerErrorKind::NoScript)
            ),
            _ => true,
        }
    }
}

/// An object to store.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) lease: String,
    pub(crate) revision: u64,
    pub(crate) ttl_ms: u64,
    /// Hashes of its tags and of its URL, 16 digits each, between commas.
    pub(crate) tags: String,
    pub(crate) url: Bytes,
    pub(crate) vary: Vary,
    pub(crate) variant: Variant,
    pub(crate) body: Bytes,
}

/// How an object is asked for.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) vary: &'a Vary,
    pub(crate) variant: &'a Variant,
    /// The lease is wanted though there may be an object.
    pub(crate) refresh: bool,
}

/// The objects of all namespaces.
pub(crate) struct Store {
    pool: Pool,
    breakers: Vec<Breaker>,
    timeout: Duration,
    lease_ms: u64,
    metrics: Arc<Metrics>,
    /// All of it, when it was asked last.
    answers: AtomicBool,
}

impl Store {
    pub(crate) fn try_new(settings: &Settings, metrics: Arc<Metrics>) -> Result<Self, SetupError> {
        let pool = Pool::try_new(settings)?;
        let breakers = if pool.is_cluster() { PARTITIONS } else { 1 };
        Ok(Self {
            pool,
            breakers: (0..breakers).map(|_| Breaker::default()).collect(),
            timeout: settings.timeout,
            lease_ms: u64::try_from(settings.lease.as_millis()).unwrap_or(u64::MAX),
            metrics,
            answers: AtomicBool::new(false),
        })
    }

    /// Makes the connections, however long it takes.
    pub(crate) async fn connect(&self) {
        self.pool.connect().await;
    }

    /// How many breakers are not closed.
    pub(crate) fn open_breakers(&self) -> usize {
        self.breakers
            .iter()
            .filter(|breaker| !breaker.is_closed())
            .count()
    }

    /// Whether all of Redis answered lately.
    pub(crate) fn is_up(&self) -> bool {
        self.answers.load(Ordering::Relaxed) && self.open_breakers() == 0
    }

    /// What is there; a lease where nothing is.
    pub(crate) async fn lookup(&self, place: &Place, ask: &Ask<'_>) -> Result<Found, Unavailable> {
        let nonce = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let call = Call::new(&script::LOOKUP, &place.key)
            .arg(&place.partition.prefix)
            .arg(place.policy.as_str())
            .arg(ask.vary.as_str())
            .arg(ask.variant.as_str())
            .arg(nonce)
            .arg(self.lease_ms)
            .arg(u8::from(ask.refresh))
            .arg(MAX_FIELDS);
        let value = self.run(&place.partition, call, self.timeout).await?;
        Ok(Found::read(value)?)
    }

    /// Stores an object whose lease is held, unless something newer is known.
    pub(crate) async fn put(&self, place: &Place, object: &Object) -> Result<Stored, Unavailable> {
        let call = Call::new(&script::PUT, &place.key)
            .arg(&place.partition.prefix)
            .arg(place.policy.as_str())
            .arg(&object.lease)
            .arg(object.revision)
            .arg(object.ttl_ms)
            .arg(&object.tags)
            .arg(&object.url[..])
            .arg(object.vary.as_str())
            .arg(object.variant.as_str())
            .arg(&object.body[..])
            .arg(CHANNEL)
            .arg(MAX_VARIANTS);
        let value = self.run(&place.partition, call, self.timeout).await?;
        Ok(Stored::read(value)?)
    }

    /// Gives a lease back; whether it was held.
    pub(crate) async fn release(
        &self,
        place: &Place,
        lease: &str,
        hit_for_miss_ms: u64,
    ) -> Result<bool, Unavailable> {
        let call = Call::new(&script::RELEASE, &place.key)
            .arg(lease)
            .arg(hit_for_miss_ms)
            .arg(CHANNEL);
        let value = self.run(&place.partition, call, self.timeout).await?;
        Ok(value == Value::Int(1))
    }

    /// Removes every variant, and whatever leases there are.
    pub(crate) async fn delete(&self, place: &Place) -> Result<(), Unavailable> {
        let call = Call::new(&script::DELETE, &place.key).arg(CHANNEL);
        self.run(&place.partition, call, self.timeout).await.map(drop)
    }

    /// Up to which revision a partition knows the purges.
    pub(crate) async fn cursor(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        let call = Call::new(&script::CURSOR, &partition.facts());
        reply::cursor(self.run(partition, call, PURGE_TIMEOUT).await?)
    }

    /// Begins an epoch: what was stored before is gone. `expected`: where the partition is now.
    pub(crate) async fn begin(
        &self,
        partition: &Partition,
        expected: Option<u64>,
        cursor: u64,
    ) -> Result<Option<u64>, Unavailable> {
        let call = Call::new(&script::BEGIN, &partition.facts())
            .arg(&partition.prefix)
            .arg(expected.map_or_else(String::new, |expected| expected.to_string()))
            .arg(cursor);
        reply::cursor(self.run(partition, call, PURGE_TIMEOUT).await?)
    }

    /// Puts purges in force: those between the two revisions.
    pub(crate) async fn apply(
        &self,
        partition: &Partition,
        (from, to): (u64, u64),
        changes: &[Change<'_>],
    ) -> Result<(), Unavailable> {
        let mut call = Call::new(&script::APPLY, &partition.facts())
            .arg(&partition.prefix)
            .arg(from)
            .arg(to)
            .arg(MAX_TAG_PURGES)
            .arg(MAX_PREFIX_PURGES);
        for change in changes {
            call = call
                .arg(change.kind)
                .arg(change.scope)
                .arg(u8::from(change.soft))
                .arg(change.revision)
                .arg(&*change.value);
        }
        self.run(partition, call, PURGE_TIMEOUT).await.map(drop)
    }

    /// Asks for nothing, but as everything else is asked for, at least once for each breaker: an open one closes without a
    /// client's help. Whether all of Redis has answered.
    pub(crate) async fn ping(&self, namespace: &Name) -> bool {
        let mut answers = true;
        for partition in Partition::all(namespace).take(self.breakers.len()) {
            let call = Call::new(&script::CURSOR, &partition.facts());
            answers &= self.run(&partition, call, self.timeout).await.is_ok();
        }
        self.answers.store(answers, Ordering::Relaxed);
        answers
    }

    async fn run(&self, partition: &Partition, call: Call, timeout: Duration) -> Result<Value, Unavailable> {
        let name = call.name();
        let began = Instant::now();
        let answer = self.admitted(partition, call, timeout).await;
        match &answer {
            Ok(_) => self.metrics.redis_answered(name, began.elapsed()),
            Err(error) => {
                self.metrics.redis_failed(error.reason());
                tracing::debug!(command = name, %error, "Redis");
            }
        }
        answer
    }

    async fn admitted(
        &self,
        partition: &Partition,
        call: Call,
        timeout: Duration,
    ) -> Result<Value, Unavailable> {
        let breaker = usize::from(partition.number) % self.breakers.len();
        let breaker = self.breakers.get(breaker).ok_or(Unavailable::Open)?;
        let attempt = breaker.admit(Instant::now()).ok_or(Unavailable::Open)?;
        let answer = match self.pool.link() {
            Some(link) => within(timeout, link, call).await,
            None => Err(Unavailable::Unconnected),
        };
        match &answer {
            Err(error) if error.is_outage() => attempt.failed(Instant::now()),
            _ => attempt.succeeded(),
        }
        answer
    }
}

async fn within(timeout: Duration, link: Link, call: Call) -> Result<Value, Unavailable> {
    let answer = tokio::time::timeout(timeout, call.send(link)).await;
    Ok(answer.map_err(|_| Unavailable::Timeout(timeout))??)
}
