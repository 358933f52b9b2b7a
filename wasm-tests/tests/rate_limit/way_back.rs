//! What the workers learn of the control plane: one asks, all know.

use std::time::Duration;

use serde_json::{Value, json};
use weir_wasm_tests::{Answer, Cluster};

use crate::control::{CLUSTER, Control, empty_page, reset_page};
use crate::fixture::{Limited, by_user, controlled, rate, slot, user, with};

const NEVER_MS: u64 = 3_600_000;

/// Three at once.
fn three() -> Value {
    controlled(slot(&[by_user(rate(1, NEVER_MS, 3))]))
}

/// Four workers, and a control plane whose cursor is 7.
fn four() -> (Limited, Control) {
    let control = Control::default();
    control.tell(Duration::ZERO, empty_page(7));
    let limited = Limited::on(4, &three());
    limited.process.cluster(CLUSTER, control.cluster());
    (limited, control)
}

/// The next page comes two seconds after it was asked for.
fn soon(control: &Control, page: Value) {
    control.tell(Duration::from_secs(2), page);
}

#[test]
fn one_of_four_workers_polls() {
    let (limited, control) = four();
    limited.advance(20_000);
    assert_eq!(control.polls(), [None, Some(7)]);
    limited.advance(20_000);
    assert_eq!(
        control.polls().len(),
        3,
        "the poll that was held ended at its deadline"
    );
}

#[test]
fn a_reset_frees_one_client_on_all_workers() {
    let (limited, control) = four();
    soon(&control, reset_page(8, json!(["alice"])));
    assert_eq!(
        [limited.drain(&user("alice")), limited.drain(&user("bob"))],
        [3, 3]
    );
    limited.advance(3_500);
    assert_eq!(
        [limited.drain(&user("alice")), limited.drain(&user("bob"))],
        [3, 0]
    );
    assert_eq!(control.polls(), [None, Some(7), Some(8)]);
}

#[test]
fn a_reset_of_a_limit_frees_all_its_clients_and_comes_into_force_once() {
    let (limited, control) = four();
    soon(&control, reset_page(8, Value::Null));
    assert_eq!(
        [limited.drain(&user("alice")), limited.drain(&user("bob"))],
        [3, 3]
    );
    limited.advance(3_500);
    assert_eq!(
        [limited.drain(&user("alice")), limited.drain(&user("bob"))],
        [3, 3]
    );
    limited.advance(5_000);
    assert_eq!(limited.drain(&user("alice")), 0);
}

#[test]
fn a_reset_of_something_else_frees_nobody() {
    let resets = [
        json!({"policy": "default/other"}),
        json!({"policy": "default/api", "limit": "other"}),
        json!({"policy": "default/api", "limit": "user", "key": []}),
        json!({"policy": "default/api", "limit": "user", "key": ["alice", "bob"]}),
        json!({"policy": "default/api", "limit": "user", "key": ["carol"]}),
    ];
    let (limited, control) = four();
    let event = |reset: &Value| json!({"revision": 8, "quotaReset": reset});
    let mut events: Vec<Value> = resets.iter().map(event).collect();
    events.push(json!({"revision": 9, "somethingLater": {"a": 1}}));
    soon(&control, json!({"cursor": 9, "reset": false, "events": events}));
    limited.drain(&user("alice"));
    limited.advance(3_500);
    assert_eq!(limited.drain(&user("alice")), 0);
    assert_eq!(control.polls(), [None, Some(7), Some(9)]);
}

#[test]
fn another_worker_takes_over_where_the_one_that_asked_is_stuck_or_lost() {
    for lost in [true, false] {
        let (limited, control) = four();
        limited.advance(2_000);
        assert_eq!(control.polls(), [None, Some(7)]);
        let leader = limited.plugin.worker(0);
        leader.stall();
        if lost {
            leader.lose().unwrap();
        }
        limited.advance(5_100);
        assert_eq!(control.polls(), [None, Some(7), Some(7)], "lost: {lost}");
        leader.resume().unwrap();
        limited.advance(5_000);
        assert_eq!(control.polls().len(), 3, "one asks, lost: {lost}");
    }
}

#[test]
fn what_happened_while_nobody_asked_is_learnt_by_whoever_takes_over() {
    let (limited, control) = four();
    limited.drain(&user("alice"));
    limited.advance(2_000);
    limited.plugin.worker(0).stall();
    control.tell(Duration::ZERO, reset_page(9, json!(["alice"])));
    limited.advance(5_100);
    assert_eq!(control.polls(), [None, Some(7), Some(7), Some(9)]);
    assert!(limited.passes(1, &user("alice")));
}

#[test]
fn a_new_configuration_asks_anew_with_the_same_cursor() {
    let (limited, control) = four();
    limited.advance(2_000);
    limited.configure(&with(three(), "generation", 2.into()));
    limited.advance(5_000);
    assert_eq!(control.polls(), [None, Some(7), Some(7)]);
}

#[test]
fn answers_that_make_no_sense_are_asked_for_again_and_trap_nothing() {
    let answers = [
        Answer::status(503),
        Answer::status(404),
        Answer::ok(),
        Answer::ok().body("{"),
        Answer::ok().body(r#"{"cursor":-1,"reset":false,"events":[]}"#),
        Answer::ok().body(vec![0xff; 2 << 20]),
        Answer::reset(),
        Answer::closed(),
        Answer::refused(),
        Answer::ok().then_reset(),
        Answer::never(),
    ];
    let fleet = with(by_user(rate(100, 1_000, 3)), "fleet", json!({"proxies": 2}));
    for answer in answers {
        let limited = Limited::on(2, &controlled(slot(std::slice::from_ref(&fleet))));
        limited
            .process
            .cluster(CLUSTER, Cluster::answering(answer.clone()));
        limited.advance(10_000);
        let asked = limited.process.calls().len();
        assert!(
            (2..=60).contains(&asked),
            "{asked} calls in ten seconds: {answer:?}"
        );
        assert!(limited.passes(0, &user("alice")));
        assert!(limited.process.traps().is_empty());
    }
}

#[test]
fn without_the_cluster_the_limits_hold() {
    let limited = Limited::on(2, &three());
    limited.advance(10_000);
    assert_eq!(limited.drain(&user("alice")), 3);
}
