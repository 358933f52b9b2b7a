//! A request arrives: whether it is answered here, waits, or goes on.

use std::cell::OnceCell;
use std::rc::Rc;

use weir_cache_store::{Claim, Filling, Found};
use weir_host::port::{Host, Level, RequestHeaders, StreamHost};
use weir_host::{Action, HostError};
use weir_http_cache::{Answer, Asked, FwdReason, Headers};

use crate::EdgeCacheFilter;
use crate::answer::Ready;
use crate::counts::{Miss, Outcome};
use crate::find::{Place, find};
use crate::forwarded::{Fill, Forwarded};
use crate::policy::Policy;
use crate::values::Values;
use crate::visit::{Exchange, State, Visit};

/// What another worker changed in the meantime is looked up again so often.
const ATTEMPTS: usize = 4;
/// The cluster that a request goes to, where shard-router or another filter names it.
const CLUSTER_HEADER: &str = "x-weir-cluster";

/// By which a cache tells an origin what it obeys (Edge Architecture Specification section 2.1).
pub(crate) const SURROGATE_CAPABILITY: &str = "surrogate-capability";

/// What happens to a request.
pub(crate) enum Step {
    /// It is answered.
    Answer(Ready),
    /// It goes on.
    Forward(Box<Forwarded>),
    /// It waits.
    Hold,
}

/// What a look-up came to; none: something has changed in the meantime, look again.
pub(crate) type Looked = Option<Step>;

impl EdgeCacheFilter {
    /// A request has come.
    pub(crate) fn arrive(&self, exchange: &mut Exchange, host: &impl StreamHost) -> Action {
        let (Ok(pairs), Ok(now_ms)) = (host.pairs(), host.now_ms()) else {
            host.log(Level::Error, "edge-cache: a request could not be read");
            return Action::Continue;
        };
        let headers = Headers::from_pairs(pairs);
        let policy = self
            .selector
            .select(&headers)
            .and_then(|index| self.policies.get(index));
        let Some(policy) = policy else {
            return Action::Continue;
        };
        let Some(visit) = self.visit(policy, headers, now_ms, host) else {
            return Action::Continue;
        };
        let visit = Rc::new(visit);
        exchange.0 = Some(Rc::clone(&visit));
        if matches!(*visit.state.borrow(), State::Unsafe) {
            return Action::Continue;
        }
        if let Err(error) = advertise(&visit, host) {
            self.log(error, "the origin is not told of this cache", host);
        }
        match self.step(&visit, false, now_ms, host) {
            Step::Answer(ready) => match ready.send(&visit, host) {
                Ok(()) => Action::Pause,
                Err(error) => {
                    self.log(error, "no answer could be given", host);
                    visit.set(State::Over);
                    Action::Continue
                }
            },
            Step::Forward(forwarded) => {
                visit.set(State::Forwarded(forwarded));
                Action::Continue
            }
            Step::Hold => Action::Pause,
        }
    }

    /// A request that a policy is for; none where the policy lets it pass by.
    fn visit(
        &self,
        policy: &Rc<Policy>,
        headers: Headers,
        now_ms: u64,
        host: &impl StreamHost,
    ) -> Option<Visit> {
        let (request, state) = match policy.rules.read(headers) {
            Asked::Pass(why) => {
                policy.counts.passed(why);
                return None;
            }
            Asked::Unsafe(request) => {
                policy.counts.request(Outcome::Unsafe);
                (request, State::Unsafe)
            }
            Asked::Lookup(request) => (request, State::New),
        };
        Some(Visit {
            stream: host.stream_id(),
            policy: Rc::clone(policy),
            request,
            arrived_ms: now_ms,
            from_tier2: false.into(),
            state: state.into(),
            cluster: OnceCell::new(),
        })
    }

    /// What happens to a request now. `held`: it has waited before.
    pub(crate) fn step(&self, visit: &Rc<Visit>, held: bool, now_ms: u64, host: &impl Host) -> Step {
        let step = self.step_enforced(visit, held, now_ms, host);
        match step {
            Step::Answer(_) if visit.policy.spec().shadow => {
                Step::Forward(Forwarded::unkept(FwdReason::Bypass, now_ms))
            }
            step => step,
        }
    }

    fn step_enforced(&self, visit: &Rc<Visit>, held: bool, now_ms: u64, host: &impl Host) -> Step {
        for _ in 0..ATTEMPTS {
            match self.look(visit, held, now_ms, host) {
                Ok(Some(step)) => return step,
                Ok(None) => {}
                Err(error) => {
                    self.log(error, "the cache could not be read", host);
                    break;
                }
            }
        }
        visit.policy.counts.request(Outcome::Miss(Miss::Failed));
        Step::Forward(Forwarded::unkept(FwdReason::Bypass, now_ms))
    }

    fn look(
        &self,
        visit: &Rc<Visit>,
        held: bool,
        now_ms: u64,
        host: &impl Host,
    ) -> Result<Looked, HostError> {
        let policy = &visit.policy;
        let store = policy.store(&self.slot, &self.memory, host)?;
        let (place, found) = find(&store, &policy.rules, &visit.request, now_ms, host).map_err(failed)?;
        match found {
            Found::Object(object) => self.use_object(visit, place, object, held, now_ms, host),
            Found::Filling(filling) if !visit.request.directives.only_if_cached => {
                Ok(self.follow(visit, &place, filling, false, now_ms, host))
            }
            Found::Filling(_) | Found::Nothing | Found::HitForMiss { .. } | Found::Vary(_) => {
                let reason = match place.vary {
                    Some(_) => FwdReason::VaryMiss,
                    None => FwdReason::UriMiss,
                };
                self.miss(visit, place, None, (reason, held), now_ms, host)
            }
        }
    }

    /// Nothing is there that would do; `seen` is the number of what is.
    pub(crate) fn miss(
        &self,
        visit: &Rc<Visit>,
        place: Place,
        seen: Option<u64>,
        (reason, held): (FwdReason, bool),
        now_ms: u64,
        host: &impl Host,
    ) -> Result<Looked, HostError> {
        if visit.request.directives.only_if_cached {
            return Ok(only_if_cached(visit));
        }
        if visit.request.is_head() {
            visit.policy.counts.request(Outcome::Miss(Miss::Head));
            return Ok(Some(Step::Forward(Forwarded::unkept(reason, now_ms))));
        }
        let forward = |fill, miss| {
            visit.policy.counts.request(Outcome::Miss(miss));
            let mut forwarded = Forwarded::filling(reason, now_ms, fill);
            forwarded.collapsed = held;
            Some(Step::Forward(forwarded))
        };
        match self.claim(visit, &place, seen, now_ms, host)? {
            Claim::Leader(token) => {
                let fill = Fill::new(place, token, seen.is_some());
                match self.ask_tier(visit, fill, reason, now_ms, host) {
                    Ok(()) => {
                        visit.set(State::Held);
                        Ok(Some(Step::Hold))
                    }
                    Err(fill) => Ok(forward(fill, Miss::Absent)),
                }
            }
            Claim::HitForMiss(token) => {
                Ok(forward(Fill::new(place, token, seen.is_some()), Miss::Remembered))
            }
            Claim::Follow { here, until_ms } => {
                let filling = Filling { here, until_ms };
                let in_vain = held && seen.is_some();
                Ok(self.follow(visit, &place, filling, in_vain, now_ms, host))
            }
            Claim::Changed => Ok(None),
            Claim::NoRoom => {
                visit.policy.counts.request(Outcome::Miss(Miss::NoRoom));
                Ok(Some(Step::Forward(Forwarded::unkept(reason, now_ms))))
            }
        }
    }

    pub(crate) fn claim(
        &self,
        visit: &Visit,
        place: &Place,
        seen: Option<u64>,
        now_ms: u64,
        host: &impl Host,
    ) -> Result<Claim, HostError> {
        let store = visit.policy.store(&self.slot, &self.memory, host)?;
        let revision = self.purges.revision(&Values(host), now_ms).map_err(failed)?;
        let fill = weir_cache_store::Fill {
            now_ms,
            until_ms: now_ms.saturating_add(visit.policy.spec().coalesce.timeout_ms.into()),
            revision,
            seen,
        };
        store.claim(&Values(host), &place.key(), &fill).map_err(failed)
    }

    /// Someone else fetches the answer: the request waits for it, if it may. `in_vain`: it has waited for one that is there,
    /// and that is none for it; were it to wait for the next, requests would be answered one after another.
    pub(crate) fn follow(
        &self,
        visit: &Rc<Visit>,
        place: &Place,
        filling: Filling,
        in_vain: bool,
        now_ms: u64,
        host: &impl Host,
    ) -> Looked {
        let unkept = || {
            visit.policy.counts.request(Outcome::Miss(Miss::Alone));
            Some(Step::Forward(Forwarded::unkept(FwdReason::Miss, now_ms)))
        };
        let policy = visit.policy.spec();
        let key = place.key().hash;
        let until_ms = visit.arrived_ms.saturating_add(policy.coalesce.timeout_ms.into());
        let full = || {
            let waiting = self.memory.waiting.count(visit.policy.id, key);
            u32::try_from(waiting).map_or(true, |waiting| waiting >= policy.coalesce.max_waiters)
        };
        if policy.shadow || in_vain || now_ms >= until_ms || full() {
            return unkept();
        }
        if !filling.here {
            let store = visit.policy.store(&self.slot, &self.memory, host);
            let noted = store.map(|store| store.follow(&Values(host), &place.key(), now_ms));
            match noted {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return None,
                Ok(Err(_)) | Err(_) => return unkept(),
            }
        }
        // The route is known while the request is at hand.
        self.cluster(visit, host);
        visit.set(State::Held);
        let until_ms = until_ms.min(filling.until_ms);
        self.memory.waiting.add(visit, key, until_ms);
        Some(Step::Hold)
    }

    /// The cluster that a call for the request goes to; none: no call can be made.
    pub(crate) fn cluster<'v>(&self, visit: &'v Visit, host: &impl Host) -> Option<&'v str> {
        let cluster = visit.cluster.get_or_init(|| {
            let named = visit.request.headers.get(CLUSTER_HEADER).map(<[u8]>::to_vec);
            let routed = || host.property(&["xds", "cluster_name"]).ok().flatten();
            let name = named.or_else(routed)?;
            String::from_utf8(name).ok().filter(|name| !name.is_empty())
        });
        cluster.as_deref()
    }
}

/// Tells the origin that its `Surrogate-Control` is obeyed, where it is.
fn advertise(visit: &Visit, host: &impl RequestHeaders) -> Result<(), HostError> {
    match visit.policy.rules.surrogate_capability() {
        Some(capability) => host.set(SURROGATE_CAPABILITY, capability.as_bytes()),
        None => Ok(()),
    }
}

/// The client wants nothing else than what is stored, and that will not do.
pub(crate) fn only_if_cached(visit: &Visit) -> Looked {
    visit.policy.counts.request(Outcome::Miss(Miss::Refused));
    Some(Step::Answer(Ready::bare(Answer::only_if_cached())))
}

/// The store's failure is the host's.
pub(crate) fn failed(_: weir_cache_store::Failed) -> HostError {
    HostError::BadArgument
}
