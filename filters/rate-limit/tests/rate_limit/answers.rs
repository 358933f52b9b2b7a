//! What clients are told.

use serde_json::json;
use weir_host::Action;
use weir_host::fake::{Call, Reply};
use weir_host::port::GrpcStatus;

use crate::fixture::{Worker, config, limit, merged, problem, texts, value};

fn legacy() -> Worker {
    Worker::new(&config(
        &[limit("client", 1)],
        &json!({"headers": {"legacy": true}}),
    ))
}

#[test]
fn a_refusal_is_a_problem_with_its_members() {
    let worker = Worker::new(&config(
        &[limit("client", 1), limit("tenant", 1)],
        &json!({"headers": {"legacy": true}}),
    ));
    assert!(worker.passes("a"));
    let stream = worker.stream(&[("x-user", b"a")]);
    assert_eq!(worker.serve(&stream), Action::Pause);
    let (status, headers, body) = problem(&stream);
    assert_eq!(status, 429);
    assert_eq!(value(&headers, "content-type"), Some("application/problem+json"));
    assert_eq!(value(&headers, "retry-after"), Some("3600"));
    assert_eq!(value(&headers, "x-ratelimit-limit"), Some("1"));
    assert_eq!(value(&headers, "x-ratelimit-remaining"), Some("0"));
    assert_eq!(value(&headers, "x-ratelimit-reset"), Some("3600"));
    assert_eq!(
        value(&headers, "ratelimit"),
        Some(r#""client";r=0;t=3600, "tenant";r=0;t=3600"#)
    );
    assert!(
        value(&headers, "ratelimit-policy")
            .unwrap()
            .starts_with(r#""client";q=1;w=3600;pk=:"#)
    );
    let expected = json!({
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "The request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "detail": "There is quota for the request in 3600 s.",
        "violated-policies": ["client", "tenant"],
    });
    assert_eq!(body, expected);
}

#[test]
fn grpc_is_refused_in_its_own_way() {
    let worker = legacy();
    assert!(worker.passes("a"));
    let stream = worker.stream(&[("x-user", b"a"), ("content-type", b"application/grpc+proto")]);
    assert_eq!(worker.serve(&stream), Action::Pause);
    let Some(Reply::Grpc {
        http,
        status,
        headers,
        ..
    }) = stream.answer()
    else {
        panic!()
    };
    assert_eq!((http, status), (429, GrpcStatus::ResourceExhausted));
    let headers = texts(headers);
    assert_eq!(value(&headers, "retry-after"), Some("3600"));
    assert_eq!(value(&headers, "ratelimit"), Some(r#""client";r=0;t=3600"#));
}

#[test]
fn what_never_passes_has_no_time_to_come_again() {
    let cost = merged(limit("client", 5), &json!({"cost": {"constant": 6}}));
    let worker = Worker::new(&config(&[cost], &json!({})));
    let stream = worker.stream(&[]);
    assert_eq!(worker.serve(&stream), Action::Pause);
    let (status, headers, body) = problem(&stream);
    assert_eq!((status, value(&headers, "retry-after")), (429, None));
    assert_eq!(body["detail"], "The request costs more than there is at once.");
}

#[test]
fn no_share_is_want_of_capacity() {
    let fleet = merged(limit("client", 5), &json!({"fleet": {"proxies": 100_000}}));
    let fleet = merged(
        fleet,
        &json!({"quota": {"rate": {"requests": 1, "windowMs": 1_000, "burst": 1}}}),
    );
    let worker = Worker::new(&config(&[fleet], &json!({})));
    let host = weir_host::fake::Worker::new(&worker.process);
    let answer = json!({
        "leaseMs": 60_000, "proxies": 1,
        "limits": [{"limit": "default/api/client", "share": 0, "keys": []}],
    });
    use weir_host::Filter;
    worker
        .filter
        .on_report_answer(worker.process.now_ns(), answer.to_string().as_bytes(), &host);
    let stream = worker.stream(&[]);
    assert_eq!(worker.serve(&stream), Action::Pause);
    let (status, headers, body) = problem(&stream);
    assert_eq!((status, value(&headers, "retry-after")), (503, None));
    assert_eq!(
        body["type"],
        "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
    );
    assert_eq!(body["detail"], "The proxy has no share of the quota at present.");
    let grpc = worker.stream(&[("content-type", b"application/grpc")]);
    worker.serve(&grpc);
    assert!(matches!(
        grpc.answer(),
        Some(Reply::Grpc {
            status: GrpcStatus::Unavailable,
            http: 503,
            ..
        })
    ));
}

#[test]
fn a_missing_value_is_the_clients_fault_where_the_limit_says_so() {
    let reject = merged(limit("client", 5), &json!({"onMissingKey": "reject"}));
    let worker = Worker::new(&config(&[reject], &json!({})));
    let stream = worker.stream(&[("x-other", b"secret-7")]);
    assert_eq!(worker.serve(&stream), Action::Pause);
    let (status, headers, body) = problem(&stream);
    assert_eq!(status, 400);
    assert_eq!(value(&headers, "ratelimit"), None);
    assert_eq!(body["type"], "https://weir.dev/problems/limit-key-missing");
    assert!(body["detail"].as_str().unwrap().contains("\"client\""));
    assert!(!body.to_string().contains("secret-7"));
    let grpc = worker.stream(&[("content-type", b"application/grpc")]);
    worker.serve(&grpc);
    assert!(matches!(
        grpc.answer(),
        Some(Reply::Grpc {
            status: GrpcStatus::InvalidArgument,
            ..
        })
    ));
}

#[test]
fn an_answer_is_told_once_beside_what_the_upstream_says() {
    let worker = legacy();
    let stream = worker.stream(&[("x-user", b"a")]);
    let mut exchange = weir_rate_limit::Exchange::default();
    use weir_host::Filter;
    worker.filter.on_request_headers(&mut exchange, &stream);
    stream.respond(&[(":status", b"200"), ("ratelimit", b"\"upstream\";r=1")]);
    worker.filter.on_response_headers(&mut exchange, true, &stream);
    worker.filter.on_response_headers(&mut exchange, true, &stream);
    let limits = [b"\"upstream\";r=1".to_vec(), b"\"client\";r=0;t=3600".to_vec()];
    assert_eq!(stream.response_values("ratelimit"), limits);
    assert_eq!(stream.response_values("ratelimit-policy").len(), 1);
    assert_eq!(stream.response_values("x-ratelimit-remaining"), [b"0".to_vec()]);
}

#[test]
fn its_own_refusal_is_not_told_twice() {
    let worker = legacy();
    worker.passes("a");
    let stream = worker.stream(&[("x-user", b"a")]);
    assert_eq!(worker.serve(&stream), Action::Pause);
    for name in [
        "ratelimit",
        "ratelimit-policy",
        "x-ratelimit-limit",
        "retry-after",
    ] {
        assert_eq!(stream.response_values(name).len(), 1, "{name}");
    }
    let changes = stream
        .calls()
        .into_iter()
        .filter(|(call, _)| *call == Call::ChangeResponse);
    assert_eq!(changes.count(), 0);
}

#[test]
fn a_response_that_takes_no_fields_is_let_go() {
    let worker = legacy();
    let stream = worker.stream(&[]);
    stream.fail(Call::ChangeResponse, "ratelimit-policy");
    assert_eq!(worker.serve(&stream), Action::Continue);
    assert_eq!(stream.log_lines().len(), 1);
}
