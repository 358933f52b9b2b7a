//! `weir test`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use weir_policy_test::{Modules, PolicyTestError, Progress, Report, Suite, Test};

use crate::atomic;
use crate::console::Console;
use crate::failure::Failure;
use crate::modules;
use crate::table;

/// What `weir test` is told.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct TestOptions {
    /// Test files, or folders with them (*.yaml, *.yml and *.json)
    #[arg(required = true, value_name = "PATH")]
    files: Vec<PathBuf>,
    /// The folder with the filters' modules; left out: `modules` beside this program
    #[arg(long, env = "WEIR_MODULES_DIR", value_name = "DIR")]
    modules_dir: Option<PathBuf>,
    /// Only tests whose `FILE: NAME` contains this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Run nothing, list the tests
    #[arg(long)]
    list: bool,
    /// How the result is written to stdout, when it is not -o json or -o yaml
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: TestFormat,
    /// Write the result to this file too, as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// How the result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TestFormat {
    /// What failed, then how many tests passed and failed.
    #[default]
    Summary,
    /// The Test Anything Protocol, version 14.
    Tap,
}

const HELP: &str = "\
A test file:
  policies: [orders.yaml, backends.yaml, gateway.yaml]
  tests:
    - name: alice's orders are on shard c
      steps:
        - request: {path: /orders, headers: {x-user-id: alice}}
          expect: {status: 200, shard: c}

Paths in it are relative to the file; without `policies` the documents of the folder around its
own are tested. A step is one of
  request   path, method, host, headers, body, worker, times; and beside it
  expect    status, headers, body, bodyJson, shard, cluster, upstream, cached, limited, hedged,
            hedgeDelay
  advance   5s: moves the clock
  apply     [FILE or document, …]: changes policies live
  metrics   name: value, or name: {atLeast: value}
`backends` scripts what a Backend or a shard answers: status, headers, body, after, fail.

Examples:
  weir test policy-tests/*.yaml
  weir test policy-tests/ --filter alice --junit results.xml
  weir test policy-tests/ --format tap

Exit codes:
  0  every test passed
  1  a test failed
  2  nothing was run: the command line, a test file or a document is wrong, a module is missing,
     or there are no tests";

pub(crate) fn run(options: &TestOptions, console: &mut Console<'_>) -> Result<(), Failure> {
    if options.format == TestFormat::Tap && !console.is_for_people() {
        return Err(Failure::Usage(
            "expected one of --format tap and -o, not both".to_owned(),
        ));
    }
    let suite = suite(options, console)?;
    if options.list {
        return list(&suite, console);
    }
    let folder = modules::modules_folder(options.modules_dir.as_deref())?;
    let modules = Modules::load(&folder).map_err(|error| unusable(&error, console))?;
    let report = suite.run(&modules, &mut |progress| show(progress, console));
    console.progress("");
    if let Some(file) = &options.junit {
        write_junit(file, &report)?;
    }
    answer(&report, options.format, console)
}

/// The tests that are asked for, at least one.
fn suite(options: &TestOptions, console: &mut Console<'_>) -> Result<Suite, Failure> {
    let mut suite = Suite::load(&options.files).map_err(|error| unusable(&error, console))?;
    let count = table::count(suite.tests().len(), "test");
    if let Some(text) = &options.filter {
        suite.keep(text);
    }
    match (suite.tests(), &options.filter) {
        ([], Some(text)) => Err(Failure::Usage(format!(
            "--filter {text:?} leaves none of {count}"
        ))),
        ([], None) => Err(Failure::Usage("the files hold no test".to_owned())),
        _ => Ok(suite),
    }
}

/// Nothing could be run: problems are said where they stand, in a list on stdout for programs.
fn unusable(error: &PolicyTestError, console: &mut Console<'_>) -> Failure {
    let problems = match error {
        PolicyTestError::Invalid(problems) => json!(problems),
        PolicyTestError::Unreadable(errors) => json!(errors.0),
        other => return Failure::Usage(other.to_string()),
    };
    console.note(error);
    if !console.is_for_people() {
        // The exit code says it, whether or not somebody reads the list to its end.
        let _ = console.answer(&json!({ "problems": problems }), String::new);
    }
    let count = problems.as_array().map_or(0, Vec::len);
    Failure::Usage(format!("{}; nothing was run", table::count(count, "problem")))
}

fn list(suite: &Suite, console: &mut Console<'_>) -> Result<(), Failure> {
    let entry = |test: &Test| json!({"file": test.file(), "line": test.line(), "name": test.name()});
    let entries: Vec<_> = suite.tests().iter().map(entry).collect();
    let line = |test: &Test| format!("{}:{}: {}\n", test.file(), test.line(), test.name());
    console.answer(&entries, || suite.tests().iter().map(line).collect())
}

fn show(progress: Progress<'_>, console: &mut Console<'_>) {
    let Progress { done, total, test } = progress;
    console.progress(&format!("{}/{total} {}", done + 1, test.title()));
}

fn write_junit(file: &Path, report: &Report) -> Result<(), Failure> {
    let written = report
        .junit()
        .and_then(|text| atomic::write(file, |out| out.write_all(text.as_bytes())));
    written.map_err(|error| Failure::file("write", file, &error))
}

fn answer(report: &Report, format: TestFormat, console: &mut Console<'_>) -> Result<(), Failure> {
    let value = json!({"passed": report.passed(), "failed": report.failed(), "tests": report.tests});
    console.answer(&value, || match format {
        TestFormat::Summary => report.summary(),
        TestFormat::Tap => report.tap(),
    })?;
    match report.failed() {
        0 => Ok(()),
        _ => Err(Failure::Reported),
    }
}
