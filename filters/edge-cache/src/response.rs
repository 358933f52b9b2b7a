//! A response passes: whether it is kept, and what clients are told of it.

use std::rc::Rc;

use weir_host::HostError;
use weir_host::port::{Host, Properties, ResponseHost};
use weir_http_cache::{Change, Head, Headers, NotStored};

use crate::EdgeCacheFilter;
use crate::capture::Capture;
use crate::counts::{Kept, Miss, Outcome};
use crate::forwarded::{Fill, Forwarded};
use crate::visit::{Exchange, State, Visit};

/// What Envoy says of a response that came from upstream (`response.code_details`).
const VIA_UPSTREAM: &[u8] = b"via_upstream";

impl EdgeCacheFilter {
    /// The headers of a response are there.
    pub(crate) fn see_response(&self, exchange: &mut Exchange, ends: bool, host: &impl ResponseHost) {
        let Some(visit) = &exchange.0 else {
            return;
        };
        let seen = match visit.take() {
            State::Answered(mut answered) => {
                let seen = answered.see_headers(host);
                visit.set(State::Answered(answered));
                seen
            }
            State::Unsafe => self.see_unsafe(visit, ends, host),
            State::Forwarded(forwarded) => self.see_forwarded(visit, forwarded, ends, host),
            // Another filter, or Envoy itself, answered a request that was held.
            State::Held => {
                visit.policy.counts.request(Outcome::Miss(Miss::Left));
                self.memory.waiting.forget(visit);
                Ok(())
            }
            State::New | State::Over => Ok(()),
        };
        if let Err(error) = seen {
            self.log(error, "a response could not be read", host);
        }
    }

    fn see_forwarded(
        &self,
        visit: &Rc<Visit>,
        mut forwarded: Box<Forwarded>,
        ends: bool,
        host: &impl ResponseHost,
    ) -> Result<(), HostError> {
        let read = self.judge(visit, &forwarded, host);
        let (headers, judged) = match read {
            Ok(read) => read,
            Err(error) => {
                self.drop_fill(visit, &mut forwarded, host);
                return Err(error);
            }
        };
        let detail = judged.as_ref().err().map(|why| why.label());
        let told = self.tell(visit, &headers, judged.as_ref().ok(), (&forwarded, detail), host);
        match judged {
            Ok(head) => {
                forwarded.capture = Some(Capture::new(head));
                if ends {
                    self.complete(visit, forwarded, host);
                } else {
                    visit.set(State::Forwarded(forwarded));
                }
            }
            Err(why) => {
                let spared = spares(status_of(&headers), why);
                self.refuse(visit, &mut forwarded, (why, spared), host);
            }
        }
        told
    }

    /// The response's headers, and whether it may be kept.
    fn judge(
        &self,
        visit: &Visit,
        forwarded: &Forwarded,
        host: &impl ResponseHost,
    ) -> Result<(Headers, Result<Head, NotStored>), HostError> {
        let headers = Headers::from_pairs(host.pairs()?);
        let now_ms = host.now_ms()?;
        let status = status_of(&headers).ok_or(HostError::BadArgument)?;
        if forwarded.fill.is_none() {
            return Ok((headers, Err(NotStored::Method)));
        }
        if !came_from_upstream(host)? {
            return Ok((headers, Err(NotStored::Status)));
        }
        let rules = &visit.policy.rules;
        let judged = rules.judge(&visit.request, status, &headers, forwarded.sent_ms, now_ms);
        Ok((headers, judged))
    }

    /// Changes the response's headers as the policy says.
    fn tell(
        &self,
        visit: &Visit,
        headers: &Headers,
        head: Option<&Head>,
        (forwarded, detail): (&Forwarded, Option<&'static str>),
        host: &impl ResponseHost,
    ) -> Result<(), HostError> {
        if visit.policy.spec().shadow {
            return Ok(());
        }
        let told = weir_http_cache::Forwarded {
            reason: forwarded.reason,
            fwd_status: None,
            collapsed: forwarded.collapsed,
            detail: detail.filter(|_| forwarded.fill.is_some()),
        };
        for change in visit.policy.rules.forwarded(headers, head, &told) {
            match change {
                Change::Remove(name) => host.remove(&name)?,
                Change::Add(name, value) => host.add(&name, &value)?,
            }
        }
        Ok(())
    }

    /// The response can't be kept. What is stored stays if it is `spared`; else it is remembered that requests for it need not
    /// wait for one another.
    fn refuse(
        &self,
        visit: &Rc<Visit>,
        forwarded: &mut Forwarded,
        (why, spared): (NotStored, bool),
        host: &impl Host,
    ) {
        if let Some(fill) = forwarded.fill.take() {
            let now_ms = host.now_ms().unwrap_or(forwarded.sent_ms);
            self.end_unstored(visit, fill, (why, spared), now_ms, host);
        }
    }

    /// As [`Self::refuse`], of whichever request's response.
    pub(crate) fn end_unstored(
        &self,
        visit: &Rc<Visit>,
        fill: Fill,
        (why, spared): (NotStored, bool),
        now_ms: u64,
        host: &impl Host,
    ) {
        visit.policy.counts.not_stored(why);
        if fill.replaces && spared {
            self.abandon(visit, fill, now_ms, host);
        } else {
            self.hit_for_miss(visit, fill, now_ms, host);
        }
    }

    fn drop_fill(&self, visit: &Rc<Visit>, forwarded: &mut Forwarded, host: &impl Host) {
        if let Some(fill) = forwarded.fill.take() {
            let now_ms = host.now_ms().unwrap_or(forwarded.sent_ms);
            self.abandon(visit, fill, now_ms, host);
        }
    }

    /// A part of the body passes.
    pub(crate) fn see_body(
        &self,
        exchange: &mut Exchange,
        size: usize,
        ends: bool,
        host: &impl ResponseHost,
    ) {
        let Some(visit) = &exchange.0 else {
            return;
        };
        match visit.take() {
            State::Forwarded(forwarded) => self.see_part(visit, forwarded, (size, ends), host),
            State::Answered(mut answered) => {
                if let Err(error) = answered.see_body(host) {
                    self.log(error, "an answer has lost its body", host);
                }
            }
            other => visit.set(other),
        }
    }

    fn see_part(
        &self,
        visit: &Rc<Visit>,
        mut forwarded: Box<Forwarded>,
        (size, ends): (usize, bool),
        host: &impl ResponseHost,
    ) {
        let max_bytes = visit.policy.spec().limits.object_bytes;
        let kept = match &mut forwarded.capture {
            Some(_) if size == 0 => true,
            Some(capture) => host
                .response_body(size)
                .is_ok_and(|part| part.len() == size && capture.add(&part, max_bytes)),
            None => return,
        };
        match (kept, ends) {
            (false, _) => self.refuse(visit, &mut forwarded, (NotStored::TooLarge, false), host),
            (true, true) => self.complete(visit, forwarded, host),
            (true, false) => visit.set(State::Forwarded(forwarded)),
        }
    }

    /// A response with trailers is not kept.
    pub(crate) fn see_trailers(&self, exchange: &mut Exchange, host: &impl ResponseHost) {
        let Some(visit) = &exchange.0 else {
            return;
        };
        match visit.take() {
            State::Forwarded(mut forwarded) => {
                self.refuse(visit, &mut forwarded, (NotStored::Trailers, false), host);
            }
            other => visit.set(other),
        }
    }

    /// All of the response has passed.
    pub(crate) fn complete(&self, visit: &Rc<Visit>, forwarded: Box<Forwarded>, host: &impl Host) {
        let Forwarded {
            fill,
            capture,
            sent_ms,
            ..
        } = *forwarded;
        let (Some(fill), Some(capture)) = (fill, capture) else {
            return;
        };
        match host.now_ms() {
            Ok(now_ms) => self.keep(visit, fill, capture, now_ms, host),
            Err(_) => self.abandon(visit, fill, sent_ms, host),
        }
    }

    /// The stream is over. What it was to fetch for others, another has to.
    pub(crate) fn see_end(&self, exchange: Exchange, host: &impl Host) {
        let Some(visit) = exchange.0 else {
            return;
        };
        match visit.take() {
            State::Held => {
                visit.policy.counts.request(Outcome::Miss(Miss::Left));
                self.memory.waiting.forget(&visit);
            }
            State::Forwarded(mut forwarded) => {
                if forwarded.fill.is_some() {
                    visit.policy.counts.kept(Kept::Cut);
                }
                self.drop_fill(&visit, &mut forwarded, host);
            }
            State::New | State::Answered { .. } | State::Unsafe | State::Over => {}
        }
    }
}

/// Whether what is stored is not affected by an answer that is not stored: the origin failed, or the answer is to another
/// question.
pub(crate) fn spares(status: Option<u16>, why: NotStored) -> bool {
    let failed = status.is_none_or(|status| status >= 500 || status == 304);
    failed
        || matches!(
            why,
            NotStored::Authorization | NotStored::Method | NotStored::Partial
        )
}

/// Whether the response is the origin's, not one that Envoy or another filter made.
pub(crate) fn came_from_upstream(host: &impl Properties) -> Result<bool, HostError> {
    let details = host.property(&["response", "code_details"])?;
    Ok(details.as_deref() == Some(VIA_UPSTREAM))
}

/// The status among a response's headers.
pub(crate) fn status_of(headers: &Headers) -> Option<u16> {
    str::from_utf8(headers.get(":status")?).ok()?.parse().ok()
}
