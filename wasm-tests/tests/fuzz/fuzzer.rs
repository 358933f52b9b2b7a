//! Makes cases, checks them, and makes one that fails as small as it gets.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::budget::Budget;
use crate::case::{Case, Found, folder};

/// Proptest's steps towards a smaller case: enough for what the cases are made of. What they need not is left out
/// afterwards, by [`smallest`].
const SHRINKS: u32 = 400;

/// Checks cases of `strategy` within the budget, `cases` unless the environment says otherwise.
pub(crate) fn fuzz(property: &str, cases: u64, strategy: impl Strategy<Value = Case>) {
    let budget = Budget::new(cases);
    let mut progress = Progress::default();
    while budget.allows(progress.cases) {
        let seed = budget.seed.wrapping_add(progress.cases);
        match one(seed, &strategy) {
            Ok(requests) => progress.add(requests),
            Err(found) => panic!("{}", report(property, seed, &found, budget.keep)),
        }
        progress.show(property, &budget);
    }
    progress.print(property, &budget);
}

/// How far it has come.
#[derive(Default)]
struct Progress {
    cases: u64,
    requests: u64,
    shown: u64,
}

impl Progress {
    fn add(&mut self, requests: u64) {
        self.cases += 1;
        self.requests += requests;
    }

    /// Prints once a second.
    fn show(&mut self, property: &str, budget: &Budget) {
        if budget.watched().is_some_and(|seconds| seconds > self.shown) {
            self.shown += 1;
            self.print(property, budget);
        }
    }

    fn print(&self, property: &str, budget: &Budget) {
        if budget.watched().is_some() {
            println!(
                "\nfuzz: {property} {} cases {} requests",
                self.cases, self.requests
            );
        }
    }
}

/// One case: the requests that it took, or the smallest case that still fails.
fn one(seed: u64, strategy: &impl Strategy<Value = Case>) -> Result<u64, Box<Found>> {
    let config = Config {
        max_shrink_iters: SHRINKS,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed.to_le_bytes().repeat(4));
    let mut runner = TestRunner::new_with_rng(config, rng);
    let tree = strategy
        .new_tree(&mut runner)
        .expect("a generator without a filter");
    let requests = std::cell::Cell::new(0);
    let result = runner.run_one(tree, |case| {
        requests.set(case.check().map_err(TestCaseError::fail)?);
        Ok(())
    });
    match result {
        Ok(_) => Ok(requests.get()),
        Err(TestError::Fail(why, case)) => Err(Box::new(smallest(Found {
            why: why.to_string(),
            case,
        }))),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// Leaves out one thing after another, as long as what is left fails.
fn smallest(found: Found) -> Found {
    let fails = |case: Case| {
        let why = case.check().err()?;
        Some(Found { why, case })
    };
    let smaller = found.case.smaller().find_map(fails);
    smaller.map_or(found, smallest)
}

fn report(property: &str, seed: u64, found: &Found, keep: bool) -> String {
    let json = serde_json::to_string_pretty(found).unwrap();
    let file = folder().join(format!("{property}-{seed}.json"));
    let kept = if keep {
        std::fs::write(&file, format!("{json}\n")).unwrap();
        format!("kept in {}", file.display())
    } else {
        format!("to keep it, store the JSON as {}", file.display())
    };
    format!(
        "{property}, seed {seed}: {}\n{json}\n\
         replay: WEIR_FUZZ_SEED={seed} WEIR_FUZZ_CASES=1 cargo test -p weir-wasm-tests --test fuzz {property}\n{kept}",
        found.why
    )
}
