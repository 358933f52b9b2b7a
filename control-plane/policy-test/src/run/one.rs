//! One test, step by step, up to the first that fails.

use std::fmt::Display;

use weir_policy::quantity::Duration;

use crate::error::PolicyTestError;
use crate::expectation::NumberMatch;
use crate::failure::Failure;
use crate::mismatch::{Mismatch, Mismatches, shown};
use crate::modules::Modules;
use crate::proxy::Proxy;
use crate::suite::{Action, RequestStep, Step, Test};

/// What a step did, and what of it was not as expected.
struct Unmet {
    what: String,
    mismatches: Vec<Mismatch>,
}

impl Unmet {
    /// A filter failed, whatever was expected.
    fn error(what: String, error: &PolicyTestError) -> Self {
        let mut mismatches = Mismatches::default();
        mismatches.check(false, "filters", "no error", error);
        Self {
            what,
            mismatches: mismatches.0,
        }
    }

    fn unless_empty(what: impl Display, mismatches: Vec<Mismatch>) -> Result<(), Self> {
        if mismatches.is_empty() {
            return Ok(());
        }
        let what = what.to_string();
        Err(Self { what, mismatches })
    }
}

/// Runs `test` on a proxy of its own.
pub(super) fn run(test: &Test, modules: &Modules) -> Result<(), Failure> {
    let spec = &test.proxy;
    let mut proxy = Proxy::start(&spec.policies, modules, spec.setup.clone())
        .map_err(|error| failure(test, 0, Unmet::error("the start of the proxy".to_owned(), &error)))?;
    for (index, step) in test.steps.iter().enumerate() {
        take(&mut proxy, step).map_err(|unmet| failure(test, index, unmet))?;
    }
    Ok(())
}

fn failure(test: &Test, index: usize, unmet: Unmet) -> Failure {
    let place = test.steps.get(index).map(|step| step.place);
    Failure {
        file: test.file().to_owned(),
        line: place.map_or(test.line(), |place| place.line),
        column: place.map_or(1, |place| place.column),
        step: index + 1,
        what: unmet.what,
        mismatches: unmet.mismatches,
    }
}

fn take(proxy: &mut Proxy, step: &Step) -> Result<(), Unmet> {
    match &step.action {
        Action::Request(step) => (1..=step.times).try_for_each(|time| request(proxy, step, time)),
        Action::Advance(by) => {
            let advanced = proxy.advance(*by);
            advanced.map_err(|error| Unmet::error(format!("advance by {}", millis(*by)), &error))
        }
        Action::Apply(policies) => {
            let applied = proxy.apply(policies);
            applied.map_err(|error| Unmet::error("apply".to_owned(), &error))
        }
        Action::Metrics(expected) => metrics(proxy, expected),
    }
}

fn request(proxy: &mut Proxy, step: &RequestStep, time: u32) -> Result<(), Unmet> {
    let worker = step.worker.unwrap_or_else(|| proxy.turn());
    let mut what = format!(
        "{}, worker {worker}, at {}",
        step.request.line(),
        millis(proxy.elapsed())
    );
    if step.times > 1 {
        what.push_str(&format!(", {time} of {}", step.times));
    }
    match proxy.request_on(worker, &step.request) {
        Ok(seen) => Unmet::unless_empty(
            format_args!("{what}: {}", seen.summary()),
            step.expect.judge(&seen),
        ),
        Err(error) => Err(Unmet::error(what, &error)),
    }
}

fn metrics(proxy: &Proxy, expected: &[(String, NumberMatch)]) -> Result<(), Unmet> {
    let mut found = Mismatches::default();
    for (name, expected) in expected {
        let got = proxy.metric(name);
        found.check(expected.holds(got), name, expected, shown(got));
    }
    Unmet::unless_empty(format_args!("metrics, at {}", millis(proxy.elapsed())), found.0)
}

/// As people write it in a test file.
fn millis(time: std::time::Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
