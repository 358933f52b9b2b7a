//! `weir test`: what it writes where, and its exit codes.

use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::json;
use tempfile::TempDir;
use weir_cli::console::Console;
use weir_cli::options::Cli;

use crate::harness::{Run, weir};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/sample")
}

/// A test file over the sample's documents: one test passes, the other expects `status`.
fn test_file(folder: &TempDir, status: u16) -> String {
    let documents = ["gateway", "backends", "orders"].map(|name| sample().join(format!("{name}.yaml")));
    let text = format!(
        "policies: {documents:?}
tests:
  - name: green
    steps:
      - request: {{path: /orders, headers: {{x-user-id: alice}}}}
        expect: {{shard: c}}
  - name: red
    steps:
      - request: {{path: /orders}}
        expect: {{status: {status}}}
"
    );
    let file = folder.path().join("t.yaml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// `weir test ARGUMENTS` on the packed modules.
async fn test(arguments: &[&str]) -> Run {
    let modules = weir_wasm_tests::modules_dir().display().to_string();
    let all = [&["test", "--modules-dir", &modules], arguments].concat();
    weir(&all).await
}

#[tokio::test]
async fn what_passes_is_counted_and_exits_0() {
    let folder = TempDir::new().unwrap();
    let run = test(&[&test_file(&folder, 400)]).await;
    let seen = (run.code, run.out.as_str(), run.err.as_str());
    assert_eq!(seen, (0, "2 passed, 0 failed\n", ""));
}

#[tokio::test]
async fn what_fails_is_shown_and_exits_1() {
    let folder = TempDir::new().unwrap();
    let file = test_file(&folder, 200);
    let expected = format!(
        "\
FAILED red
{file}:9:9: step 1: GET /orders, worker 0, at 0ms: 400 of the proxy
  status
    expected 200
    got      400

1 passed, 1 failed
"
    );
    let run = test(&[&file]).await;
    assert_eq!(
        (run.code, run.out.as_str(), run.err.as_str()),
        (1, expected.as_str(), "")
    );
}

#[tokio::test]
async fn programs_read_json() {
    let folder = TempDir::new().unwrap();
    let file = test_file(&folder, 200);
    let run = test(&[&file, "-o", "json"]).await;
    let answer = run.json();
    assert_eq!(
        (run.code, &answer["passed"], &answer["failed"]),
        (1, &json!(1), &json!(1))
    );
    let failure = &answer["tests"][1]["failure"];
    let expected = json!([{"field": "status", "expected": "200", "got": "400"}]);
    assert_eq!((&failure["line"], &failure["mismatches"]), (&json!(9), &expected));
}

#[tokio::test]
async fn tap_goes_to_stdout_and_junit_to_its_file() {
    let folder = TempDir::new().unwrap();
    let file = test_file(&folder, 200);
    let junit = folder.path().join("junit.xml");
    let run = test(&[&file, "--format", "tap", "--junit", junit.to_str().unwrap()]).await;
    assert!(
        run.code == 1 && run.out.starts_with("TAP version 14\n1..2\nok 1 - "),
        "{run:?}"
    );
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
    let both = test(&[&file, "--format", "tap", "-o", "json"]).await;
    assert!(both.code == 2 && both.err.contains("--format tap"), "{both:?}");
}

#[tokio::test]
async fn tests_are_chosen_and_listed() {
    let folder = TempDir::new().unwrap();
    let file = test_file(&folder, 200);
    let run = test(&[&file, "--filter", "green"]).await;
    assert_eq!((run.code, run.out.as_str()), (0, "1 passed, 0 failed\n"));
    let listed = test(&[&file, "--list"]).await;
    assert_eq!(
        (listed.code, listed.out),
        (0, format!("{file}:3: green\n{file}:7: red\n"))
    );
    let none = test(&[&file, "--filter", "blue"]).await;
    assert!(
        none.code == 2 && none.err.contains("\"blue\" leaves none of 2 tests"),
        "{none:?}"
    );
}

#[tokio::test]
async fn nothing_is_run_when_something_is_wrong() {
    let folder = TempDir::new().unwrap();
    let file = test_file(&folder, 400);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("expect: {shard", "expects: {shard")).unwrap();
    let run = test(&[&file, "-o", "json"]).await;
    let problem = &run.json()["problems"][0];
    assert_eq!(
        (run.code, &problem["line"], &problem["reason"]),
        (2, &json!(6), &json!("unknown_field"))
    );
    assert!(run.err.ends_with("1 problem; nothing was run"), "{run:?}");
    std::fs::write(&file, "tests: [").unwrap();
    assert_eq!(test(&[&file]).await.code, 2);
    std::fs::write(&file, "# empty\n").unwrap();
    assert_eq!(test(&[&file]).await.code, 2);
    std::fs::write(
        &file,
        format!("policies: [{:?}]\ntests: []\n", sample().join("gateway.yaml")),
    )
    .unwrap();
    let empty = test(&[&file]).await;
    assert!(
        empty.code == 2 && empty.err.contains("the files hold no test"),
        "{empty:?}"
    );
}

#[tokio::test]
async fn a_missing_module_is_named() {
    let folder = TempDir::new().unwrap();
    let file = test_file(&folder, 400);
    let run = weir(&["test", &file, "--modules-dir", folder.path().to_str().unwrap()]).await;
    assert!(
        run.code == 2 && run.err.contains("no module of \"rate-limit\" in "),
        "{run:?}"
    );
}

#[tokio::test]
async fn a_terminal_sees_how_far_it_is() {
    let folder = TempDir::new().unwrap();
    let (file, modules) = (
        test_file(&folder, 400),
        weir_wasm_tests::modules_dir().display().to_string(),
    );
    let cli = Cli::try_parse_from(["weir", "test", &file, "--modules-dir", &modules]).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console::new(cli.global.output, &mut out, &mut err).with_progress(true);
    weir_cli::run_in(&cli.global, &cli.command, &mut console)
        .await
        .unwrap();
    let err = String::from_utf8(err).unwrap();
    assert!(
        err.contains(&format!("/2 {file}: green")) && err.ends_with("\r\x1b[2K"),
        "{err:?}"
    );
}
