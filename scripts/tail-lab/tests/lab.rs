//! The lab, as a process, with no proxy between: the load goes to the first replica itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_weir-tail-lab");

fn lab(scenario: &Value) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&file, scenario).unwrap();
    let mut command = Command::new(BINARY);
    command.arg("--scenario").arg(file.path()).output().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn scenario(port: u16) -> Value {
    json!({
        "target": port, "replicas": [port], "seed": 1, "per_second": 20, "fan_out": 5, "spread_ms": 20, "seconds": 2,
        "latency": {"kind": "bimodal", "fast_ms": 5, "slow_ms": 5, "slow_part": 0},
        "trouble": [{"from_s": 1, "until_s": 3, "replica": 0, "times": 40}],
        "windows": [{"name": "slow", "from_s": 1, "until_s": 2}]
    })
}

#[test]
fn every_request_is_answered_in_the_time_that_was_drawn() {
    let output = lab(&scenario(free_port()));
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["sent"], &told["received"]), (&json!(200), &json!(200)));
    assert_eq!(told["failed"], json!({"status": 0, "broken": 0, "none": 0}));
    assert_eq!((&told["again"], &told["reset_first"]), (&json!(0), &json!(0)));
    assert_eq!(
        (&told["ms"]["count"], &told["by_replica"]),
        (&json!(40), &json!([200]))
    );
    let slow = &told["windows"][0];
    assert_eq!((&slow["name"], &slow["sent"]), (&json!("slow"), &json!(100)));
    // 40 times 4 to 6 ms.
    assert!(slow["ms"]["p50"].as_f64().unwrap() >= 160.0, "{slow}");
    assert!(told["seconds"][0]["ms"]["p50"].as_f64().unwrap() >= 4.0);
}

#[test]
fn what_does_not_arrive_is_counted_as_failed() {
    let mut nowhere = scenario(free_port());
    nowhere["target"] = json!(free_port());
    let told: Value = serde_json::from_slice(&lab(&nowhere).stdout).unwrap();
    assert_eq!((&told["sent"], &told["received"]), (&json!(200), &json!(0)));
    assert_eq!(told["failed"]["none"], 200);
}

#[test]
fn a_scenario_that_can_t_be_run_is_refused() {
    let mut fast = scenario(free_port());
    fast["per_second"] = json!(2_000);
    let output = lab(&fast);
    assert!(!output.status.success() && output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("per_second x fan_out is 10000: expected 1 to 5000"),
        "{said}"
    );
}
