//! Running tests.

mod one;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

use crate::failure::Failure;
use crate::modules::Modules;
use crate::report::{Outcome, Report};
use crate::suite::{Suite, Test};

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'s> {
    /// How many tests have ended.
    pub done: usize,
    /// How many there are.
    pub total: usize,
    /// The test that has just begun.
    pub test: &'s Test,
}

/// What a thread tells of its test, by the test's index.
enum Event {
    Began(usize),
    Ended(usize, Outcome),
}

impl Suite {
    /// Runs every test on a proxy of its own, several at a time, one per core. `progress` hears of each that begins.
    pub fn run(&self, modules: &Modules, progress: &mut dyn FnMut(Progress<'_>)) -> Report {
        let tests = self.tests();
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let (next, (events, told)) = (AtomicUsize::new(0), mpsc::channel());
        let mut outcomes: Vec<(usize, Outcome)> = Vec::with_capacity(tests.len());
        thread::scope(|scope| {
            for _ in 0..threads.min(tests.len()) {
                let (events, next) = (events.clone(), &next);
                scope.spawn(move || work(tests, modules, next, &events));
            }
            drop(events);
            for event in told {
                match event {
                    Event::Ended(index, outcome) => outcomes.push((index, outcome)),
                    Event::Began(index) => tell(tests, index, outcomes.len(), progress),
                }
            }
        });
        outcomes.sort_by_key(|(index, _)| *index);
        Report {
            tests: outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
        }
    }
}

fn tell(tests: &[Test], index: usize, done: usize, progress: &mut dyn FnMut(Progress<'_>)) {
    if let Some(test) = tests.get(index) {
        let total = tests.len();
        progress(Progress { done, total, test });
    }
}

/// Takes one test after the other until there are no more. The receiver is there for as long as a thread is.
fn work(tests: &[Test], modules: &Modules, next: &AtomicUsize, events: &Sender<Event>) {
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(test) = tests.get(index) else {
            return;
        };
        let _ = events.send(Event::Began(index));
        let _ = events.send(Event::Ended(index, outcome(test, modules)));
    }
}

fn outcome(test: &Test, modules: &Modules) -> Outcome {
    let began = Instant::now();
    let failure: Option<Failure> = one::run(test, modules).err();
    Outcome {
        name: test.name().to_owned(),
        file: test.file().to_owned(),
        line: test.line(),
        seconds: began.elapsed().as_secs_f64(),
        failure,
    }
}
