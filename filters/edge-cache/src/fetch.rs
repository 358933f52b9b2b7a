//! Requests of the filter's own: to validate what is stored.
//!
//! They are sent from the root context, so that they outlive the request that asked for them. When the root goes, they end
//! without an answer: then, and when they take too long, those who wait for them go on.

use std::rc::Rc;

use weir_cache_store::purge::Verdict;
use weir_host::port::{Answer, RootHost};
use weir_http_cache::{
    CacheRequest, Change, FwdReason, Head, Headers, Hit, Method, NotStored, Reuse, Source, Tier, Updated,
};

use crate::EdgeCacheFilter;
use crate::answer::Ready;
use crate::capture::Capture;
use crate::counts::{Miss, Outcome, Validation};
use crate::envelope::Stored;
use crate::forwarded::{Fill, Forwarded};
use crate::request::{SURROGATE_CAPABILITY, Step};
use crate::response::{spares, status_of};
use crate::visit::Visit;
use crate::work::Outgoing;

/// Answers that Envoy itself gives where it reached nobody, or nobody in time.
const UNREACHED: [u16; 2] = [503, 504];
/// Fields that concern one connection, and the length that Envoy counts itself.
const OF_THE_CONNECTION: [&str; 5] = [
    "connection",
    "content-length",
    "keep-alive",
    "transfer-encoding",
    "x-envoy-upstream-service-time",
];
/// The first status of a server's failure.
const FAILURE: u16 = 500;

/// A request of the filter's own.
#[derive(Debug)]
pub(crate) struct Fetch {
    /// The request that asked for it.
    pub(crate) visit: Rc<Visit>,
    pub(crate) cluster: String,
    pub(crate) fill: Fill,
    /// What is to be validated.
    pub(crate) stored: Stored,
    pub(crate) purpose: Purpose,
    /// Unix milliseconds.
    pub(crate) sent_ms: u64,
}

/// Whom a fetch is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// The request waits.
    Validate {
        /// Which.
        client: Rc<Visit>,
        /// Where the origin fails, what is stored is the answer.
        stale_if_error: bool,
    },
    /// Nobody waits.
    Refresh,
}

impl Fetch {
    /// The request as it goes out.
    pub(crate) fn outgoing(&self) -> Outgoing {
        let mut outgoing = Outgoing::new(&self.cluster, self.visit.policy.spec().call_timeout_ms);
        outgoing.headers = self.headers();
        outgoing
    }

    fn headers(&self) -> Headers {
        let request = &self.visit.request;
        let mut headers = if self.is_head() {
            request.end_to_end()
        } else {
            request.fetch_headers()
        };
        let validators = request.validators(&self.stored.object().head);
        for (name, value) in validators.iter() {
            headers.push(name, value);
        }
        if let Some(capability) = self.visit.policy.rules.surrogate_capability() {
            headers.set(SURROGATE_CAPABILITY, capability.as_bytes());
        }
        headers
    }

    /// It asks for the head of what is stored, since the client does.
    fn is_head(&self) -> bool {
        matches!(self.purpose, Purpose::Validate { .. }) && self.visit.request.is_head()
    }
}

/// What is fetched behind the back of a HEAD request is asked for by GET.
fn as_get(request: &CacheRequest) -> CacheRequest {
    let mut request = request.clone();
    request.method = Method::Get;
    request
}

/// The headers of an answer that is passed on, which has a connection of its own.
fn changed(headers: &Headers, changes: Vec<Change>) -> Headers {
    let mut headers = headers.clone();
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
    for change in changes {
        match change {
            Change::Remove(name) => headers.remove(&name),
            Change::Add(name, value) => headers.push(name.as_bytes(), &value),
        }
    }
    headers
}

impl EdgeCacheFilter {
    /// The origin has answered.
    pub(crate) fn judge_answer(&self, fetch: Fetch, answer: Answer, host: &impl RootHost) {
        let headers = Headers::from_pairs(answer.headers);
        let (Some(status), Ok(now_ms)) = (status_of(&headers), host.now_ms()) else {
            return self.fail(fetch, None, host);
        };
        let stale_will_do = matches!(
            fetch.purpose,
            Purpose::Validate {
                stale_if_error: true,
                ..
            } | Purpose::Refresh
        );
        match status {
            304 => self.confirm(fetch, &headers, now_ms, host),
            FAILURE.. if stale_will_do => self.fail(fetch, Some(status), host),
            _ if UNREACHED.contains(&status) => self.fail(fetch, Some(status), host),
            200 if fetch.is_head() => self.compare(fetch, (status, headers), now_ms, host),
            _ => self.replace(fetch, (status, headers), answer.body, now_ms, host),
        }
    }

    /// What is stored is still the one.
    fn confirm(&self, fetch: Fetch, headers: &Headers, now_ms: u64, host: &impl RootHost) {
        let rules = &fetch.visit.policy.rules;
        let request = &fetch.visit.request;
        let head = &fetch.stored.object().head;
        match rules.update(request, head, headers, fetch.sent_ms, now_ms) {
            Updated::Keep(head) => self.serve(fetch, (head, true), now_ms, host),
            Updated::Once(head, _) => self.serve(fetch, (head, false), now_ms, host),
        }
    }

    /// The answer to a HEAD request tells whether what is stored is still the one (RFC 9111 section 4.3.5).
    fn compare(&self, fetch: Fetch, (status, headers): (u16, Headers), now_ms: u64, host: &impl RootHost) {
        let times = (fetch.sent_ms, now_ms);
        let rules = &fetch.visit.policy.rules;
        let (head, bytes) = (
            &fetch.stored.object().head,
            fetch.stored.measured().identity_len(),
        );
        match rules.freshened_by_head(&fetch.visit.request, head, &headers, bytes, times) {
            Some(head) => self.serve(fetch, (head, true), now_ms, host),
            None => self.replace(fetch, (status, headers), Vec::new(), now_ms, host),
        }
    }

    /// What is stored was confirmed, with another head; whether it may be kept so.
    fn serve(&self, fetch: Fetch, (head, kept): (Head, bool), now_ms: u64, host: &impl RootHost) {
        fetch.visit.policy.counts.validation(Validation::Confirmed);
        let stored = fetch.stored.with_head(head);
        if let Purpose::Validate { client, .. } = &fetch.purpose {
            let hit = Hit {
                now_ms,
                tier: Tier::Shared,
                source: Source::Validated,
                collapsed: false,
            };
            self.give(client, &stored, &hit, Outcome::Validated, host);
        }
        if kept {
            self.keep_updated(&fetch.visit, fetch.fill, &stored, now_ms, host);
        } else {
            self.hit_for_miss(&fetch.visit, fetch.fill, now_ms, host);
        }
    }

    /// The origin has another answer.
    fn replace(
        &self,
        fetch: Fetch,
        (status, headers): (u16, Headers),
        body: Vec<u8>,
        now_ms: u64,
        host: &impl RootHost,
    ) {
        fetch.visit.policy.counts.validation(Validation::Replaced);
        let rules = &fetch.visit.policy.rules;
        let judged = match fetch.is_head() {
            true => Err(NotStored::Method),
            false => rules.judge(
                &as_get(&fetch.visit.request),
                status,
                &headers,
                fetch.sent_ms,
                now_ms,
            ),
        };
        if let Purpose::Validate { client, .. } = &fetch.purpose
            && client.is_held()
        {
            client.policy.counts.request(Outcome::Miss(Miss::Stale));
            let told = weir_http_cache::Forwarded {
                reason: FwdReason::Stale,
                fwd_status: Some(status),
                collapsed: false,
                detail: judged.as_ref().err().map(|why| why.label()),
            };
            let changes = rules.forwarded(&headers, judged.as_ref().ok(), &told);
            let ready = Ready::passed_on(status, changed(&headers, changes), body.clone());
            self.carry_out(client, Step::Answer(ready), host);
        }
        match judged {
            Ok(head) => self.keep(&fetch.visit, fetch.fill, Capture { head, body }, now_ms, host),
            Err(why) => {
                // The head alone says enough: it is another's.
                let spared = spares(Some(status), why) && !(fetch.is_head() && status < FAILURE);
                self.end_unstored(&fetch.visit, fetch.fill, (why, spared), now_ms, host);
            }
        }
    }

    /// The origin did not say. Those who wait get what is stored where it will do for them, and else go on.
    pub(crate) fn fail(&self, fetch: Fetch, status: Option<u16>, host: &impl RootHost) {
        let now_ms = host.now_ms().unwrap_or(fetch.sent_ms);
        fetch.visit.policy.counts.validation(Validation::Failed);
        let message = fetch.fill.message(&fetch.visit);
        let mut waiting = self.memory.waiting.take(message.policy, message.key);
        if let Purpose::Validate { client, .. } = &fetch.purpose {
            waiting.insert(0, Rc::clone(client));
        }
        for visit in waiting.into_iter().filter(|visit| visit.is_held()) {
            if self.stale_will_do(&visit, &fetch.stored, now_ms, host) {
                let hit = Hit {
                    now_ms,
                    tier: Tier::Shared,
                    source: Source::StaleOnError { fwd_status: status },
                    collapsed: !Rc::ptr_eq(&visit, &fetch.visit),
                };
                self.give(&visit, &fetch.stored, &hit, Outcome::Stale, host);
            } else {
                let unkept = Forwarded::unkept(FwdReason::Stale, now_ms);
                visit.policy.counts.request(Outcome::Miss(Miss::Stale));
                self.carry_out(&visit, Step::Forward(unkept), host);
            }
        }
        self.abandon(&fetch.visit, fetch.fill, now_ms, host);
    }

    /// Whether what is stored is an answer to a request where the origin fails. It may have been purged in the meantime.
    fn stale_will_do(&self, visit: &Visit, stored: &Stored, now_ms: u64, host: &impl RootHost) -> bool {
        let Ok(verdict) = self.verdict(visit, stored, now_ms, host) else {
            return false;
        };
        let soft = verdict == Verdict::Soft;
        let reuse = visit
            .policy
            .rules
            .reuse(&visit.request, &stored.object().head, now_ms, soft);
        let will_do = matches!(
            reuse,
            Reuse::Validate { stale_if_error: true } | Reuse::StaleWhileRevalidate | Reuse::Fresh
        );
        will_do && verdict != Verdict::Gone
    }

    /// Answers a held request with what is stored.
    fn give(&self, visit: &Rc<Visit>, stored: &Stored, hit: &Hit, outcome: Outcome, host: &impl RootHost) {
        if !visit.is_held() {
            return;
        }
        match Ready::of_stored(visit, stored, hit, host) {
            Some(ready) => {
                visit.policy.counts.request(outcome);
                self.carry_out(visit, Step::Answer(ready), host);
            }
            None => self.let_go(visit, Miss::Failed, hit.now_ms, host),
        }
    }
}
