//! Traces of requests, and which part of them caches answer.

use std::hash::{BuildHasherDefault, DefaultHasher};

use weir_cache_store::{Claim, Fill, Found, Key, Kind, Layout, Store};

use crate::world::World;

/// How many different keys a trace has.
const KEYS: usize = 100_000;
/// A key that is asked for once only is at least this.
const ONCE: u64 = 1 << 40;
/// What an object costs in the store beside its body: its key among it.
const OVERHEAD: usize = 308;

/// The requests of a trace: keys.
pub(crate) struct Trace {
    pub(crate) name: &'static str,
    pub(crate) keys: Vec<u64>,
}

/// The traces, each of so many requests, for caches of so many objects.
pub(crate) fn traces(length: usize, capacity: usize) -> Vec<Trace> {
    let half = |burst: usize| {
        let mut requests = Zipf::new(0.9);
        let once = move |at: usize| (at / burst % 2 == 1).then_some(ONCE + at as u64);
        move |at: usize| once(at).unwrap_or_else(|| requests.next())
    };
    let zipf = |exponent| {
        let mut requests = Zipf::new(exponent);
        move |_| requests.next()
    };
    let mut drift = Zipf::new(0.9);
    let phase = length / 10;
    let drifting = move |at: usize| drift.next() + (at / phase * KEYS / 50) as u64;
    let round = capacity * 5 / 4;
    vec![
        trace("zipf 0.8", length, zipf(0.8)),
        trace("zipf 0.9", length, zipf(0.9)),
        trace("zipf 1.0", length, zipf(1.0)),
        trace("half once", length, half(1)),
        trace("scans", length, half(capacity)),
        trace("drift", length, drifting),
        trace("loop", length, move |at| (at % round) as u64),
    ]
}

fn trace(name: &'static str, length: usize, request: impl FnMut(usize) -> u64) -> Trace {
    Trace {
        name,
        keys: (0..length).map(request).collect(),
    }
}

/// Keys whose n-th is asked for in proportion to 1 / n^exponent.
struct Zipf {
    sums: Vec<f64>,
    random: fastrand::Rng,
}

impl Zipf {
    fn new(exponent: f64) -> Self {
        let weights = (1..=KEYS).map(|n| (n as f64).powf(-exponent));
        let sums = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self {
            sums: sums.collect(),
            random: fastrand::Rng::with_seed(42),
        }
    }

    fn next(&mut self) -> u64 {
        let at = self.random.f64() * self.sums.last().unwrap();
        self.sums.partition_point(|sum| *sum < at) as u64
    }
}

/// What a key's object weighs in a cache bounded by bytes: most are small, few are large.
pub(crate) fn weight(key: u64) -> u32 {
    let random = fastrand::Rng::with_seed(key).f64();
    (400.0 * 250_f64.powf(random * random)) as u32
}

/// What bounds a cache.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    Objects(usize),
    Bytes(u64),
}

/// A cache that answers, and stores what it has no answer for.
pub(crate) trait Cache {
    fn answers(&mut self, key: u64) -> bool;
}

/// Percent of the trace that a cache answers.
pub(crate) fn hit_rate(mut cache: impl Cache, keys: &[u64]) -> f64 {
    let hits = keys.iter().filter(|key| cache.answers(**key)).count();
    100.0 * hits as f64 / keys.len() as f64
}

pub(crate) struct Lru {
    cache: lru::LruCache<u64, ()>,
    weight: u64,
    bound: Bound,
}

impl Lru {
    pub(crate) fn new(bound: Bound) -> Self {
        Self {
            cache: lru::LruCache::unbounded(),
            weight: 0,
            bound,
        }
    }
}

impl Cache for Lru {
    fn answers(&mut self, key: u64) -> bool {
        if self.cache.get(&key).is_some() {
            return true;
        }
        self.cache.put(key, ());
        self.weight += u64::from(weight(key));
        let over = |cache: &Self| match cache.bound {
            Bound::Objects(most) => cache.cache.len() > most,
            Bound::Bytes(most) => cache.weight > most,
        };
        while over(self) {
            let (oldest, ()) = self.cache.pop_lru().unwrap();
            self.weight -= u64::from(weight(oldest));
        }
        false
    }
}

#[derive(Clone)]
pub(crate) struct Weigh(bool);

impl quick_cache::Weighter<u64, ()> for Weigh {
    fn weight(&self, key: &u64, (): &()) -> u64 {
        if self.0 { weight(*key).into() } else { 1 }
    }
}

pub(crate) struct Quick(quick_cache::unsync::Cache<u64, (), Weigh, BuildHasherDefault<DefaultHasher>>);

impl Quick {
    pub(crate) fn new(bound: Bound) -> Self {
        let (most, by_bytes) = match bound {
            Bound::Objects(most) => (most as u64, false),
            Bound::Bytes(most) => (most, true),
        };
        let items = if by_bytes { most / 4_000 } else { most } as usize;
        let hasher = BuildHasherDefault::default();
        Self(quick_cache::unsync::Cache::with(
            items,
            most,
            Weigh(by_bytes),
            hasher,
            quick_cache::unsync::DefaultLifecycle::default(),
        ))
    }
}

impl Cache for Quick {
    fn answers(&mut self, key: u64) -> bool {
        let found = self.0.get(&key).is_some();
        if !found {
            self.0.insert(key, ());
        }
        found
    }
}

/// The store, with nothing in the worker's own memory. A weight is all that an object costs.
pub(crate) struct Own {
    store: Store,
    by_bytes: bool,
    pub(crate) world: World<'static>,
}

impl Own {
    pub(crate) fn new(bound: Bound) -> Self {
        let layout = match bound {
            Bound::Objects(most) => Layout::new(u64::MAX / 2, most as u32),
            // Room for the arenas themselves is added: what is compared is how objects are chosen.
            Bound::Bytes(most) => Layout::new(most + most / 12, u32::try_from(most / 4_000).unwrap()),
        };
        Self {
            store: Store::new("traces", layout, 1, 0),
            by_bytes: matches!(bound, Bound::Bytes(_)),
            world: World::default(),
        }
    }
}

impl Cache for Own {
    fn answers(&mut self, key: u64) -> bool {
        let text = key.to_le_bytes();
        let key_ = Key::new(&text);
        match self.store.look_up(&self.world, &key_, 1_000).unwrap() {
            Found::Object(_) => return true,
            Found::Nothing => {}
            other => panic!("{other:?}"),
        }
        let fill = Fill {
            now_ms: 1_000,
            until_ms: 2_000,
            revision: 0,
            seen: None,
        };
        let Claim::Leader(token) = self.store.claim(&self.world, &key_, &fill).unwrap() else {
            panic!("no leader");
        };
        let length = if self.by_bytes {
            weight(key) as usize - OVERHEAD
        } else {
            0
        };
        let bytes = vec![0; length];
        self.store
            .store(&self.world, token, &key_, Kind::Object, &bytes, 1_000)
            .unwrap();
        false
    }
}
