//! What the workers of a process know together of one route: its response times, and whether it is overloaded.

use crate::clock;
use crate::overload::{Overload, Span};
use crate::pane::Pane;
use crate::policy::Policy;
use crate::usual::Usual;
use crate::wire;

const FORMAT: u64 = 1;
const NANOS_PER_MILLI: u64 = 1_000_000;
/// Signals of overload come from spans of so long, nanoseconds,
const SPAN_NS: u64 = 1_000_000_000;
/// or so long where answers are few.
const LONGEST_SPAN_NS: u64 = 5_000_000_000;
/// A pane with fewer samples goes on.
const LEAST_SAMPLES: u32 = 20;

/// One value of shared data. Workers add their answers to it, and whoever does so first after a span or a pane is over closes it: all that
/// follows from the answers stands in it, so that every worker comes to the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    at: u64,
    /// How old the span and the pane are, nanoseconds.
    span_age: u64,
    pane_age: u64,
    /// Samples so far, of the closed panes.
    samples: u32,
    span: Span,
    /// What came before the span.
    pane: Pane,
    usual: Usual,
    overload: Overload,
}

/// What follows from a record: what a worker decides by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// After so many milliseconds a second try may leave. None while too little is known.
    pub delay_ms: Option<u32>,
    /// The usual quantile, nanoseconds.
    pub quantile_ns: Option<u64>,
    /// The usual median, nanoseconds.
    pub median_ns: Option<u64>,
    /// Signals of overload.
    pub overload: Overload,
}

/// What one worker adds.
#[derive(Clone, Debug, Default)]
pub(crate) struct News {
    pub(crate) span: Span,
    /// The longest that the service wanted to be left alone, milliseconds.
    pub(crate) pushback_ms: u64,
}

impl Record {
    /// The record of bytes from shared data; a new one of bytes that are none.
    pub(crate) fn open(bytes: Option<&[u8]>, now: u64) -> Self {
        bytes.and_then(Self::parse).unwrap_or_else(|| Self {
            at: now,
            ..Self::default()
        })
    }

    fn parse(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        if wire::take(bytes)? != FORMAT {
            return None;
        }
        let record = Self {
            at: wire::take(bytes)?,
            span_age: wire::take(bytes)?,
            pane_age: wire::take(bytes)?,
            samples: wire::take_u32(bytes)?,
            span: Span {
                answers: wire::take_u32(bytes)?,
                errors: wire::take_u32(bytes)?,
                pane: take_pane(bytes)?,
            },
            pane: take_pane(bytes)?,
            usual: Usual::take(bytes)?,
            overload: Overload::take(bytes)?,
        };
        bytes.is_empty().then_some(record)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let numbers = [FORMAT, self.at, self.span_age, self.pane_age];
        let counts = [self.samples, self.span.answers, self.span.errors];
        numbers
            .into_iter()
            .chain(counts.map(u64::from))
            .for_each(|number| wire::put(&mut bytes, number));
        wire::put_bytes(&mut bytes, &self.span.pane.to_bytes());
        wire::put_bytes(&mut bytes, &self.pane.to_bytes());
        self.usual.put(&mut bytes);
        self.overload.put(&mut bytes);
        bytes
    }

    /// Adds what a worker has seen.
    pub(crate) fn add(&mut self, news: &News, policy: &Policy, now: u64) {
        let elapsed = clock::passed(&mut self.at, now);
        self.span_age = self.span_age.saturating_add(elapsed);
        self.pane_age = self.pane_age.saturating_add(elapsed);
        self.overload.advance(elapsed);
        self.overload.push_back(news.pushback_ms, &policy.overload);
        self.span.merge(&news.span);
        self.close_span(policy);
        self.close_pane(policy);
    }

    fn close_span(&mut self, policy: &Policy) {
        let enough = self.span.answers >= policy.overload.min_samples;
        if self.span_age < SPAN_NS || !(enough || self.span_age >= LONGEST_SPAN_NS) {
            return;
        }
        self.overload
            .judge(&self.span, self.usual.median_ns(), &policy.overload);
        self.pane.merge(&self.span.pane);
        self.span.clear();
        self.span_age = 0;
    }

    fn close_pane(&mut self, policy: &Policy) {
        let over = self.pane_age / NANOS_PER_MILLI >= policy.pane_ms.into();
        if over && self.pane.samples() >= LEAST_SAMPLES {
            self.usual
                .add(&self.pane, policy.quantile_parts, policy.panes as usize);
            self.samples = self.samples.saturating_add(self.pane.samples());
            self.pane.clear();
            self.pane_age = 0;
        }
    }

    /// What follows from it. Before the first pane is closed, its samples so far must do.
    pub(crate) fn view(&self, policy: &Policy) -> View {
        let mut usual = self.usual.clone();
        let mut samples = self.samples;
        if usual.panes() == 0 {
            let mut pane = self.pane.clone();
            pane.merge(&self.span.pane);
            samples = pane.samples();
            usual.add(&pane, policy.quantile_parts, 1);
        }
        let known = samples >= policy.cold_samples;
        View {
            delay_ms: usual
                .quantile_ns()
                .filter(|_| known)
                .map(|ns| policy.delay_ms(ns)),
            quantile_ns: usual.quantile_ns(),
            median_ns: usual.median_ns(),
            overload: self.overload,
        }
    }
}

fn take_pane(bytes: &mut &[u8]) -> Option<Pane> {
    Pane::from_bytes(wire::take_bytes(bytes)?).ok()
}
