//! Keeping what was fetched.

use std::cell::Cell;
use std::rc::Rc;

use weir_cache_store::purge::{Judged, Purgeable, Verdict};
use weir_cache_store::{Claim, Ended, Failed, FillToken, Kind, Store, Stored};
use weir_host::HostError;
use weir_host::port::Host;
use weir_http_cache::{Encoding, Head, Object, VaryRule};

use crate::EdgeCacheFilter;
use crate::answer::gzip;
use crate::capture::Capture;
use crate::counts::Kept;
use crate::envelope;
use crate::find::Place;
use crate::forwarded::Fill;
use crate::post::Message;
use crate::request::failed;
use crate::tier2::{Ask, Parcel, known_by};
use crate::values::Values;
use crate::visit::Visit;

/// What is to be stored, before it is known where.
struct Goods<'g> {
    vary: &'g VaryRule,
    revision: u64,
    bytes: &'g [u8],
}

/// The record that names what tells answers apart could not be written.
struct NoRecord;

impl EdgeCacheFilter {
    /// Stores what was fetched, in all tiers, and wakes those who wait for it.
    pub(crate) fn keep(
        &self,
        visit: &Rc<Visit>,
        mut fill: Fill,
        capture: Capture,
        now_ms: u64,
        host: &impl Host,
    ) {
        let revision = fill.token.revision();
        let lease = fill.lease.take();
        let (head, bytes) = packed(visit, capture, revision, host);
        let kept = self.keep_bytes(visit, fill, &head, (revision, &bytes), now_ms, host);
        let has_tier = visit.policy.spec().tier2.is_some() && kept == Kept::Stored;
        let parcel = has_tier.then(|| Parcel::new(&visit.request, &head, bytes, revision, now_ms));
        self.put_in_tier(visit, parcel.flatten(), lease, now_ms, host);
    }

    /// Stores what the origin has confirmed.
    pub(crate) fn keep_updated(
        &self,
        visit: &Rc<Visit>,
        fill: Fill,
        stored: &envelope::Stored,
        now_ms: u64,
        host: &impl Host,
    ) {
        let revision = fill.token.revision();
        let bytes = stored.to_bytes(revision);
        let head = &stored.object().head;
        let kept = self.keep_bytes(visit, fill, head, (revision, &bytes), now_ms, host);
        if visit.policy.spec().tier2.is_some() && kept == Kept::Stored {
            let parcel = Parcel::new(&visit.request, head, bytes, revision, now_ms);
            self.put_in_tier(visit, parcel, None, now_ms, host);
        }
    }

    /// Stores an object whose fill began with `revision`, here, and wakes those who wait for it.
    pub(crate) fn keep_bytes(
        &self,
        visit: &Rc<Visit>,
        fill: Fill,
        head: &Head,
        (revision, bytes): (u64, &[u8]),
        now_ms: u64,
        host: &impl Host,
    ) -> Kept {
        let message = fill.message(visit);
        let goods = Goods {
            vary: &head.vary,
            revision,
            bytes,
        };
        let (kept, wake_others) = match visit.policy.store(&self.slot, &self.memory, host) {
            Ok(store) => self.store(visit, &store, fill, (head, &goods), now_ms, host),
            Err(_) => (Kept::Failed, false),
        };
        visit.policy.counts.kept(kept);
        self.wake(message, wake_others, now_ms, host);
        kept
    }

    fn store(
        &self,
        visit: &Visit,
        store: &Store,
        fill: Fill,
        (head, goods): (&Head, &Goods<'_>),
        now_ms: u64,
        host: &impl Host,
    ) -> (Kept, bool) {
        let url = &visit.request.url();
        let unknown = Cell::default();
        let verdict = self.judge_purges(visit, (goods.revision, &unknown), (url, head), now_ms, host);
        if verdict != Ok(Verdict::Valid) {
            let ended = store.abandon(&Values(host), fill.token).unwrap_or_default();
            return (Kept::Fenced, ended.wake_others);
        }
        match self.place(visit, store, fill, goods, now_ms, host) {
            Ok(Ok(Stored::Stored {
                evicted, wake_others, ..
            })) => {
                visit.policy.counts.evicted(evicted);
                (Kept::Stored, wake_others)
            }
            Ok(Ok(Stored::Fenced)) => (Kept::Fenced, true),
            Ok(Ok(Stored::TooLarge { wake_others })) => (Kept::TooLarge, wake_others),
            Ok(Err(NoRecord)) => (Kept::NoRoom, true),
            Err(Failed) => (Kept::Failed, true),
        }
    }

    /// What purges mean for something whose fill began with a revision, and what they were known to mean.
    pub(crate) fn judge_purges(
        &self,
        visit: &Visit,
        (revision, judged): (u64, &Cell<Judged>),
        (url, head): (&[u8], &Head),
        now_ms: u64,
        host: &impl Host,
    ) -> Result<Verdict, HostError> {
        let object = Purgeable {
            revision,
            policy: &visit.policy.name,
            url,
            tags: head.tags.iter().map(Vec::as_slice),
        };
        let verdict = self.purges.verdict(&Values(host), object, judged, now_ms);
        verdict.map_err(failed)
    }

    /// Stores under the key that the response's `Vary` asks for.
    fn place(
        &self,
        visit: &Visit,
        store: &Store,
        fill: Fill,
        goods: &Goods<'_>,
        now_ms: u64,
        host: &impl Host,
    ) -> Result<Result<Stored, NoRecord>, Failed> {
        let Fill { place, token, .. } = fill;
        let values = Values(host);
        let revision = token.revision();
        let object = |place: &Place, token: FillToken| {
            store.store(&values, token, &place.key(), Kind::Object, goods.bytes, now_ms)
        };
        let (record, rule) = match &place.vary {
            None if goods.vary.is_empty() => return object(&place, token).map(Ok),
            Some((known, _)) if is_within(goods.vary, known) => return object(&place, token).map(Ok),
            None => (token, goods.vary.clone()),
            Some((known, stamp)) => {
                let primary = Place::primary(&visit.request);
                let record = claim(store, &primary, (revision, Some(*stamp)), now_ms, host)?;
                store.abandon(&values, token)?;
                match record {
                    Some(record) => (record, known.union(goods.vary)),
                    None => return Ok(Err(NoRecord)),
                }
            }
        };
        let Some(variant) = record_of(visit, store, record, rule, now_ms, host)? else {
            return Ok(Err(NoRecord));
        };
        let Some(token) = claim(store, &variant, (revision, None), now_ms, host)? else {
            return Ok(Err(NoRecord));
        };
        Ok(Ok(match object(&variant, token)? {
            // Who waits, waits under the key of the record.
            Stored::Stored { stamp, evicted, .. } => Stored::Stored {
                stamp,
                evicted,
                wake_others: true,
            },
            other => other,
        }))
    }

    /// Ends a fill that came to nothing: another may begin.
    pub(crate) fn abandon(&self, visit: &Rc<Visit>, mut fill: Fill, now_ms: u64, host: &impl Host) {
        self.release(visit, fill.lease.take(), 0, now_ms, host);
        self.end(visit, fill, now_ms, host, |store, token| {
            store.abandon(&Values(host), token)
        });
    }

    /// Ends a fill whose answer can't be stored: requests for it need not wait for one another for a time.
    pub(crate) fn hit_for_miss(&self, visit: &Rc<Visit>, mut fill: Fill, now_ms: u64, host: &impl Host) {
        let length_ms = visit.policy.spec().ttl.hit_for_miss_ms;
        let until_ms = now_ms.saturating_add(length_ms);
        self.release(visit, fill.lease.take(), length_ms, now_ms, host);
        self.end(visit, fill, now_ms, host, |store, token| {
            store.hit_for_miss(&Values(host), token, now_ms, until_ms)
        });
    }

    fn release(
        &self,
        visit: &Rc<Visit>,
        lease: Option<String>,
        hit_for_miss_ms: u64,
        now_ms: u64,
        host: &impl Host,
    ) {
        if let Some(lease) = lease {
            let ask = Ask::Release {
                lease,
                hit_for_miss_ms,
            };
            self.post_tier(visit, ask, now_ms, host);
        }
    }

    fn end(
        &self,
        visit: &Visit,
        fill: Fill,
        now_ms: u64,
        host: &impl Host,
        how: impl FnOnce(&Store, FillToken) -> Result<Ended, Failed>,
    ) {
        let message: Message = fill.message(visit);
        let store = visit.policy.store(&self.slot, &self.memory, host);
        let ended = store.ok().and_then(|store| how(&store, fill.token).ok());
        let wake_others = ended.is_none_or(|ended| ended.wake_others);
        self.wake(message, wake_others, now_ms, host);
    }
}

fn is_within(rule: &VaryRule, known: &VaryRule) -> bool {
    rule.names().all(|name| known.names().any(|other| other == name))
}

/// Writes what tells answers apart under the request's own key; where the answer to `visit` is then.
fn record_of(
    visit: &Visit,
    store: &Store,
    token: FillToken,
    rule: VaryRule,
    now_ms: u64,
    host: &impl Host,
) -> Result<Option<Place>, Failed> {
    let primary = Place::primary(&visit.request);
    let bytes = rule.to_bytes(&[]);
    let stored = store.store(&Values(host), token, &primary.key(), Kind::Vary, &bytes, now_ms)?;
    let Stored::Stored { stamp, .. } = stored else {
        return Ok(None);
    };
    let rules = &visit.policy.rules;
    Ok(Some(Place::variant(rules, &visit.request, rule, stamp)))
}

/// The bytes to be stored of an answer, and its head.
fn packed(visit: &Visit, capture: Capture, revision: u64, host: &impl Host) -> (Head, Vec<u8>) {
    let Capture { head, body } = capture;
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let rules = &visit.policy.rules;
    let gzip = rules
        .compresses(&head, length)
        .then(|| gzip(&body, host))
        .flatten();
    let (body, checksum, encoding) = match gzip {
        Some((gzip, checksum)) => (gzip, checksum, Encoding::Zlib { identity_len: length }),
        None => (body, 0, Encoding::Identity),
    };
    let mut object = Object::new(&visit.request, Vec::new(), head, encoding, length);
    known_by(visit, &mut object);
    let bytes = envelope::write(revision, checksum, &object, &body);
    (object.head, bytes)
}

fn claim(
    store: &Store,
    place: &Place,
    (revision, seen): (u64, Option<u64>),
    now_ms: u64,
    host: &impl Host,
) -> Result<Option<FillToken>, Failed> {
    const LEASE_MS: u64 = 1_000;
    let fill = weir_cache_store::Fill {
        now_ms,
        until_ms: now_ms.saturating_add(LEASE_MS),
        revision,
        seen,
    };
    match store.claim(&Values(host), &place.key(), &fill)? {
        Claim::Leader(token) | Claim::HitForMiss(token) => Ok(Some(token)),
        Claim::Follow { .. } | Claim::Changed | Claim::NoRoom => Ok(None),
    }
}
