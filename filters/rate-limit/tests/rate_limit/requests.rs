//! Requests, from their headers to their streams' ends.

use serde_json::json;
use weir_host::fake::{Call, Process};
use weir_host::{Action, Counters, Filter, Root, Vm};
use weir_rate_limit::{Exchange, RateLimitFilter};

use crate::fixture::{NOW_MS, SLOT, Worker, config, limit, merged};

#[test]
fn a_slot_that_is_off_makes_no_host_call() {
    let off = json!({"format": 1, "slot": SLOT, "generation": 1, "rules": [], "policies": {}});
    let worker = Worker::new(&off);
    let stream = worker.stream(&[("x-user", b"a")]);
    assert_eq!(worker.serve(&stream), Action::Continue);
    assert_eq!(stream.calls(), []);
    assert!(worker.process.shared_keys().is_empty());
}

#[test]
fn a_request_makes_one_read_and_one_write_for_each_limit() {
    let worker = Worker::new(&config(&[limit("client", 9)], &json!({})));
    worker.passes("a");
    let stream = worker.stream(&[("x-user", b"a")]);
    let mut exchange = Exchange::default();
    worker.filter.on_request_headers(&mut exchange, &stream);
    let calls: Vec<Call> = stream.calls().into_iter().map(|(call, _)| call).collect();
    assert_eq!(calls, [Call::Clock, Call::Read, Call::Load, Call::Store]);
    let made = calls.len();
    worker.filter.on_stream_end(exchange, &stream);
    assert_eq!(stream.calls().len(), made, "nothing is left to do");
}

#[test]
fn a_request_that_no_policy_is_for_touches_no_quota() {
    let rules = json!({"rules": [{"policy": "default/api", "match": {"path": {"type": "Prefix", "value": "/orders"}}}]});
    let worker = Worker::new(&merged(config(&[limit("client", 1)], &json!({})), &rules));
    for _ in 0..3 {
        let stream = worker.stream(&[(":path", b"/other")]);
        assert_eq!(worker.serve(&stream), Action::Continue);
    }
    assert!(worker.process.shared_keys().is_empty());
}

#[test]
fn workers_and_configurations_count_together() {
    let process = Process::new(NOW_MS);
    let first = Worker::of(&process, &config(&[limit("client", 3)], &json!({})));
    let second = Worker::of(&process, &config(&[limit("client", 3)], &json!({})));
    assert!(first.passes("a") && second.passes("a") && first.passes("a"));
    assert!(!second.passes("a"));
    let later = Worker::of(
        &process,
        &merged(
            config(&[limit("client", 3)], &json!({})),
            &json!({"generation": 2}),
        ),
    );
    assert!(!later.passes("a"));
    // Another slot of the process counts for itself.
    let other = merged(
        config(&[limit("client", 3)], &json!({})),
        &json!({"slot": "weir/default/other/rate-limit"}),
    );
    assert_eq!(Worker::of(&process, &other).count("a"), 3);
}

#[test]
fn a_worker_that_is_overtaken_counts_both() {
    let process = Process::new(NOW_MS);
    let [mine, other] = [(); 2].map(|()| Worker::of(&process, &config(&[limit("client", 2)], &json!({}))));
    process.before_next_store(move || assert!(other.passes("a")));
    assert!(mine.passes("a"));
    assert!(!mine.passes("a"));
}

#[test]
fn an_address_is_the_peers() {
    let by_address = merged(
        limit("client", 1),
        &json!({"key": [{"clientAddress": {"trustedHops": 0}}]}),
    );
    let worker = Worker::new(&config(&[by_address], &json!({})));
    let from = |address: &[u8]| {
        let stream = worker.stream(&[("x-forwarded-for", b"203.0.113.1")]);
        stream.set_property(&["source", "address"], address);
        worker.serve(&stream)
    };
    assert_eq!(from(b"192.0.2.1:1000"), Action::Continue);
    assert_eq!(from(b"192.0.2.1:2000"), Action::Pause);
    assert_eq!(from(b"192.0.2.2:1000"), Action::Continue);
}

fn under_way() -> Worker {
    let at_once = json!({"key": [], "quota": {"concurrency": {"requests": 1, "maxDurationMs": 60_000}}});
    Worker::new(&config(&[merged(limit("at-once", 1), &at_once)], &json!({})))
}

#[test]
fn requests_under_way_count_until_their_stream_ends() {
    let worker = under_way();
    let stream = worker.stream(&[]);
    let mut exchange = Exchange::default();
    assert_eq!(
        worker.filter.on_request_headers(&mut exchange, &stream),
        Action::Continue
    );
    assert!(!worker.passes("a"));
    // Reset before any answer.
    worker.filter.on_stream_end(exchange, &stream);
    assert_eq!(worker.count("a"), 1_000);
}

#[test]
fn an_end_without_a_clock_forgets_nothing_of_others() {
    let worker = under_way();
    let stream = worker.stream(&[]);
    let mut exchange = Exchange::default();
    worker.filter.on_request_headers(&mut exchange, &stream);
    stream.fail(Call::Clock, "");
    worker.filter.on_stream_end(exchange, &stream);
    assert!(!worker.passes("a"));
    worker.process.set_now_ms(NOW_MS + 120_000);
    assert!(worker.passes("a"), "it is forgotten in the end");
}

#[test]
fn an_answer_says_what_its_request_has_cost() {
    let cost = json!({"cost": {"constant": 10, "responseHeader": {"name": "x-cost", "max": 50}}});
    let worker = Worker::new(&config(&[merged(limit("client", 100), &cost)], &json!({})));
    let serve = |cost: Option<&[u8]>| {
        let stream = worker.stream(&[]);
        let mut exchange = Exchange::default();
        let action = worker.filter.on_request_headers(&mut exchange, &stream);
        let mut headers: Vec<(&str, &[u8])> = vec![(":status", b"200")];
        headers.extend(cost.map(|cost| ("x-cost", cost)));
        stream.respond(&headers);
        worker.filter.on_response_headers(&mut exchange, true, &stream);
        worker.filter.on_stream_end(exchange, &stream);
        (action, stream.response_values("ratelimit"))
    };
    let left = |cost: Option<&[u8]>| {
        let (_, told) = serve(cost);
        let told = String::from_utf8(told[0].clone()).unwrap();
        told.split([';', '=']).nth(2).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(left(Some(b"0")), 90);
    assert_eq!(left(Some(b"30")), 90);
    assert_eq!(left(None), 60);
    assert_eq!(left(Some(b"\xff")), 50);
    assert_eq!(left(Some(b"999999999999999999999999")), 40);
    assert_eq!(serve(None).0, Action::Pause);
}

#[test]
fn what_limits_say_is_counted_for_each_of_them() {
    let process = Process::new(NOW_MS);
    let host = weir_host::fake::Worker::new(&process);
    host.set_configuration(config(&[limit("client", 2)], &json!({})).to_string().as_bytes());
    let mut root = Root::<RateLimitFilter>::new(std::rc::Rc::<Vm>::default());
    assert!(root.on_configure(&host), "{:?}", host.log_lines());
    for _ in 0..3 {
        let request = weir_host::fake::Stream::of(&process, &[("x-user", b"a")]);
        root.open_stream().on_request_headers(&request);
    }
    root.on_tick(&host);
    let count = |outcome: &str| {
        let family = "weir_limit_decisions_total.filter.rate-limit.outcome";
        process.metric(&format!("{family}.{outcome}.policy.default_api.limit.client"))
    };
    assert_eq!(
        (count("allowed"), count("limited"), count("failed")),
        (Some(2), Some(1), None)
    );
}

#[test]
fn a_bad_configuration_is_refused_with_its_pointer() {
    let bad = config(&[limit("client", 0)], &json!({}));
    let error = RateLimitFilter::configure(bad.to_string().as_bytes(), &Counters::default()).unwrap_err();
    assert!(
        error.starts_with("/policies/default~1api/limits/0/quota/rate: "),
        "{error}"
    );
    assert!(RateLimitFilter::configure(b"", &Counters::default()).is_err());
}
