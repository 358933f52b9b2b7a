//! Keeping what was fetched.

use std::cell::Cell;
use std::rc::Rc;

use weir_cache_store::purge::{Judged, Purgeable, Verdict};
use weir_cache_store::{Claim, Ended, Failed, FillToken, Key, Kind, Store, Stored};
use weir_host::port::Host;
use weir_http_cache::{Encoding, Head, Object, VaryRule};

use crate::EdgeCacheFilter;
use crate::answer::gzip;
use crate::capture::Capture;
use crate::counts::Kept;
use crate::envelope;
use crate::find::Place;
use crate::forwarded::Fill;
use crate::values::Values;
use crate::visit::Visit;

/// What is to be stored, before it is known where.
struct Goods {
    head: Head,
    body: Vec<u8>,
    encoding: Encoding,
    /// With which the body is unpacked.
    checksum: u32,
    /// Of the body as it came.
    length: u64,
}

/// The record that names what tells answers apart could not be written.
struct NoRecord;

impl EdgeCacheFilter {
    /// Stores what was fetched, and wakes those who wait for it.
    pub(crate) fn keep(
        &self,
        visit: &Rc<Visit>,
        fill: Fill,
        capture: Capture,
        now_ms: u64,
        host: &impl Host,
    ) {
        let message = fill.message(visit);
        let Ok(store) = visit.policy.store(&self.slot, &self.memory, host) else {
            return self.wake(message, false, now_ms, host);
        };
        let (kept, wake_others) = self.store(visit, &store, fill, capture, now_ms, host);
        visit.policy.counts.kept(kept);
        self.wake(message, wake_others, now_ms, host);
    }

    fn store(
        &self,
        visit: &Visit,
        store: &Store,
        fill: Fill,
        capture: Capture,
        now_ms: u64,
        host: &impl Host,
    ) -> (Kept, bool) {
        if self.is_fenced(visit, &fill.token, &capture.head, now_ms, host) {
            let ended = store.abandon(&Values(host), fill.token).unwrap_or_default();
            return (Kept::Fenced, ended.wake_others);
        }
        let goods = goods(visit, capture, host);
        let stored = self.place(visit, store, fill, &goods, now_ms, host);
        match stored {
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

    /// Stores what the origin has confirmed.
    pub(crate) fn keep_updated(
        &self,
        visit: &Visit,
        fill: Fill,
        stored: &envelope::Stored,
        now_ms: u64,
        host: &impl Host,
    ) {
        let fenced = self.is_fenced(visit, &fill.token, &stored.object.head, now_ms, host);
        let bytes = stored.to_bytes(fill.token.revision());
        let key_text = fill.place.text.clone();
        self.end(visit, fill, now_ms, host, |store, token| {
            if fenced {
                return store.abandon(&Values(host), token);
            }
            let key = Key::new(&key_text);
            let stored = store.store(&Values(host), token, &key, Kind::Object, &bytes, now_ms)?;
            Ok(Ended {
                was: true,
                wake_others: matches!(
                    stored,
                    Stored::Stored {
                        wake_others: true,
                        ..
                    } | Stored::TooLarge { wake_others: true }
                ),
            })
        });
    }

    /// Whether a purge of what this is came after its fill began.
    fn is_fenced(
        &self,
        visit: &Visit,
        token: &FillToken,
        head: &Head,
        now_ms: u64,
        host: &impl Host,
    ) -> bool {
        let object = Purgeable {
            revision: token.revision(),
            policy: &visit.policy.name,
            url: &visit.request.url,
            tags: head.tags.iter().map(Vec::as_slice),
        };
        let judged = Cell::<Judged>::default();
        let verdict = self.purges().verdict(&Values(host), object, &judged, now_ms);
        verdict.map_or(true, |verdict| verdict != Verdict::Valid)
    }

    /// Stores under the key that the response's `Vary` asks for.
    fn place(
        &self,
        visit: &Visit,
        store: &Store,
        fill: Fill,
        goods: &Goods,
        now_ms: u64,
        host: &impl Host,
    ) -> Result<Result<Stored, NoRecord>, Failed> {
        let Fill { place, token, .. } = fill;
        let values = Values(host);
        let vary = &goods.head.vary;
        let revision = token.revision();
        let object = |place: &Place, token: FillToken| {
            let bytes = goods.to_bytes(visit, revision);
            store.store(&values, token, &place.key(), Kind::Object, &bytes, now_ms)
        };
        let (record, rule) = match &place.vary {
            None if vary.is_empty() => return object(&place, token).map(Ok),
            Some((known, _)) if vary.names().all(|name| known.names().any(|other| other == name)) => {
                return object(&place, token).map(Ok);
            }
            None => (token, vary.clone()),
            Some((known, stamp)) => {
                let seen = Some(*stamp);
                let primary = Place::primary(&visit.request);
                let record = claim(store, &primary, revision, seen, now_ms, host)?;
                store.abandon(&values, token)?;
                match record {
                    Some(record) => (record, known.union(vary)),
                    None => return Ok(Err(NoRecord)),
                }
            }
        };
        let Some(variant) = self.record(visit, store, record, rule, now_ms, host)? else {
            return Ok(Err(NoRecord));
        };
        match claim(store, &variant, revision, None, now_ms, host)? {
            Some(token) => {
                let stored = object(&variant, token)?;
                // Who waits, waits under the key of the record.
                Ok(Ok(match stored {
                    Stored::Stored { stamp, evicted, .. } => Stored::Stored {
                        stamp,
                        evicted,
                        wake_others: true,
                    },
                    other => other,
                }))
            }
            None => Ok(Err(NoRecord)),
        }
    }

    /// Writes what tells answers apart under the request's own key; where the answer to `visit` is then.
    fn record(
        &self,
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
        Ok(Some(Place::variant(
            &visit.policy.rules,
            &visit.request,
            rule,
            stamp,
        )))
    }

    /// Ends a fill that came to nothing: another may begin.
    pub(crate) fn abandon(&self, visit: &Visit, fill: Fill, now_ms: u64, host: &impl Host) {
        self.end(visit, fill, now_ms, host, |store, token| {
            store.abandon(&Values(host), token)
        });
    }

    /// Ends a fill whose answer can't be stored: requests for it need not wait for one another for a time.
    pub(crate) fn hit_for_miss(&self, visit: &Visit, fill: Fill, now_ms: u64, host: &impl Host) {
        let until_ms = now_ms.saturating_add(visit.policy.spec().ttl.hit_for_miss_ms);
        self.end(visit, fill, now_ms, host, |store, token| {
            store.hit_for_miss(&Values(host), token, now_ms, until_ms)
        });
    }

    fn end(
        &self,
        visit: &Visit,
        fill: Fill,
        now_ms: u64,
        host: &impl Host,
        how: impl FnOnce(&Store, FillToken) -> Result<Ended, Failed>,
    ) {
        let message = fill.message(visit);
        let store = visit.policy.store(&self.slot, &self.memory, host);
        let ended = store.ok().and_then(|store| how(&store, fill.token).ok());
        let wake_others = ended.is_none_or(|ended| ended.wake_others);
        self.wake(message, wake_others, now_ms, host);
    }
}

fn goods(visit: &Visit, capture: Capture, host: &impl Host) -> Goods {
    let Capture { head, body } = capture;
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let packed = visit
        .policy
        .rules
        .compresses(&head, length)
        .then(|| gzip(&body, host))
        .flatten();
    let (body, checksum, encoding) = match packed {
        Some((gzip, checksum)) => (gzip, checksum, Encoding::Zlib { identity_len: length }),
        None => (body, 0, Encoding::Identity),
    };
    Goods {
        head,
        body,
        encoding,
        checksum,
        length,
    }
}

impl Goods {
    fn to_bytes(&self, visit: &Visit, revision: u64) -> Vec<u8> {
        let head = self.head.clone();
        let object = Object::new(&visit.request, Vec::new(), head, self.encoding, self.length);
        envelope::write(revision, self.checksum, &object, &self.body)
    }
}

fn claim(
    store: &Store,
    place: &Place,
    revision: u64,
    seen: Option<u64>,
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
