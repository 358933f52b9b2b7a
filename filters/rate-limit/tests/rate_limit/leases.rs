//! Shares of the fleet's quotas.

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_host::fake::{Process, Worker as Host};
use weir_host::{Action, Filter};
use weir_policy::proxy::{LeaseReport, WHOLE};

use crate::fixture::{NOW_MS, SLOT, Worker, config, limit, merged};

/// A hundred a second for the fleet, beside a limit of this proxy.
fn fleet() -> Value {
    let rate = json!({"rate": {"requests": 100, "windowMs": 1_000, "burst": 100}});
    let fleet = merged(
        limit("fleet", 1),
        &json!({"quota": rate, "fleet": {"proxies": 4}}),
    );
    config(&[fleet, limit("client", 1_000_000)], &json!({}))
}

fn report(worker: &Worker, host: &Host) -> LeaseReport {
    let report = worker.filter.report(worker.process.now_ns(), host).unwrap();
    assert_eq!(report.path, "/v1/proxy/leases");
    serde_json::from_slice(&report.body).unwrap()
}

fn answer(share: u32, keys: &Value) -> Vec<u8> {
    let limits = json!([{"limit": "default/api/fleet", "share": share, "keys": keys}]);
    json!({"leaseMs": 10_000, "proxies": 2, "limits": limits})
        .to_string()
        .into_bytes()
}

#[test]
fn a_slot_without_the_fleets_limits_reports_nothing() {
    let worker = Worker::new(&config(&[limit("client", 1)], &json!({})));
    assert!(
        worker
            .filter
            .report(worker.process.now_ns(), &Host::new(&worker.process))
            .is_none()
    );
    assert_eq!(worker.filter.tick_period_ms(), 1_000);
}

#[test]
fn a_report_says_what_all_workers_were_asked_for_in_a_second() {
    let process = Process::new(NOW_MS);
    process.set_property(&["xds", "node", "id"], b"edge-1");
    let host = Host::new(&process);
    let [leader, other] = [(); 2].map(|()| Worker::of(&process, &fleet()));
    let first = report(&leader, &host);
    assert_eq!(first.slot, SLOT);
    assert!(first.instance.starts_with("edge-1@"));
    assert_eq!(
        (first.limits.len(), first.limits[0].limit.as_str()),
        (1, "default/api/fleet")
    );
    assert_eq!((first.limits[0].held, first.limits[0].keys.len()), (WHOLE / 4, 0));
    for worker in [&leader, &other] {
        (0..30).for_each(|_| _ = worker.passes("a"));
        worker.filter.on_tick(&host);
    }
    process.set_now_ms(NOW_MS + 250);
    let second = report(&leader, &host);
    assert_eq!(second.instance, first.instance);
    let [key] = &second.limits[0].keys[..] else {
        panic!("{second:?}")
    };
    assert_eq!((key.demand, key.held), (240, WHOLE / 4));
    // Nothing of the key but its hash leaves the proxy.
    assert_eq!(key.key.len(), 16);
    process.set_now_ms(NOW_MS + 2_000);
    let ebbing = report(&leader, &host);
    assert!(ebbing.limits[0].keys[0].demand < 60);
}

#[test]
fn what_a_worker_was_asked_for_is_told_once() {
    let process = Process::new(NOW_MS);
    let host = Host::new(&process);
    let worker = Worker::of(&process, &fleet());
    report(&worker, &host);
    (0..10).for_each(|_| _ = worker.passes("a"));
    (0..5).for_each(|_| worker.filter.on_tick(&host));
    process.set_now_ms(NOW_MS + 1_000);
    assert_eq!(report(&worker, &host).limits[0].keys[0].demand, 10);
}

#[test]
fn an_answer_is_for_all_workers_within_a_tenth_of_a_second() {
    let process = Process::new(NOW_MS);
    let host = Host::new(&process);
    let [leader, other] = [(); 2].map(|()| Worker::of(&process, &fleet()));
    report(&leader, &host);
    assert!(!other.passes("a"));
    leader
        .filter
        .on_report_answer(process.now_ns(), &answer(WHOLE, &json!([])), &host);
    process.set_now_ms(NOW_MS + 1_000);
    // A second's worth of the whole, less what a quarter of it was short of.
    let passed = other.count("a") + leader.count("a");
    assert!((90..=100).contains(&passed), "{passed}");
    assert_eq!(report(&leader, &host).limits[0].held, WHOLE);
}

#[test]
fn a_key_of_its_own_share_is_named_as_it_was_reported() {
    let process = Process::new(NOW_MS);
    let host = Host::new(&process);
    let worker = Worker::of(&process, &fleet());
    report(&worker, &host);
    worker.passes("a");
    worker.filter.on_tick(&host);
    process.set_now_ms(NOW_MS + 250);
    let key = report(&worker, &host).limits[0].keys[0].key.clone();
    let given = answer(0, &json!([{"key": key, "share": WHOLE}]));
    worker.filter.on_report_answer(process.now_ns(), &given, &host);
    process.set_now_ms(NOW_MS + 1_250);
    assert!(worker.count("a") > 90);
    let other = worker.stream(&[("x-user", b"b")]);
    assert_eq!(worker.serve(&other), Action::Pause);
}

#[test]
fn garbage_for_an_answer_changes_nothing() {
    let process = Process::new(NOW_MS);
    let host = Host::new(&process);
    let worker = Worker::of(&process, &fleet());
    let before = report(&worker, &host);
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"\xff",
        b"{\"leaseMs\":-1}",
        b"{\"leaseMs\":1}",
        b"null",
    ] {
        worker.filter.on_report_answer(process.now_ns(), body, &host);
        let after = report(&worker, &host);
        assert_eq!(
            (after.instance, after.limits),
            (before.instance.clone(), before.limits.clone())
        );
    }
    assert_eq!(host.log_lines().len(), 7);
}

proptest! {
    #[test]
    fn no_answer_breaks_it(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        lease_ms in any::<u64>(), proxies in any::<u32>(), share in any::<u32>(), key in ".{0,20}",
    ) {
        let process = Process::new(NOW_MS);
        let host = Host::new(&process);
        let worker = Worker::of(&process, &fleet());
        let limits = json!([{"limit": "default/api/fleet", "share": share, "keys": [{"key": key, "share": share}]}]);
        let odd = json!({"leaseMs": lease_ms, "proxies": proxies, "limits": limits}).to_string();
        for body in [bytes.as_slice(), odd.as_bytes()] {
            worker.filter.on_report_answer(process.now_ns(), body, &host);
            worker.passes("a");
            prop_assert!(report(&worker, &host).limits[0].held <= WHOLE);
        }
    }
}
