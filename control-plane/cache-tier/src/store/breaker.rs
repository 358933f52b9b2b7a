//! A circuit breaker: while Redis fails, nobody waits for it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many failures one after the other open it.
const FAILURES: u32 = 5;
/// It stays open for so long at first, and twice as long after each probe that fails.
const SHORTEST: Duration = Duration::from_millis(200);
/// It stays open for so long at most.
const LONGEST: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, next: Duration },
    Probing { next: Duration },
}

/// Closed: all pass. Open: none does. Then one probe passes, and decides.
#[derive(Debug)]
pub(crate) struct Breaker(Mutex<State>);

/// The right to try; whoever drops it without a word has found nothing out.
#[derive(Debug)]
pub(crate) struct Try<'a> {
    breaker: &'a Breaker,
    /// Absent: this is no probe.
    probe: Option<Duration>,
    said: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Self(Mutex::new(State::Closed { failures: 0 }))
    }
}

impl Breaker {
    /// Whether one may try now.
    pub(crate) fn admit(&self, now: Instant) -> Option<Try<'_>> {
        let probe = self.change(|state| match *state {
            State::Closed { .. } => Some(None),
            State::Open { until, next } if now >= until => {
                *state = State::Probing { next };
                Some(Some(next))
            }
            State::Open { .. } | State::Probing { .. } => None,
        })?;
        Some(Try {
            breaker: self,
            probe,
            said: false,
        })
    }

    /// Whether all pass.
    pub(crate) fn is_closed(&self) -> bool {
        self.change(|state| matches!(state, State::Closed { .. }))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // Nothing panics while it is held, and any state is a valid one.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Try<'_> {
    /// It worked.
    pub(crate) fn succeeded(mut self) {
        self.said = true;
        let is_probe = self.probe.is_some();
        self.breaker.change(|state| match state {
            // What began before it opened says nothing of now.
            State::Open { .. } | State::Probing { .. } if !is_probe => {}
            _ => *state = State::Closed { failures: 0 },
        });
    }

    /// It failed.
    pub(crate) fn failed(mut self, now: Instant) {
        self.said = true;
        let probe = self.probe;
        self.breaker.change(|state| match (*state, probe) {
            (State::Closed { failures }, _) if failures + 1 < FAILURES => {
                *state = State::Closed {
                    failures: failures + 1,
                }
            }
            (State::Closed { .. }, _) => *state = open(now, SHORTEST),
            (State::Probing { next }, Some(_)) => *state = open(now, next),
            (State::Open { .. } | State::Probing { .. }, _) => {}
        });
    }
}

fn open(now: Instant, duration: Duration) -> State {
    State::Open {
        until: now + duration,
        next: (duration * 2).min(LONGEST),
    }
}

impl Drop for Try<'_> {
    /// The client of a probe went away: the next one probes.
    fn drop(&mut self) {
        if let (false, Some(next)) = (self.said, self.probe) {
            let until = Instant::now();
            self.breaker.change(|state| *state = State::Open { until, next });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let breaker = Breaker::default();
        for _ in 0..FAILURES {
            breaker.admit(now).unwrap().failed(now);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let now = Instant::now();
        let breaker = Breaker::default();
        for _ in 0..3 {
            for _ in 1..FAILURES {
                breaker.admit(now).unwrap().failed(now);
            }
            breaker.admit(now).unwrap().succeeded();
        }
        assert!(breaker.is_closed());
        let breaker = opened(now);
        assert!(!breaker.is_closed());
        assert!(breaker.admit(now + SHORTEST / 2).is_none());
    }

    #[test]
    fn one_probe_decides() {
        let now = Instant::now();
        let breaker = opened(now);
        let later = now + SHORTEST;
        let probe = breaker.admit(later).unwrap();
        assert!(breaker.admit(later).is_none(), "one at a time");
        probe.failed(later);
        assert!(breaker.admit(later + SHORTEST).is_none(), "twice as long");
        let later = later + SHORTEST * 2;
        breaker.admit(later).unwrap().succeeded();
        assert!(breaker.is_closed());
    }

    #[test]
    fn it_is_never_open_for_long() {
        let mut now = Instant::now();
        let breaker = opened(now);
        for _ in 0..20 {
            now += LONGEST;
            breaker.admit(now).unwrap().failed(now);
        }
    }

    #[test]
    fn a_probe_without_a_word_makes_room_for_the_next() {
        let now = Instant::now();
        let breaker = opened(now);
        let later = now + LONGEST;
        drop(breaker.admit(later));
        assert!(breaker.admit(later).is_some());
    }

    #[test]
    fn old_answers_say_nothing_of_now() {
        let now = Instant::now();
        let breaker = Breaker::default();
        let (one, other) = (breaker.admit(now).unwrap(), breaker.admit(now).unwrap());
        for _ in 0..FAILURES {
            breaker.admit(now).unwrap().failed(now);
        }
        one.succeeded();
        other.failed(now);
        assert!(!breaker.is_closed());
        assert!(breaker.admit(now + SHORTEST).is_some());
    }
}
