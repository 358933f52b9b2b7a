//! When hedges would make it worse, there are none.

use weir_wasm_tests::{Answer, Request};

use crate::fixture::{Hedged, plain, policy, slot, with};
use crate::replicas::{ms, whole};

/// Of an answer.
type Fields = &'static [(&'static str, &'static str)];

/// With tokens for every request.
fn hedged(workers: usize) -> Hedged {
    let policy = with(
        policy(),
        "/budget",
        serde_json::json!({"ppm": 1_000_000, "minPerSecond": 100}),
    );
    Hedged::on(workers, &slot(&policy))
}

/// The service says once when to come back.
fn told(hedged: &Hedged, status: u16, headers: &[(&str, &str)]) {
    let answer = headers
        .iter()
        .fold(Answer::status(status), |answer, (name, value)| {
            answer.header(name, *value)
        });
    hedged.replicas.answer(move |_| answer.clone());
    let exchange = hedged.listener.request(0, Request::get("/a")).unwrap();
    assert_eq!(exchange.status(), status);
    hedged.replicas.first_takes(100);
}

#[test]
fn none_until_the_service_wants_to_be_asked_again() {
    let cases: [(u16, Fields, u64); 7] = [
        (503, &[("retry-after", "3")], 3_000),
        (429, &[("retry-after", "3")], 3_000),
        (503, &[("retry-after", " 3 ")], 3_000),
        (503, &[("grpc-retry-pushback-ms", "2500")], 2_500),
        (
            429,
            &[("grpc-retry-pushback-ms", "2500"), ("retry-after", "9")],
            2_500,
        ),
        (503, &[("retry-after", "3600")], 60_000),
        (503, &[("retry-after", "18446744073709551615")], 60_000),
    ];
    for (status, headers, until) in cases {
        let hedged = hedged(1);
        told(&hedged, status, headers);
        assert_eq!(hedged.tries(0), 1, "at once: {headers:?}");
        hedged.advance(until - 500);
        assert_eq!(hedged.tries(0), 1, "{headers:?}");
        // The time begins anew when the worker tells the others, with a tick at the latest.
        hedged.advance(1_500);
        assert_eq!(hedged.tries(0), 2, "{headers:?}");
        assert_eq!(hedged.decided("overload"), 2, "{headers:?}");
    }
}

#[test]
fn what_is_no_time_says_nothing() {
    let cases: [(u16, Fields); 8] = [
        (503, &[]),
        (503, &[("retry-after", "Fri, 31 Dec 2027 23:59:59 GMT")]),
        (503, &[("retry-after", "+3")]),
        (503, &[("retry-after", "-3")]),
        (503, &[("retry-after", "")]),
        (503, &[("grpc-retry-pushback-ms", "-1")]),
        (500, &[("retry-after", "3")]),
        (301, &[("retry-after", "3")]),
    ];
    for (status, headers) in cases {
        let hedged = hedged(1);
        told(&hedged, status, headers);
        assert_eq!(hedged.tries(0), 2, "{status} {headers:?}");
    }
}

#[test]
fn the_other_workers_hear_of_it() {
    let hedged = hedged(4);
    told(&hedged, 503, &[("retry-after", "5")]);
    // The worker that was told tells the others with its next request, they look twice a second.
    hedged.advance(100);
    assert_eq!(hedged.tries(0), 1);
    hedged.advance(500);
    for worker in 1..4 {
        assert_eq!(hedged.tries(worker), 1, "{worker}");
    }
    hedged.advance(5_000);
    for worker in 0..4 {
        assert_eq!(hedged.tries(worker), 2, "{worker}");
    }
}

/// A stream of requests, of which the first tries are slow, and `percent` of the answers have this status.
fn errors(hedged: &Hedged, percent: u64, status: u16) {
    hedged.replicas.answer(move |request| {
        if request.number * 37 % 100 < percent {
            return Answer::status(status).after(ms(5));
        }
        whole(request).after(ms(if request.attempt == 1 { 30 } else { 5 }))
    });
    hedged.stream(400, 10);
}

#[test]
fn none_while_too_many_answers_are_errors() {
    for status in [500, 503, 504] {
        let hedged = hedged(2);
        errors(&hedged, 4, status);
        assert_eq!(hedged.decided("overload"), 0, "{status}");
        errors(&hedged, 50, status);
        let denied = hedged.decided("overload");
        assert!(denied > 100, "{status}: {denied}");
        let before = hedged.replicas.second_tries();
        errors(&hedged, 50, status);
        let sent = hedged.replicas.second_tries() - before;
        assert!(sent < 40, "{status}: {sent}");
    }
}

#[test]
fn errors_of_the_client_say_nothing() {
    let hedged = hedged(1);
    errors(&hedged, 80, 404);
    assert_eq!(hedged.decided("overload"), 0);
}

#[test]
fn hedges_come_back_when_errors_go() {
    let hedged = hedged(2);
    errors(&hedged, 60, 500);
    errors(&hedged, 60, 500);
    assert!(hedged.decided("overload") > 100);
    errors(&hedged, 0, 200);
    let (denied, sent) = (hedged.decided("overload"), hedged.replicas.second_tries());
    errors(&hedged, 0, 200);
    assert_eq!(hedged.decided("overload"), denied);
    assert!(hedged.replicas.second_tries() - sent > 300);
}

#[test]
fn none_while_all_replicas_are_slower_than_usual() {
    let hedged = Hedged::on(2, &plain());
    hedged.replicas.all_take(10);
    hedged.stream(1_200, 10);
    assert_eq!(hedged.replicas.second_tries(), 0);
    hedged.replicas.all_take(100);
    hedged.stream(300, 10);
    let (denied, sent) = (hedged.decided("overload"), hedged.replicas.second_tries());
    assert!(denied > 50, "{denied}");
    hedged.stream(300, 10);
    assert_eq!(hedged.replicas.second_tries(), sent);
    hedged.replicas.all_take(10);
    hedged.stream(300, 10);
    hedged.replicas.first_takes(100);
    assert_eq!(hedged.tries(0), 2, "it is over");
}

#[test]
fn one_slow_replica_of_four_is_no_overload() {
    let hedged = Hedged::on(2, &plain());
    hedged.replicas.all_take(10);
    hedged.stream(1_200, 10);
    hedged
        .replicas
        .answer(|request| whole(request).after(ms(if request.host == "three" { 500 } else { 10 })));
    hedged.stream(600, 10);
    assert_eq!(hedged.decided("overload"), 0);
    assert!(hedged.replicas.second_tries() > 30);
}
