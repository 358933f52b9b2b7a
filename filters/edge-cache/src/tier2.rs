//! The tier that all proxies share: `weir cache-tier` ([`weir_policy::cache_tier`] has its words).
//!
//! One look-up before a request for what is not stored here goes on; one store after its answer has passed. Nothing that the
//! tier does or fails to do keeps a request from its answer: it goes on alone.

use std::cell::Cell;
use std::rc::Rc;

use weir_cache_store::purge::Verdict;
use weir_host::port::{Answer, Host, RootHost};
use weir_http_cache::{CacheRequest, FwdReason, Head, Headers, Object};
use weir_policy::cache_tier::{
    LEASE_HEADER, PURGED_HEADER, REVISION_HEADER, TAGS_HEADER, TTL_HEADER, URL_HEADER, VARIANT_HEADER,
    VARY_HEADER, Vary, encode_field, lookup_path, object_path, release_path, status, tags_value, variant,
};
use weir_policy::compiled::edge_cache::CompiledTier2;
use weir_policy::hash::hash128_digits;

use crate::EdgeCacheFilter;
use crate::counts::{Kept, Tier2};
use crate::envelope;
use crate::forwarded::{Fill, Forwarded};
use crate::request::Step;
use crate::response::status_of;
use crate::visit::Visit;
use crate::work::{Outgoing, Work};

/// How long what has a validator is kept there beyond its uses without one, milliseconds.
const VALIDATED_MS: u64 = 3_600_000;

/// A call to the tier.
#[derive(Debug)]
pub(crate) struct TierCall {
    pub(crate) visit: Rc<Visit>,
    pub(crate) ask: Ask,
    /// Unix milliseconds.
    pub(crate) sent_ms: u64,
}

/// What is asked of the tier.
#[derive(Debug)]
pub(crate) enum Ask {
    /// The answer to a request, which waits.
    LookUp {
        /// Where it is kept, and why the request would go on.
        fill: Fill,
        reason: FwdReason,
    },
    /// The right to store.
    Lease(Rc<Parcel>),
    /// To store, with that right.
    Put(Rc<Parcel>, String),
    /// To give the right back.
    Release { lease: String, hit_for_miss_ms: u64 },
    /// To forget.
    Delete,
}

/// What is stored there.
#[derive(Debug)]
pub(crate) struct Parcel {
    bytes: Vec<u8>,
    revision: u64,
    ttl_ms: u64,
    tags: String,
    url: String,
    vary: Vary,
}

impl Parcel {
    /// The bytes of an object as they are stored here too; none: the tier has no words for it.
    pub(crate) fn new(
        request: &CacheRequest,
        head: &Head,
        bytes: Vec<u8>,
        revision: u64,
        now_ms: u64,
    ) -> Option<Rc<Self>> {
        let names: Vec<&str> = head
            .vary
            .names()
            .map(str::from_utf8)
            .collect::<Result<_, _>>()
            .ok()?;
        let validated = if head.has_validator() { VALIDATED_MS } else { 0 };
        let until_ms = head.kept_until_ms().saturating_add(validated);
        Some(Rc::new(Self {
            bytes,
            revision,
            ttl_ms: until_ms.saturating_sub(now_ms),
            tags: tags_value(head.tags.iter().map(Vec::as_slice)),
            url: String::from_utf8(request.url()).ok()?,
            vary: Vary::try_new(&names.join(",")).ok()?,
        }))
    }
}

/// The key as the tier has it.
fn key(request: &CacheRequest) -> String {
    hash128_digits(request.key.text.clone())
}

/// The request's fields that may choose a variant.
fn fields(headers: &Headers) -> Vec<(&[u8], &[u8])> {
    let own = |name: &[u8]| name.starts_with(b":") || name.starts_with(b"x-weir-");
    headers.iter().filter(|(name, _)| !own(name)).collect()
}

/// The body of a look-up; none: the request has too many fields.
fn encoded(headers: &Headers) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    for (name, value) in fields(headers) {
        encode_field(&mut body, name, value).ok()?;
    }
    Some(body)
}

impl TierCall {
    fn tier(&self) -> Option<&CompiledTier2> {
        self.visit.policy.spec().tier2.as_ref()
    }

    pub(crate) fn timeout_ms(&self) -> u32 {
        self.tier().map_or(0, |tier| tier.timeout_ms)
    }

    /// The call as it goes out.
    pub(crate) fn outgoing(&self) -> Option<Outgoing> {
        let tier = self.tier()?;
        let request = &self.visit.request;
        let (namespace, policy) = self.visit.policy.name.split_once('/')?;
        let key = key(request);
        let mut outgoing = Outgoing::new(&tier.cluster, tier.timeout_ms);
        match &self.ask {
            Ask::LookUp { .. } => {
                let path = lookup_path(namespace, policy, &key, tier.wait_ms, false);
                outgoing.line("POST", &path);
                outgoing.body = encoded(&request.headers)?;
            }
            Ask::Lease(_) => {
                outgoing.line("POST", &lookup_path(namespace, policy, &key, 0, true));
                outgoing.body = encoded(&request.headers)?;
            }
            Ask::Put(parcel, lease) => {
                outgoing.line("PUT", &object_path(namespace, policy, &key));
                outgoing.field(LEASE_HEADER, lease);
                parcel.describe(request, &mut outgoing);
            }
            Ask::Release {
                lease,
                hit_for_miss_ms,
            } => {
                outgoing.line("POST", &release_path(namespace, policy, &key, *hit_for_miss_ms));
                outgoing.field(LEASE_HEADER, lease);
            }
            Ask::Delete => outgoing.line("DELETE", &object_path(namespace, policy, &key)),
        }
        Some(outgoing)
    }
}

impl Parcel {
    fn describe(&self, request: &CacheRequest, outgoing: &mut Outgoing) {
        outgoing.field(TTL_HEADER, &self.ttl_ms.to_string());
        outgoing.field(REVISION_HEADER, &self.revision.to_string());
        outgoing.field(URL_HEADER, &self.url);
        if !self.tags.is_empty() {
            outgoing.field(TAGS_HEADER, &self.tags);
        }
        if self.vary != Vary::default() {
            let chosen = variant(&self.vary, &fields(&request.headers));
            outgoing.field(VARY_HEADER, self.vary.as_str());
            outgoing.field(VARIANT_HEADER, chosen.as_str());
        }
        outgoing.body.clone_from(&self.bytes);
    }
}

impl EdgeCacheFilter {
    /// Asks the tier for what is not stored here, while the request waits; gives `fill` back where it can't be asked.
    pub(crate) fn ask_tier(
        &self,
        visit: &Rc<Visit>,
        fill: Fill,
        reason: FwdReason,
        now_ms: u64,
        host: &impl Host,
    ) -> Result<(), Fill> {
        if visit.policy.spec().tier2.is_none() || visit.policy.spec().shadow {
            return Err(fill);
        }
        let ask = Ask::LookUp { fill, reason };
        match self.post_tier(visit, ask, now_ms, host) {
            None => Ok(()),
            Some(Ask::LookUp { fill, .. }) => Err(fill),
            Some(_) => Ok(()),
        }
    }

    /// Leaves a call to the root; what can't be left comes back.
    pub(crate) fn post_tier(
        &self,
        visit: &Rc<Visit>,
        ask: Ask,
        now_ms: u64,
        host: &impl Host,
    ) -> Option<Ask> {
        let call = TierCall {
            visit: Rc::clone(visit),
            ask,
            sent_ms: now_ms,
        };
        match self.leave_work(Work::Tier(call), host) {
            Some(Work::Tier(call)) => Some(call.ask),
            _ => None,
        }
    }

    /// Stores in the tier what is stored here.
    pub(crate) fn put_in_tier(
        &self,
        visit: &Rc<Visit>,
        parcel: Option<Rc<Parcel>>,
        lease: Option<String>,
        now_ms: u64,
        host: &impl Host,
    ) {
        let ask = match (parcel, lease) {
            (Some(parcel), Some(lease)) => Ask::Put(parcel, lease),
            (Some(parcel), None) => Ask::Lease(parcel),
            (None, Some(lease)) => Ask::Release {
                lease,
                hit_for_miss_ms: 0,
            },
            (None, None) => return,
        };
        self.post_tier(visit, ask, now_ms, host);
    }

    /// The tier has answered.
    pub(crate) fn take_tier_answer(&self, call: TierCall, answer: Answer, host: &impl RootHost) {
        let now_ms = host.now_ms().unwrap_or(call.sent_ms);
        let headers = Headers::from_pairs(answer.headers);
        let found = status_of(&headers).unwrap_or(answer.status);
        let counts = &call.visit.policy.counts;
        counts.tier2(Tier2::of(found), now_ms.saturating_sub(call.sent_ms));
        let lease = headers
            .get(LEASE_HEADER)
            .and_then(|lease| str::from_utf8(lease).ok());
        let lease = lease.map(str::to_owned);
        match call.ask {
            Ask::LookUp { fill, reason } => {
                let hit = found == status::HIT && headers.get(PURGED_HEADER).is_none();
                if hit {
                    self.take_from_tier(&call.visit, fill, (reason, &answer.body), now_ms, host);
                } else {
                    let lease = lease.filter(|_| found == status::MISS);
                    self.go_on(&call.visit, Fill { lease, ..fill }, reason, now_ms, host);
                }
            }
            Ask::Lease(parcel) => {
                if let Some(lease) = lease {
                    self.post_tier(&call.visit, Ask::Put(parcel, lease), now_ms, host);
                }
            }
            Ask::Put(..) | Ask::Release { .. } | Ask::Delete => {}
        }
    }

    /// The tier did not answer.
    pub(crate) fn fail_tier(&self, call: TierCall, host: &impl RootHost) {
        let now_ms = host.now_ms().unwrap_or(call.sent_ms);
        call.visit
            .policy
            .counts
            .tier2(Tier2::Failed, now_ms.saturating_sub(call.sent_ms));
        if let Ask::LookUp { fill, reason } = call.ask {
            self.go_on(&call.visit, fill, reason, now_ms, host);
        }
    }

    /// The request goes on to the origin.
    fn go_on(&self, visit: &Rc<Visit>, fill: Fill, reason: FwdReason, now_ms: u64, host: &impl Host) {
        if !visit.is_held() {
            return self.abandon(visit, fill, now_ms, host);
        }
        visit.policy.counts.absent();
        let forwarded = Forwarded::filling(reason, now_ms, fill);
        self.carry_out(visit, Step::Forward(forwarded), host);
    }

    /// What the tier has is stored here, and answers.
    fn take_from_tier(
        &self,
        visit: &Rc<Visit>,
        fill: Fill,
        (reason, bytes): (FwdReason, &[u8]),
        now_ms: u64,
        host: &impl Host,
    ) {
        let Some((revision, object)) = envelope::open(bytes) else {
            return self.go_on(visit, fill, reason, now_ms, host);
        };
        let rules = &visit.policy.rules;
        let is_for = object.key == rules.variant(&object.head.vary, &visit.request).text;
        let unknown = Cell::default();
        let about = (object.url.as_slice(), &object.head);
        let verdict = self.judge_purges(visit, (revision, &unknown), about, now_ms, host);
        if !is_for || verdict != Ok(Verdict::Valid) {
            return self.go_on(visit, fill, reason, now_ms, host);
        }
        let kept = self.keep_bytes(visit, fill, &object.head, (revision, bytes), now_ms, host);
        if !visit.is_held() {
            return;
        }
        if kept != Kept::Stored {
            let forwarded = Forwarded::unkept(reason, now_ms);
            visit.policy.counts.absent();
            return self.carry_out(visit, Step::Forward(forwarded), host);
        }
        visit.from_tier2.set(true);
        let step = self.step(visit, false, now_ms, host);
        self.carry_out(visit, step, host);
    }
}

/// What an object has to be known by there: the text of the key, with the values that choose the variant.
pub(crate) fn known_by(visit: &Visit, object: &mut Object) {
    if visit.policy.spec().tier2.is_some() {
        let rules = &visit.policy.rules;
        object.key = rules.variant(&object.head.vary, &visit.request).text;
    }
}
