//! Calls of one kind, one at a time: when the next may leave, and which answer counts.

use crate::control::outcome::Outcome;
use crate::port::CallId;

/// The shortest wait after a failure, nanoseconds; each further failure doubles it.
const FIRST_WAIT: u64 = 250_000_000;
/// The longest wait, before it is spread.
const LONGEST_WAIT: u64 = 5_000_000_000;
/// The longest wait there is.
const LONGEST_SPREAD: u64 = LONGEST_WAIT / 4 * 5;

/// 2^64 divided by the golden ratio: a product's high bits depend on all bits of the factor (Knuth, The Art of Computer
/// Programming 3, section 6.4).
const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

/// Calls of one kind. `A` is what has to be remembered of a call. All times are Unix nanoseconds; the clock may step.
#[derive(Debug)]
pub(super) struct Line<A> {
    deadline: u64,
    due: u64,
    failures: u32,
    under_way: Option<UnderWay<A>>,
}

/// A call without an answer so far.
#[derive(Debug)]
pub(super) struct UnderWay<A> {
    call: CallId,
    /// When it left.
    pub(super) sent: u64,
    /// What was remembered.
    pub(super) asked: A,
}

impl<A> Line<A> {
    /// A line whose calls are given up after `deadline_ms`; the first may leave at once.
    pub(super) const fn new(deadline_ms: u32) -> Self {
        Self {
            deadline: deadline_ms as u64 * 1_000_000,
            due: 0,
            failures: 0,
            under_way: None,
        }
    }

    /// Whether a call may leave. A time that is further ahead than any wait is left over from before the clock stepped back.
    pub(super) fn is_due(&self, now: u64) -> bool {
        let wait = self.due.saturating_sub(now);
        self.under_way.is_none() && (wait == 0 || wait > LONGEST_SPREAD)
    }

    /// A call left.
    pub(super) fn sent(&mut self, call: CallId, now: u64, asked: A) {
        let sent = now;
        self.under_way = Some(UnderWay { call, sent, asked });
    }

    /// `call` was answered: what is known of it, if it is the one under way.
    pub(super) fn answered(&mut self, call: CallId) -> Option<UnderWay<A>> {
        self.under_way.take_if(|known| known.call == call)
    }

    /// Gives up a call that took too long; whether there was one. So is one that left after now: since the clock stepped,
    /// nobody knows how long it takes.
    pub(super) fn give_up(&mut self, now: u64) -> bool {
        let deadline = self.deadline;
        self.under_way
            .take_if(|known| is_late(known.sent, deadline, now))
            .is_some()
    }

    /// Whether the answer to a call that left at `sent` comes too late.
    pub(super) fn is_late(&self, sent: u64, now: u64) -> bool {
        is_late(sent, self.deadline, now)
    }

    /// Whoever made the calls so far makes them no more, so that no answer comes. The next call may leave at once, or where
    /// `alone`, when the one under way is over for its receiver as well.
    pub(super) fn abandon(&mut self, alone: bool) {
        let over = self
            .under_way
            .take()
            .map(|known| known.sent.saturating_add(self.deadline));
        self.failures = 0;
        self.due = if alone { over.unwrap_or(self.due) } else { 0 };
    }

    /// The next call may leave at `due`.
    pub(super) fn wait_until(&mut self, due: u64) {
        self.due = due;
    }

    /// A call ended, at `now`. After a success the next may leave at `next`; after a failure it waits, twice as long every
    /// time; where it was refused, it waits as long as it ever does.
    pub(super) fn ended(&mut self, outcome: Outcome, now: u64, next: u64) {
        let wait = match outcome {
            Outcome::Ok => {
                self.failures = 0;
                self.due = next;
                return;
            }
            Outcome::Failed | Outcome::Timeout => {
                let doubled = FIRST_WAIT
                    .checked_shl(self.failures.min(32))
                    .unwrap_or(LONGEST_WAIT);
                self.failures = self.failures.saturating_add(1);
                doubled.min(LONGEST_WAIT)
            }
            Outcome::Refused => LONGEST_WAIT,
        };
        self.due = now.saturating_add(spread(wait, now));
    }
}

fn is_late(sent: u64, deadline: u64, now: u64) -> bool {
    now.checked_sub(sent).is_none_or(|took| took > deadline)
}

/// `wait` and up to a quarter more, by the time of the failure to the nanosecond: proxies that lost the same server at the
/// same time don't come back together.
fn spread(wait: u64, now: u64) -> u64 {
    let part = now.wrapping_mul(GOLDEN_RATIO) >> 54;
    wait + (wait / 4_096) * part
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn one_call_at_a_time_and_only_its_answer_counts() {
        let mut line = Line::new(2_000);
        assert!(line.is_due(0));
        line.sent(CallId(1), 10 * MS, "asked");
        assert!(!line.is_due(10_000 * MS));
        assert!(line.answered(CallId(2)).is_none());
        let known = line.answered(CallId(1)).unwrap();
        assert_eq!((known.sent, known.asked), (10 * MS, "asked"));
        assert!(line.answered(CallId(1)).is_none());
    }

    #[test]
    fn a_call_is_given_up_at_its_deadline_or_when_the_clock_stepped_back() {
        for (now, given_up) in [(3_000, false), (5_000, false), (5_001, true), (2_999, true)] {
            let mut line = Line::new(2_000);
            line.sent(CallId(1), 3_000 * MS, ());
            assert_eq!(line.is_late(3_000 * MS, now * MS), given_up, "{now}");
            assert_eq!(line.give_up(now * MS), given_up, "{now}");
            assert_eq!(line.answered(CallId(1)).is_none(), given_up, "{now}");
        }
    }

    #[test]
    fn waits_double_up_to_five_seconds_and_start_anew_after_a_success() {
        let mut line = Line::<()>::new(1);
        let mut fail = |outcome| {
            line.ended(outcome, 0, 0);
            line.due / MS
        };
        let waits: Vec<u64> = (0..7).map(|_| fail(Outcome::Failed)).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        fail(Outcome::Ok);
        assert_eq!(fail(Outcome::Timeout), 250);
        assert_eq!(fail(Outcome::Refused), 5_000);
        line.ended(Outcome::Ok, 7, 9);
        assert!(!line.is_due(8) && line.is_due(9));
    }

    #[test]
    fn a_line_that_is_abandoned_waits_for_the_receiver_only_where_it_must_be_alone() {
        for (alone, due) in [(true, 2_007 * MS), (false, 0)] {
            let mut line = Line::new(2_000);
            line.sent(CallId(1), 7 * MS, ());
            line.abandon(alone);
            assert!(line.answered(CallId(1)).is_none());
            assert_eq!(line.due, due);
        }
    }

    proptest! {
        #[test]
        fn a_step_back_holds_up_no_longer_than_the_longest_wait(failed_at: u64, failures in 0..100_u32, back: u64) {
            let mut line = Line::<()>::new(1);
            for _ in 0..=failures {
                line.ended(Outcome::Failed, failed_at, 0);
            }
            let now = failed_at.saturating_sub(back);
            prop_assert!(line.is_due(now.saturating_add(LONGEST_SPREAD)) || line.is_due(now));
        }

        #[test]
        fn waits_are_spread_by_a_quarter_at_most(now: u64, wait in 0..=LONGEST_WAIT) {
            let spread = spread(wait, now);
            prop_assert!(wait <= spread && spread <= wait + wait / 4);
        }
    }
}
