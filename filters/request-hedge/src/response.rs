//! A request is answered, or over without an answer: what that tells of its route, and of its second try.

use weir_hedge::route::{Outcome, Response};
use weir_host::HostError;
use weir_host::port::{Host, Properties, ResponseHost};

use crate::RequestHedgeFilter;
use crate::armed::Armed;
use crate::eligible::number;
use crate::exchange::Sent;

const NANOS_PER_MILLI: u64 = 1_000_000;
/// An answer that takes so much longer than its route's timeout does not: the clock has stepped.
const LATE_MS: u64 = 1_000;
/// What Envoy says where the service did not answer in time.
const GATEWAY_TIMEOUT: u64 = 504;
/// Statuses that may say when to come back.
const LATER: [u64; 2] = [429, 503];

impl RequestHedgeFilter {
    /// The head of an answer is there: from now on no second try leaves.
    pub(crate) fn answered(&self, sent: Sent, host: &impl ResponseHost) {
        let read = status(host).and_then(|status| Ok((outcome(status), pushback_ms(status, host)?)));
        match read {
            Ok((outcome, pushback_ms)) => self.learn(sent, outcome, pushback_ms, host),
            Err(error) => {
                self.log_error(Err(error), "an answer could not be read", host);
                self.ended(sent, host);
            }
        }
    }

    /// The client has gone.
    pub(crate) fn ended(&self, sent: Sent, host: &impl Host) {
        self.learn(sent, Outcome::Abandoned, None, host);
    }

    fn learn(&self, sent: Sent, outcome: Outcome, pushback_ms: Option<u64>, host: &impl Host) {
        let now = host.now_ns().unwrap_or(sent.started);
        let took = took_ns(&sent, now);
        let took_ns = took.unwrap_or_default();
        if took.is_none() {
            sent.policy.counts.clock_step.count();
        }
        let hedged_after_ms = self.end_try(&sent, took_ns, host);
        if let Some(delay_ms) = hedged_after_ms {
            estimate(&sent, delay_ms, took_ns, outcome);
        }
        if let Some(took_ns) = took.filter(|_| outcome == Outcome::Answered) {
            shadow(&sent, took_ns);
        }
        let response = Response {
            took_ns,
            // In shadow there was none.
            hedged_after_ms: hedged_after_ms.filter(|_| !sent.policy.spec.shadow),
            outcome: took.map_or(untimed(outcome), |_| outcome),
            pushback_ms,
        };
        sent.route.borrow_mut().on_response(&response, now);
        if let Some(armed) = sent.armed {
            armed.release(hedged_after_ms.is_some());
        }
    }

    /// After how long the second try left, or in shadow would have.
    fn end_try(&self, sent: &Sent, took_ns: u64, host: &impl Properties) -> Option<u32> {
        let armed = sent.armed.as_ref()?;
        let counts = &sent.policy.counts;
        let left = if sent.policy.spec.shadow {
            is_after(armed, took_ns)
        } else {
            second_try(sent.policy.spec.max_retries, host).unwrap_or_else(|| {
                counts.unreadable.count();
                true
            })
        };
        if left {
            counts.sent.count();
        }
        left.then_some(armed.delay_ms)
    }
}

/// How long it has taken; none where the clock has stepped meanwhile: it shows a time before the request, or one at which Envoy
/// would long have given the request up.
fn took_ns(sent: &Sent, now: u64) -> Option<u64> {
    let took = now.checked_sub(sent.started)?;
    let given_up = sent.policy.longest_ms.map(|ms| ms.saturating_add(LATE_MS));
    let is_possible = given_up.is_none_or(|ms| took / NANOS_PER_MILLI <= ms);
    is_possible.then_some(took)
}

/// What an answer tells of which nobody knows how long it took: whether the service failed, or else nothing.
const fn untimed(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Failed | Outcome::TimedOut => Outcome::Failed,
        Outcome::Answered | Outcome::Abandoned => Outcome::Abandoned,
    }
}

fn is_after(armed: &Armed, took_ns: u64) -> bool {
    took_ns >= u64::from(armed.delay_ms) * NANOS_PER_MILLI
}

/// Whether there was a second try; none: the number of tries is missing or absurd. It is asked for however soon the answer
/// came: Envoy's timer counts from when its worker last looked at the clock, which a busy one did long before the request.
fn second_try(max_retries: u32, host: &impl Properties) -> Option<bool> {
    let tries = host.property(&["upstream", "request_attempt_count"]).ok()??;
    match u64::from_le_bytes(tries.try_into().ok()?) {
        // It never got so far.
        0 | 1 => Some(false),
        tries if tries <= u64::from(max_retries) + 1 => Some(true),
        _ => None,
    }
}

/// Which of two tries answered can't be read: the second has won where it would have taken as long as answers usually take, no
/// less than half of their median. One that comes sooner is the first's, which was only a little late.
fn estimate(sent: &Sent, delay_ms: u32, took_ns: u64, outcome: Outcome) {
    let counts = &sent.policy.counts;
    let second_took = took_ns.saturating_sub(u64::from(delay_ms) * NANOS_PER_MILLI);
    let view = *sent.route.borrow().view();
    let usual = view.median_ns.map(|median| median / 2).zip(view.quantile_ns);
    let is_usual = usual.is_some_and(|(least, most)| (least..=most).contains(&second_took));
    let won = outcome == Outcome::Answered && is_usual;
    let counter = if won { &counts.won } else { &counts.wasted };
    counter.count();
}

/// Notes how long a request would have taken if a second try had left, and had taken as long as half of all do.
fn shadow(sent: &Sent, took_ns: u64) {
    let Some(counts) = &sent.policy.counts.shadow else {
        return;
    };
    let median = sent.route.borrow().view().median_ns;
    let second = sent.armed.as_ref().zip(median).map(|(armed, median)| {
        let delay = u64::from(armed.delay_ms) * NANOS_PER_MILLI;
        delay.saturating_add(median)
    });
    let with = second.map_or(took_ns, |second| second.min(took_ns));
    counts.took(took_ns.div_ceil(NANOS_PER_MILLI), with.div_ceil(NANOS_PER_MILLI));
}

fn status(host: &impl ResponseHost) -> Result<u64, HostError> {
    let status = host.get(":status")?;
    status
        .and_then(|status| number(&status))
        .ok_or(HostError::NotFound)
}

const fn outcome(status: u64) -> Outcome {
    match status {
        GATEWAY_TIMEOUT => Outcome::TimedOut,
        500.. => Outcome::Failed,
        _ => Outcome::Answered,
    }
}

/// After how many milliseconds to come back, by gRPC's pushback or `Retry-After` in seconds (RFC 9110 section 10.2.3); a date
/// is not read.
fn pushback_ms(status: u64, host: &impl ResponseHost) -> Result<Option<u64>, HostError> {
    if !LATER.contains(&status) {
        return Ok(None);
    }
    if let Some(ms) = host.get("grpc-retry-pushback-ms")? {
        return Ok(number(&ms));
    }
    let seconds = host.get("retry-after")?.and_then(|seconds| number(&seconds));
    Ok(seconds.map(|seconds| seconds.saturating_mul(1_000)))
}
