//! Requests, configurations, and a slot with its world.

use std::borrow::Cow;

use serde_json::{Value, json};
use weir_limiter::{Board, Decision, Fingerprint, LimitedRequest, Limiter, Passed};
use weir_route_match::RequestView;

use crate::world::World;

/// When tests begin, Unix nanoseconds.
pub(crate) const NOW: u64 = 1_800_000_000_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const MILLI: u64 = 1_000_000;

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    headers: Vec<(String, Vec<u8>)>,
    peer: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn from(mut self, peer: impl AsRef<[u8]>) -> Self {
        self.peer = Some(peer.as_ref().to_vec());
        self
    }
}

impl RequestView for Request {
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self.headers.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_slice())
    }
}

impl LimitedRequest for Request {
    fn peer(&self) -> Option<Cow<'_, [u8]>> {
        self.peer.as_deref().map(Cow::Borrowed)
    }
}

/// `requests` in `window_ms`, as many at once.
pub(crate) fn rate(requests: u64, window_ms: u64) -> Value {
    json!({"rate": {"requests": requests, "windowMs": window_ms, "burst": requests}})
}

/// `base` with the fields of `more` in it or in their place.
pub(crate) fn merged(mut base: Value, more: &Value) -> Value {
    let fields = base.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        fields.insert(name.clone(), value.clone());
    }
    base
}

/// A limit of 1000 in an hour for each `x-user`.
pub(crate) fn limit(more: &Value) -> Value {
    let base = json!({
        "name": "client", "key": [{"header": "x-user"}], "onMissingKey": "shared", "cost": {},
        "quota": rate(1_000, 3_600_000),
    });
    merged(base, more)
}

/// A policy with these limits.
pub(crate) fn policy(limits: &[Value], more: &Value) -> Value {
    let base = json!({"onError": "allow", "headers": {}, "maxKeys": 1, "limits": limits});
    merged(base, more)
}

/// A slot with a rule for each of its policies.
pub(crate) fn slot(policies: &[(&str, Value)], more: &Value) -> Value {
    let rules: Vec<Value> = policies.iter().map(|(name, _)| json!({"policy": name})).collect();
    let policies: serde_json::Map<String, Value> = policies
        .iter()
        .map(|(name, policy)| ((*name).to_owned(), policy.clone()))
        .collect();
    let base = json!({
        "format": 1, "slot": "weir/default/edge/rate-limit", "generation": 1,
        "rules": rules, "policies": policies,
    });
    merged(base, more)
}

pub(crate) fn limiter(config: &Value) -> Limiter {
    Limiter::from_json(config.to_string().as_bytes()).unwrap()
}

/// A slot and its world.
pub(crate) struct Slot {
    pub(crate) limiter: Limiter,
    pub(crate) world: World,
    pub(crate) board: Board,
}

impl Slot {
    pub(crate) fn new(config: &Value) -> Self {
        Self {
            limiter: limiter(config),
            world: World::default(),
            board: Board::new(NOW),
        }
    }

    /// One policy with one limit.
    pub(crate) fn of(more: &Value) -> Self {
        Self::with(&[limit(more)])
    }

    /// One policy with these limits.
    pub(crate) fn with(limits: &[Value]) -> Self {
        Self::new(&slot(&[("default/api", policy(limits, &json!({})))], &json!({})))
    }

    /// One policy with one limit by `descriptors`.
    pub(crate) fn by(descriptors: &Value) -> Self {
        Self::of(&json!({"key": descriptors, "onMissingKey": "reject"}))
    }

    pub(crate) fn ask(&self, request: &Request, now: u64) -> Decision {
        self.limiter.on_request(request, &self.board, &self.world, now)
    }

    /// Whether `request` passes at `now`.
    pub(crate) fn passes(&self, request: &Request, now: u64) -> bool {
        matches!(self.ask(request, now), Decision::Pass(_))
    }

    pub(crate) fn passed(&self, request: &Request, now: u64) -> Passed {
        match self.ask(request, now) {
            Decision::Pass(passed) => passed,
            other => panic!("{other:?}"),
        }
    }

    /// How many requests like this one pass at `now`.
    pub(crate) fn count(&self, request: &Request, now: u64) -> u64 {
        (0..100_000).take_while(|_| self.passes(request, now)).count() as u64
    }

    /// The key of the only limit that a request has; none if a value is missing.
    pub(crate) fn key(&self, request: &Request) -> Option<Fingerprint> {
        let world = World::default();
        match self.limiter.on_request(request, &self.board, &world, NOW) {
            Decision::Pass(_) => Some(world.keys()[0]),
            Decision::KeyMissing { .. } => None,
            other => panic!("{other:?}"),
        }
    }

    /// The key of a request with these values, as an operator writes them.
    pub(crate) fn key_of(&self, values: &[&str]) -> Option<Fingerprint> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        let limit = &self.limiter.policies()[0].limits()[0];
        limit.key_of_texts(&values, self.board.epoch(limit.id()))
    }
}
