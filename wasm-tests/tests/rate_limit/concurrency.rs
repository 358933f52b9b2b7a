//! Requests under way: the count comes back however they end.

use serde_json::{Value, json};
use weir_wasm_tests::{Answer, Cluster, Fault, HttpChain, Listener, Route, Status, Stream};

use crate::fixture::{Limited, Verdict, by_user, slot, user};

const MAX_DURATION_MS: u64 = 10_000;

fn three() -> Value {
    slot(&[by_user(
        json!({"concurrency": {"requests": 3, "maxDurationMs": MAX_DURATION_MS}}),
    )])
}

/// Before an upstream that never answers.
fn listener(limited: &Limited) -> Listener {
    limited
        .process
        .cluster("slow", Cluster::answering(Answer::never()));
    let chain = HttpChain::new().filter(&limited.plugin);
    limited
        .process
        .listener(chain.route(Route::prefix("/").cluster("slow")))
}

fn end<const N: usize>(streams: [Stream; N]) {
    for stream in streams {
        stream.finish().unwrap();
    }
}

#[test]
fn so_many_at_once_over_all_workers() {
    let limited = Limited::on(2, &three());
    let open = |worker: usize| limited.plugin.worker(worker).open(user("alice")).unwrap();
    let under_way = [open(0), open(1), open(0)];
    assert_eq!(limited.ask(1, &user("alice")), Verdict::Limited);
    assert_eq!(limited.ask(1, &user("bob")), Verdict::Passed);
    for stream in under_way {
        stream.finish().unwrap();
        assert_eq!(limited.ask(1, &user("alice")), Verdict::Passed);
    }
}

#[test]
fn a_request_that_is_held_back_gives_nothing_back() {
    let limited = Limited::on(1, &three());
    let open = || limited.plugin.worker(0).open(user("alice")).unwrap();
    let under_way = [open(), open(), open()];
    for _ in 0..5 {
        assert_eq!(limited.ask(0, &user("alice")), Verdict::Limited);
    }
    end(under_way);
}

#[test]
fn clients_that_go_away_and_upstreams_that_reset_give_the_count_back() {
    let limited = Limited::on(2, &three());
    let listener = listener(&limited);
    let exchanges: Vec<_> = (0..3)
        .map(|number| listener.send(number % 2, user("alice")))
        .collect();
    assert_eq!(limited.ask(0, &user("alice")), Verdict::Limited);
    for exchange in &exchanges {
        exchange.abort();
    }
    limited
        .process
        .cluster("slow", Cluster::answering(Answer::reset()));
    for _ in 0..5 {
        assert_eq!(listener.request(0, user("alice")).unwrap().status(), 503);
    }
    assert_eq!(limited.ask(1, &user("alice")), Verdict::Passed);
}

#[test]
fn the_requests_of_a_lost_worker_count_no_longer_than_twice_the_longest_time() {
    let limited = Limited::on(2, &three());
    let listener = listener(&limited);
    for _ in 0..3 {
        listener.send(0, user("alice"));
    }
    limited.plugin.worker(0).lose().unwrap();
    assert_eq!(
        limited.ask(1, &user("alice")),
        Verdict::Limited,
        "nobody saw their end"
    );
    limited.advance(2 * MAX_DURATION_MS);
    assert_eq!(limited.ask(1, &user("alice")), Verdict::Passed);
}

#[test]
fn an_end_that_was_not_noted_comes_right_by_itself_and_ends_no_other_request() {
    for function in [
        "proxy_set_shared_data",
        "proxy_get_shared_data",
        "proxy_get_current_time_nanoseconds",
    ] {
        let limited = Limited::on(1, &three());
        let open = || limited.plugin.worker(0).open(user("alice")).unwrap();
        let [first, second, third] = [open(), open(), open()];
        limited
            .process
            .fault(Fault::of(function, Status::InternalFailure));
        first.finish().unwrap();
        limited.process.clear_faults();
        let other = open();
        let passed = other.outcome().local_response.is_none();
        assert_eq!(
            limited.ask(0, &user("alice")),
            Verdict::Limited,
            "{function}: {passed}, and three are under way"
        );
        end([second, third, other]);
        limited.advance(2 * MAX_DURATION_MS);
        let again = [open(), open(), open()];
        assert!(
            again
                .iter()
                .all(|stream| stream.outcome().local_response.is_none())
        );
        end(again);
    }
}

#[test]
fn a_configuration_in_between_changes_no_count() {
    let limited = Limited::on(1, &three());
    let open = || limited.plugin.worker(0).open(user("alice")).unwrap();
    let under_way = [open(), open(), open()];
    let mut next = three();
    next["generation"] = 2.into();
    limited.configure(&next);
    assert_eq!(limited.ask(0, &user("alice")), Verdict::Limited);
    end(under_way);
    assert_eq!(limited.ask(0, &user("alice")), Verdict::Passed);
}
