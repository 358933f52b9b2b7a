//! What is stored for a request: whether it is the answer, or the origin has to be asked first.

use std::rc::Rc;

use weir_cache_store::purge::Verdict;
use weir_cache_store::{Claim, Filling, Object as Found, Tier};
use weir_host::HostError;
use weir_host::port::Host;
use weir_http_cache::{FwdReason, Hit, Object, Reuse, Source};

use crate::EdgeCacheFilter;
use crate::answer::Ready;
use crate::counts::{Miss, Outcome};
use crate::envelope::Stored;
use crate::fetch::{Fetch, Purpose};
use crate::find::Place;
use crate::forwarded::{Fill, Forwarded};
use crate::request::{Looked, Step, only_if_cached};
use crate::visit::{State, Visit};
use crate::work::Work;

impl EdgeCacheFilter {
    /// Something is stored for a request.
    pub(crate) fn use_object(
        &self,
        visit: &Rc<Visit>,
        place: Place,
        found: Found,
        held: bool,
        now_ms: u64,
        host: &impl Host,
    ) -> Result<Looked, HostError> {
        let rules = &visit.policy.rules;
        let seen = Some(found.stamp);
        let Some(stored) = Stored::read(found.content) else {
            return self.miss(visit, place, seen, (FwdReason::Miss, held), now_ms, host);
        };
        let verdict = self.verdict(visit, &stored, now_ms, host)?;
        if verdict == Verdict::Gone {
            return self.miss(visit, place, seen, (FwdReason::UriMiss, held), now_ms, host);
        }
        let soft = verdict == Verdict::Soft;
        let hit = Hit {
            now_ms,
            tier: tier(visit, found.tier),
            source: Source::Hit,
            collapsed: held,
        };
        match rules.reuse(&visit.request, &stored.object().head, now_ms, soft) {
            Reuse::Fresh => {
                let Some(ready) = Ready::of_stored(visit, &stored, &hit, host) else {
                    return self.miss(visit, place, seen, (FwdReason::Miss, held), now_ms, host);
                };
                visit.policy.counts.request(Outcome::hit(hit.tier, held));
                Ok(Some(Step::Answer(ready)))
            }
            Reuse::StaleWhileRevalidate => {
                let Some(ready) = Ready::of_stored(visit, &stored, &hit, host) else {
                    return self.miss(visit, place, seen, (FwdReason::Miss, held), now_ms, host);
                };
                visit.policy.counts.request(Outcome::Stale);
                if found.refreshing.is_none()
                    && let Err(error) = self.refresh(visit, place, stored, found.stamp, now_ms, host)
                {
                    self.log(error, "no refresh", host);
                }
                Ok(Some(Step::Answer(ready)))
            }
            Reuse::Validate { .. } if visit.request.directives.only_if_cached => Ok(only_if_cached(visit)),
            Reuse::Validate { stale_if_error } => {
                // What came while it waited has to be validated as well. Where it is still the former, no answer came.
                let in_vain = held && stored.object().head.response_ms >= visit.arrived_ms;
                if let Some(filling) = found.refreshing {
                    return Ok(self.follow(visit, &place, filling, in_vain, now_ms, host));
                }
                let known = (found.stamp, stale_if_error, in_vain);
                self.validate(visit, place, stored, known, now_ms, host)
            }
            Reuse::Unusable(_) => self.miss(visit, place, seen, (FwdReason::Miss, held), now_ms, host),
        }
    }

    /// What purges mean for what is stored.
    pub(crate) fn verdict(
        &self,
        visit: &Visit,
        stored: &Stored,
        now_ms: u64,
        host: &impl Host,
    ) -> Result<Verdict, HostError> {
        let Object { url, head, .. } = stored.object();
        let judged = stored.content().judged();
        let known = (stored.revision(), judged);
        self.judge_purges(visit, known, (url, head), now_ms, host)
    }

    /// The origin is asked whether what is stored is still the one, while the request waits.
    fn validate(
        &self,
        visit: &Rc<Visit>,
        place: Place,
        stored: Stored,
        (stamp, stale_if_error, in_vain): (u64, bool, bool),
        now_ms: u64,
        host: &impl Host,
    ) -> Result<Looked, HostError> {
        let (token, leads) = match self.claim(visit, &place, Some(stamp), now_ms, host)? {
            Claim::Leader(token) => (token, true),
            Claim::HitForMiss(token) => (token, false),
            Claim::Follow { here, until_ms } => {
                let filling = Filling { here, until_ms };
                return Ok(self.follow(visit, &place, filling, in_vain, now_ms, host));
            }
            Claim::Changed => return Ok(None),
            Claim::NoRoom => {
                visit.policy.counts.request(Outcome::Miss(Miss::NoRoom));
                let forwarded = Forwarded::unkept(FwdReason::Stale, now_ms);
                return Ok(Some(Step::Forward(forwarded)));
            }
        };
        let fill = Fill::new(place, token, true);
        let can_ask = leads && !visit.policy.spec().shadow && can_call(visit, &stored);
        let cluster = self.cluster(visit, host).filter(|_| can_ask);
        let Some(cluster) = cluster else {
            visit.policy.counts.request(Outcome::Miss(Miss::Stale));
            let forwarded = Forwarded::filling(FwdReason::Stale, now_ms, fill);
            return Ok(Some(Step::Forward(forwarded)));
        };
        let purpose = Purpose::Validate {
            client: Rc::clone(visit),
            stale_if_error,
        };
        visit.set(State::Held);
        let fetch = Fetch {
            visit: Rc::clone(visit),
            cluster: cluster.to_owned(),
            fill,
            stored,
            purpose,
            sent_ms: now_ms,
        };
        if let Some(Work::Fetch(unsent)) = self.leave_work(Work::Fetch(fetch), host) {
            visit.set(State::New);
            visit.policy.counts.request(Outcome::Miss(Miss::Stale));
            let forwarded = Forwarded::filling(FwdReason::Stale, now_ms, unsent.fill);
            return Ok(Some(Step::Forward(forwarded)));
        }
        Ok(Some(Step::Hold))
    }

    /// What is stored is fetched anew behind the client's back, if nobody does so already.
    fn refresh(
        &self,
        visit: &Rc<Visit>,
        place: Place,
        stored: Stored,
        stamp: u64,
        now_ms: u64,
        host: &impl Host,
    ) -> Result<(), HostError> {
        let cluster = self.cluster(visit, host).filter(|_| can_call(visit, &stored));
        let (Some(cluster), false) = (cluster, visit.policy.spec().shadow) else {
            return Ok(());
        };
        let Claim::Leader(token) = self.claim(visit, &place, Some(stamp), now_ms, host)? else {
            return Ok(());
        };
        let fetch = Fetch {
            visit: Rc::clone(visit),
            cluster: cluster.to_owned(),
            fill: Fill::new(place, token, true),
            stored,
            purpose: Purpose::Refresh,
            sent_ms: now_ms,
        };
        if let Some(Work::Fetch(unsent)) = self.leave_work(Work::Fetch(fetch), host) {
            self.abandon(visit, unsent.fill, now_ms, host);
        }
        Ok(())
    }
}

/// Whether the filter's own request for it can be sent: the SDK takes nothing but UTF-8.
fn can_call(visit: &Visit, stored: &Stored) -> bool {
    let head = &stored.object().head;
    let values = visit.request.headers.iter().map(|(_, value)| value);
    let validators = head.etag().into_iter().chain(head.last_modified());
    values
        .chain(validators)
        .all(|value| str::from_utf8(value).is_ok())
}

fn tier(visit: &Visit, tier: Tier) -> weir_http_cache::Tier {
    match tier {
        _ if visit.from_tier2.get() => weir_http_cache::Tier::Tier2,
        Tier::Own => weir_http_cache::Tier::Memory,
        Tier::Shared => weir_http_cache::Tier::Shared,
    }
}
