//! The way back: what a filter learns from the control plane beside its configuration, and what it tells it.
//!
//! One worker of a process speaks for all: it holds a lease of five seconds in shared data (`<slot>/leader`), renewed
//! on its ticks, and taken over by whoever ticks first after it ended or was given up. The leader
//!
//! * keeps one poll open, `GET /v1/proxy/events?slot=…&cursor=…&wait=25`, and gives the filter each page of events
//!   ([`crate::Filter::on_events`]). The cursor stands in shared data (`<slot>/events`), and moves on when the filter has
//!   taken the page: no event is lost or comes out of order, but one may come again. The first page of a process is a reset:
//!   the proxy served before it, and what happened meanwhile is in no page;
//! * posts what the filter has to report ([`crate::Filter::report`]), one report at a time over the whole process.
//!
//! Calls go out from the root context in force. When it goes, or another comes into force, its calls end with no answer;
//! so every call has a deadline on the tick, and the next root asks anew. A failed call is tried again after 0.25 s,
//! then twice as long each time up to 5 s; a refused one (4xx) after 5 s.
//!
//! A leader that took over, or a root that came after one with a report under way, waits until no report of before can
//! still arrive: the receiver sees the reports of a process in their order.
//!
//! All of it runs only where the filter names a way ([`crate::Filter::control`]), and is left out of the module where it never
//! does. The module exports `proxy_on_http_call_response`.

mod cursor;
mod leader;
mod line;
mod outcome;
mod query;

use weir_policy::json;
use weir_policy::proxy::EventPage;

use crate::control::cursor::Cursor;
use crate::control::line::{Line, UnderWay};
use crate::control::outcome::Outcome;
pub(crate) use crate::control::outcome::Outcomes;
use crate::error::HostError;
use crate::filter::Filter;
use crate::port::{Answer, CallId, CallRequest, Level, MAX_ANSWER_BYTES, RootHost};

/// How long the control plane may hold a poll that it has no events for.
const POLL_WAIT_S: u32 = 25;
/// When Envoy ends a poll.
const POLL_TIMEOUT_MS: u32 = 28_000;
/// When a poll is given up that Envoy did not end.
const POLL_DEADLINE_MS: u32 = 30_000;
/// When Envoy ends a report, and when its answer is worth nothing any more.
const REPORT_DEADLINE_MS: u32 = 2_000;
/// The term of the first leader of a process.
const FIRST_TERM: u64 = 1;

/// What a filter tells the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where it is posted.
    pub path: &'static str,
    /// JSON.
    pub body: Vec<u8>,
}

/// The calls of a worker for one slot. They outlive a root, since the next one has to know what is under way.
#[derive(Debug)]
pub(crate) struct Control {
    /// The term in which the worker leads.
    term: Option<u64>,
    poll: Line<Cursor>,
    report: Line<()>,
}

/// The root in force of a worker.
pub(crate) struct Seat<'r, F> {
    pub(crate) filter: &'r F,
    /// The control plane's cluster.
    pub(crate) cluster: &'r str,
    /// The worker's id.
    pub(crate) worker: u64,
    pub(crate) outcomes: &'r Outcomes,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            term: None,
            poll: Line::new(POLL_DEADLINE_MS),
            report: Line::new(REPORT_DEADLINE_MS),
        }
    }
}

impl Control {
    /// Another root came into force: no answer reaches it that the one before had asked for.
    pub(crate) fn change_hands(&mut self) {
        self.poll.abandon(false);
        self.report.abandon(true);
    }

    /// Claims the lead; as leader, makes the calls that are due.
    pub(crate) fn on_tick<F: Filter>(
        &mut self,
        seat: &Seat<'_, F>,
        host: &impl RootHost,
    ) -> Result<(), HostError> {
        let now = host.now_ns()?;
        let term = leader::claim(host, seat.filter.slot(), seat.worker, now / 1_000_000)?;
        if term != self.term {
            self.change_terms(term, now);
        }
        if term.is_none() {
            return Ok(());
        }
        if self.poll.give_up(now) {
            seat.outcomes.poll.count(Outcome::Timeout);
            self.poll.ended(Outcome::Timeout, now, now);
        }
        if self.report.give_up(now) {
            seat.outcomes.report.count(Outcome::Timeout);
            self.report.ended(Outcome::Timeout, now, now);
        }
        self.send_poll(seat, now, host)?;
        self.send_report(seat, now, host);
        Ok(())
    }

    fn change_terms(&mut self, term: Option<u64>, now: u64) {
        self.term = term;
        self.change_hands();
        if term.is_some_and(|term| term > FIRST_TERM) {
            let quiet = u64::from(REPORT_DEADLINE_MS) * 1_000_000;
            self.report.wait_until(now.saturating_add(quiet));
        }
    }

    fn send_poll<F: Filter>(
        &mut self,
        seat: &Seat<'_, F>,
        now: u64,
        host: &impl RootHost,
    ) -> Result<(), HostError> {
        if !self.poll.is_due(now) {
            return Ok(());
        }
        let cursor = Cursor::load(host, seat.filter.slot())?;
        let path = query::events(seat.filter.slot(), cursor.number, POLL_WAIT_S);
        let call = host.call(&CallRequest::json(
            seat.cluster,
            "GET",
            &path,
            &[],
            POLL_TIMEOUT_MS,
        ));
        match call {
            Ok(call) => self.poll.sent(call, now, cursor),
            Err(_) => {
                seat.outcomes.poll.count(Outcome::Failed);
                self.poll.ended(Outcome::Failed, now, now);
            }
        }
        Ok(())
    }

    fn send_report<F: Filter>(&mut self, seat: &Seat<'_, F>, now: u64, host: &impl RootHost) {
        if !self.report.is_due(now) {
            return;
        }
        let Some(report) = seat.filter.report(now, host) else {
            self.report.wait_until(next_report(seat, now));
            return;
        };
        let call = host.call(&CallRequest::json(
            seat.cluster,
            "POST",
            report.path,
            &report.body,
            REPORT_DEADLINE_MS,
        ));
        match call {
            Ok(call) => self.report.sent(call, now, ()),
            Err(_) => {
                seat.outcomes.report.count(Outcome::Failed);
                self.report.ended(Outcome::Failed, now, now);
            }
        }
    }

    /// A call ended; whether it was one of these. One that nobody waits for any more is let go.
    pub(crate) fn on_call_end<F: Filter>(
        &mut self,
        call: CallId,
        seat: &Seat<'_, F>,
        host: &impl RootHost,
    ) -> Result<bool, HostError> {
        let now = host.now_ns()?;
        if let Some(known) = self.poll.answered(call) {
            let outcome = self.take_page(&known, seat, now, host);
            seat.outcomes.poll.count(outcome);
            self.poll.ended(outcome, now, now);
        } else if let Some(known) = self.report.answered(call) {
            let outcome = self.take_report_answer(&known, seat, now, host);
            seat.outcomes.report.count(outcome);
            self.report.ended(outcome, now, next_report(seat, known.sent));
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn take_page<F: Filter>(
        &self,
        known: &UnderWay<Cursor>,
        seat: &Seat<'_, F>,
        now: u64,
        host: &impl RootHost,
    ) -> Outcome {
        if self.poll.is_late(known.sent, now) {
            return Outcome::Timeout;
        }
        let answer = match answer(host) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let Ok(page) = json::from_slice::<EventPage>(&answer.body) else {
            log(seat, "the answer to a poll is no page of events", host);
            return Outcome::Failed;
        };
        match self.take_events(page, known.asked, seat, now, host) {
            Ok(()) => Outcome::Ok,
            Err(error) => {
                log(seat, &format!("events will be asked for again: {error}"), host);
                Outcome::Failed
            }
        }
    }

    /// Does nothing where another leads.
    fn take_events<F: Filter>(
        &self,
        mut page: EventPage,
        asked: Cursor,
        seat: &Seat<'_, F>,
        now: u64,
        host: &impl RootHost,
    ) -> Result<(), HostError> {
        let slot = seat.filter.slot();
        if !self.still_leads(seat, now, host)? {
            return Ok(());
        }
        page.reset |= asked.number.is_none();
        if page.reset || !page.events.is_empty() {
            seat.filter.on_events(&page, host)?;
        }
        if asked.number == Some(page.cursor) {
            return Ok(());
        }
        asked.advance(host, slot, page.cursor)
    }

    fn take_report_answer<F: Filter>(
        &self,
        known: &UnderWay<()>,
        seat: &Seat<'_, F>,
        now: u64,
        host: &impl RootHost,
    ) -> Outcome {
        if self.report.is_late(known.sent, now) {
            return Outcome::Timeout;
        }
        let answer = match answer(host) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        match self.still_leads(seat, now, host) {
            Ok(true) => seat.filter.on_report_answer(known.sent, &answer.body, host),
            Ok(false) => {}
            Err(_) => return Outcome::Failed,
        }
        Outcome::Ok
    }

    fn still_leads<F: Filter>(
        &self,
        seat: &Seat<'_, F>,
        now: u64,
        host: &impl RootHost,
    ) -> Result<bool, HostError> {
        match self.term {
            Some(term) => leader::leads(host, seat.filter.slot(), seat.worker, term, now / 1_000_000),
            None => Ok(false),
        }
    }
}

/// The worker no longer runs the slot.
pub(crate) fn leave(host: &impl RootHost, slot: &str, worker: u64) -> Result<(), HostError> {
    leader::leave(host, slot, worker)
}

/// The answer of the call at hand, if it is a good one.
fn answer(host: &impl RootHost) -> Result<Answer, Outcome> {
    let answer = host.answer(MAX_ANSWER_BYTES).map_err(|_| Outcome::Failed)?;
    match Outcome::of_status(answer.status) {
        Outcome::Ok => Ok(answer),
        outcome => Err(outcome),
    }
}

/// When the report after the one of `last` may leave.
fn next_report<F: Filter>(seat: &Seat<'_, F>, last: u64) -> u64 {
    last.saturating_add(u64::from(seat.filter.report_period_ms()) * 1_000_000)
}

fn log<F: Filter>(_: &Seat<'_, F>, message: &str, host: &impl RootHost) {
    host.log(Level::Warn, &format!("{}: {message}", F::NAME));
}
