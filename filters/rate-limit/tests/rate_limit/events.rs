//! Operators let clients start anew.

use serde_json::json;
use weir_host::Filter;
use weir_host::fake::{Process, Worker as Host};
use weir_policy::proxy::{EventPage, Notice, ProxyEvent, QuotaReset};

use crate::fixture::{NOW_MS, Worker, config, limit};

/// A page with one reset.
fn page(policy: &str, limit: Option<&str>, key: Option<&[&str]>) -> EventPage {
    let reset = QuotaReset {
        policy: policy.to_owned(),
        limit: limit.map(str::to_owned),
        key: key.map(|values| values.iter().map(|value| (*value).to_owned()).collect()),
    };
    EventPage {
        cursor: 1,
        reset: false,
        events: vec![ProxyEvent::new(1, Notice::QuotaReset(reset))],
    }
}

/// Two workers of a process in which alice and bob have used all they had; the first hears of a page.
fn after(page: &EventPage) -> [bool; 2] {
    let process = Process::new(NOW_MS);
    let limits = [limit("client", 1), limit("other", 5)];
    let [first, second] = [(); 2].map(|()| Worker::of(&process, &config(&limits, &json!({}))));
    for user in ["alice", "bob"] {
        assert!(first.passes(user) && !second.passes(user));
    }
    let host = Host::new(&process);
    first.filter.on_events(page, &host).unwrap();
    second.filter.on_tick(&host);
    ["alice", "bob"].map(|user| second.passes(user))
}

#[test]
fn a_key_a_limit_or_a_whole_policy_starts_anew() {
    let alice = Some(&["alice"][..]);
    assert_eq!(after(&page("default/api", Some("client"), alice)), [true, false]);
    assert_eq!(after(&page("default/api", None, alice)), [true, false]);
    assert_eq!(after(&page("default/api", Some("client"), None)), [true, true]);
    assert_eq!(after(&page("default/api", None, None)), [true, true]);
}

#[test]
fn what_is_not_here_starts_nothing_anew() {
    let alice = Some(&["alice"][..]);
    assert_eq!(after(&page("default/api", Some("other"), None)), [false, false]);
    assert_eq!(after(&page("default/other", None, None)), [false, false]);
    assert_eq!(after(&page("default/api", Some("none"), alice)), [false, false]);
    assert_eq!(
        after(&page("default/api", None, Some(&["alice", "eu"]))),
        [false, false]
    );
    assert_eq!(after(&page("default/api", None, Some(&[]))), [false, false]);
    assert_eq!(after(&EventPage::default()), [false, false]);
    let unknown = EventPage {
        cursor: 1,
        reset: false,
        events: vec![ProxyEvent::default()],
    };
    assert_eq!(after(&unknown), [false, false]);
}

#[test]
fn a_key_can_start_anew_after_its_limit_did() {
    let process = Process::new(NOW_MS);
    let worker = Worker::of(&process, &config(&[limit("client", 1)], &json!({})));
    let host = Host::new(&process);
    for key in [None, Some(&["alice"][..]), None, Some(&["alice"])] {
        assert!(worker.passes("alice") && !worker.passes("alice"));
        worker
            .filter
            .on_events(&page("default/api", None, key), &host)
            .unwrap();
    }
    assert!(worker.passes("alice"));
}

#[test]
fn two_resets_at_once_are_both_taken() {
    let process = Process::new(NOW_MS);
    let limits = [limit("client", 1), limit("other", 1)];
    let workers = [(); 2].map(|()| Worker::of(&process, &config(&limits, &json!({}))));
    assert!(workers[0].passes("alice") && !workers[0].passes("alice"));
    let [first, second] = workers;
    let host = Host::new(&process);
    process.before_next_store(move || {
        let host = Host::new(&second.process);
        let other = page("default/api", Some("other"), None);
        second.filter.on_events(&other, &host).unwrap();
    });
    let client = page("default/api", Some("client"), None);
    first.filter.on_events(&client, &host).unwrap();
    assert!(first.passes("alice"));
}

#[test]
fn an_event_that_cant_be_taken_comes_again() {
    let process = Process::new(NOW_MS);
    let worker = Worker::of(&process, &config(&[limit("client", 1)], &json!({})));
    assert!(worker.passes("alice"));
    let host = Host::new(&process);
    host.fail_store(format!("{}/board", crate::fixture::SLOT));
    let all = page("default/api", None, None);
    assert!(worker.filter.on_events(&all, &host).is_err());
    assert!(!worker.passes("alice"));
    worker.filter.on_events(&all, &Host::new(&process)).unwrap();
    assert!(worker.passes("alice"));
}
