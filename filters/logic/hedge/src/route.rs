//! What a worker knows of one route, and what it decides for a request.

use crate::budget::{Escrow, Purse};
use crate::clock;
use crate::overload::Signal;
use crate::pane::Sample;
use crate::policy::Policy;
pub use crate::record::View;
use crate::record::{News, Record};
use crate::shared::{SharedError, SharedValue, change};

/// A worker adds what it has seen to the record so often, nanoseconds.
const SYNC_NS: u64 = 500_000_000;
/// A pushback is told the others at once, but no more often than this. Nanoseconds.
const URGENT_NS: u64 = 50_000_000;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// What is decided for a request.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a decision to arm holds a token"]
pub enum Decision {
    /// A second try may leave after the delay.
    Arm {
        /// Milliseconds, at least 1.
        delay_ms: u32,
        /// To be given to [`Purse::release`] when the request is over.
        escrow: Escrow,
    },
    /// No second try.
    Deny(Denied),
}

/// Why there is no second try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Too little is known of the route.
    Cold,
    /// The service has too much to do already.
    Overload(Signal),
    /// The request's timeout is no longer than the delay.
    Timeout,
    /// All tokens are in use or spent.
    Budget,
}

impl Denied {
    /// The reason as a label of a metric.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Overload(_) => "overload",
            Self::Timeout => "timeout",
            Self::Budget => "budget",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// From its start to its answer's head, or its end, nanoseconds.
    pub took_ns: u64,
    /// After how many milliseconds a second try left, if one did.
    pub hedged_after_ms: Option<u32>,
    /// What came of it.
    pub outcome: Outcome,
    /// A 429 or 503 said to come back after so many milliseconds.
    pub pushback_ms: Option<u64>,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// An answer of another status than 5xx.
    #[default]
    Answered,
    /// A 5xx status or a reset by the service. How long it took says nothing of what answers take.
    Failed,
    /// The service did not answer in time: an error of it, and its first try takes longer than that.
    TimedOut,
    /// Nobody waited any longer: neither an answer nor an error of the service.
    Abandoned,
}

impl Outcome {
    /// Whether the service is to blame.
    const fn is_error(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut)
    }
}

impl Response {
    /// What it tells of the time that a first try takes.
    pub fn sample(&self) -> Option<Sample> {
        let took_ns = self.took_ns;
        let hedged_ns = self.hedged_after_ms.map(|ms| u64::from(ms) * NANOS_PER_MILLI);
        match (self.outcome, hedged_ns) {
            (Outcome::Failed, _) => None,
            (Outcome::Answered, None) => Some(Sample::Complete { took_ns }),
            (Outcome::Answered, Some(known_ns)) => Some(Sample::Censored {
                known_ns: known_ns.min(took_ns),
                took_ns,
            }),
            (Outcome::TimedOut | Outcome::Abandoned, hedged_ns) => Some(Sample::Censored {
                known_ns: hedged_ns.map_or(took_ns, |known_ns| known_ns.min(took_ns)),
                took_ns,
            }),
        }
    }
}

/// One rule's requests to one cluster, as a worker sees them.
///
/// Twice a second the worker adds what it has seen to a record that all workers of the process share, and takes up what
/// follows from it ([`View`]): between two of these, all of them decide by the same. A record of some hundred requests a second has
/// about a kilobyte. A worker should [`Route::sync`] at ticks as well, so that what it saw last is not lost.
#[derive(Debug)]
pub struct Route {
    policy: Policy,
    view: View,
    news: News,
    /// When the view was as it is, and when it was last asked for, Unix nanoseconds.
    viewed_at: u64,
    tried_at: u64,
}

impl Route {
    /// A route of which nothing is known.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            view: View::default(),
            news: News::default(),
            viewed_at: 0,
            tried_at: 0,
        }
    }

    /// Goes by this policy from now on, which has the quantile of the one before. What it takes for overload is asked with the
    /// next [`Route::sync`].
    pub fn follow(&mut self, policy: &Policy) {
        if self.policy == *policy {
            return;
        }
        self.policy = *policy;
        let known = self.view.delay_ms.and(self.view.quantile_ns);
        self.view.delay_ms = known.map(|ns| policy.delay_ms(ns));
    }

    /// What it decides by.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Decides for a request that may be hedged, and pays its deposit. `timeout_ms` is how long the request may take, if that is
    /// limited. To be called after [`Route::sync`] and [`Purse::sync`].
    pub fn on_request(&self, purse: &mut Purse, timeout_ms: Option<u64>, now: u64) -> Decision {
        purse.deposit();
        match self.delay_ms(timeout_ms, now) {
            Ok(delay_ms) => purse
                .arm(now)
                .map_or(Decision::Deny(Denied::Budget), |escrow| Decision::Arm {
                    delay_ms,
                    escrow,
                }),
            Err(denied) => Decision::Deny(denied),
        }
    }

    /// The delay of a request that comes now, milliseconds, whatever the budget has.
    pub fn delay_ms(&self, timeout_ms: Option<u64>, now: u64) -> Result<u32, Denied> {
        let elapsed = now.saturating_sub(self.viewed_at);
        if let Some(signal) = self.view.overload.signal(elapsed) {
            return Err(Denied::Overload(signal));
        }
        let delay = self
            .view
            .delay_ms
            .or(self.policy.cold_ms())
            .ok_or(Denied::Cold)?
            .max(1);
        match timeout_ms {
            Some(timeout) if timeout <= delay.into() => Err(Denied::Timeout),
            _ => Ok(delay),
        }
    }

    /// Notes how a request ended, one that was not armed as well. Its escrow is released apart from it.
    pub fn on_response(&mut self, response: &Response, now: u64) {
        let span = &mut self.news.span;
        if let Some(sample) = response.sample() {
            span.pane.add(sample);
        }
        if response.outcome != Outcome::Abandoned {
            span.answers = span.answers.saturating_add(1);
            span.errors = span.errors.saturating_add(u32::from(response.outcome.is_error()));
        }
        if let Some(ms) = response.pushback_ms {
            self.push_back(ms, now);
        }
    }

    /// In force here at once, and soon for the others.
    fn push_back(&mut self, for_ms: u64, now: u64) {
        self.news.pushback_ms = self.news.pushback_ms.max(for_ms);
        let elapsed = clock::passed(&mut self.viewed_at, now);
        self.view.overload.advance(elapsed);
        self.view.overload.push_back(for_ms, &self.policy.overload);
    }

    /// Whether it is time to add to the record.
    pub const fn is_due(&self, now: u64) -> bool {
        let waited = now.abs_diff(self.tried_at);
        waited >= SYNC_NS || (self.news.pushback_ms > 0 && waited >= URGENT_NS)
    }

    /// What the record becomes when this worker adds to it, and what follows from it. Nothing has changed until the bytes are
    /// stored in place of `record` and the view is [`Route::accept`]ed, with nothing in between.
    pub fn settle(&self, record: Option<&[u8]>, now: u64) -> (Vec<u8>, View) {
        let mut record = Record::open(record, now);
        record.add(&self.news, &self.policy, now);
        (record.to_bytes(), record.view(&self.policy))
    }

    /// Takes up what follows from the record that was stored.
    pub fn accept(&mut self, view: View, now: u64) {
        self.view = view;
        self.news = News::default();
        self.viewed_at = now;
        self.tried_at = now;
    }

    /// Adds to the shared record, if it is time to. After an error the worker goes on by what it knew.
    pub fn sync(&mut self, record: &impl SharedValue, now: u64) -> Result<(), SharedError> {
        if !self.is_due(now) {
            return Ok(());
        }
        self.tried_at = now;
        let view = change(record, |old| self.settle(old, now))?;
        self.accept(view, now);
        Ok(())
    }
}
