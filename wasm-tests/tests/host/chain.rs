//! Chains of filters before scripted upstreams.

use std::time::Duration;

use weir_wasm_tests::{
    Answer, Cluster, Exchange, FailurePolicy, Fleet, HttpChain, Listener, Module, Plugin, PluginOptions,
    Process, Request, Route,
};

use crate::probe::{callback, on_request, probe, said};

const MS: Duration = Duration::from_millis(1);

fn plugin(process: &Process, module: &Module, name: &str, failure_policy: FailurePolicy) -> Plugin {
    let options = PluginOptions {
        name: name.to_owned(),
        vm_id: name.to_owned(),
        failure_policy,
        ..PluginOptions::of(module)
    };
    let plugin = process.load_with(module, options);
    plugin.configure("{}").unwrap();
    plugin
}

fn chain(process: &Process, filters: &[&str]) -> HttpChain {
    let names = ["first", "second", "third"];
    let mut chain = HttpChain::new().route(Route::prefix("/").cluster("up").retry_backoff(Duration::ZERO));
    for (callbacks, name) in filters.iter().zip(names) {
        chain = chain.filter(&plugin(
            process,
            &probe(callbacks),
            name,
            FailurePolicy::FailReload,
        ));
    }
    chain
}

fn listener(process: &Process, filters: &[&str], up: Cluster) -> Listener {
    process.cluster("up", up);
    process.listener(chain(process, filters))
}

/// Sets these request headers.
fn set(headers: &[(&str, &str)]) -> String {
    let calls = headers
        .iter()
        .map(|(name, value)| format!("(!ok (!proxy_replace_header_map_value #0 '{name}' '{value}'))"));
    on_request(&calls.collect::<String>())
}

fn hedging() -> String {
    set(&[
        ("x-envoy-hedge-on-per-try-timeout", "true"),
        ("x-envoy-upstream-rq-per-try-timeout-ms", "50"),
        ("x-envoy-retry-on", "retriable-status-codes"),
        ("x-envoy-max-retries", "1"),
    ])
}

#[test]
fn an_exchange_is_a_snapshot() {
    let process = Process::new(1);
    let second = callback(
        "proxy_on_response_headers",
        "i32 i32",
        "(!ok (!proxy_add_header_map_value #2 'x-second' 'yes'))",
    );
    let up = Cluster::new(|request| {
        let path = request.headers.text(":path").unwrap();
        Answer::ok().body(path).trailer("x-sum", "7").after(20 * MS)
    });
    let listener = listener(&process, &[&set(&[("x-first", "1")]), &second], up);
    let exchange = listener
        .request(0, Request::new("PUT", "/a").body("one").body("two"))
        .unwrap();
    insta::assert_snapshot!(exchange, @r"
    to up/host-1 after 0ns
      :method: PUT
      :scheme: http
      :authority: service.test
      :path: /a
      x-first: 1
      x-envoy-expected-rq-timeout-ms: 15000
      [onetwo]
    response after 20ms, via_upstream
      :status: 200
      x-envoy-upstream-service-time: 20
      x-second: yes
      date: Thu, 01 Jan 2026 00:00:00 GMT
      server: envoy
      [/a]
      trailer x-sum: 7
    ");
}

#[test]
fn a_slow_try_is_hedged_to_another_host_and_reset_when_it_loses() {
    let process = Process::new(1);
    let up = Cluster::new(|_| Answer::status(201).after(300 * MS))
        .host("quick", |_| Answer::status(202).after(5 * MS));
    let listener = listener(&process, &[&hedging()], up);
    let exchange = listener.request(0, Request::get("/")).unwrap();
    let tries = exchange.upstream_requests();
    let seen: Vec<_> = tries
        .iter()
        .map(|request| (request.host.as_str(), request.reset))
        .collect();
    assert_eq!(seen, [("host-1", true), ("quick", false)]);
    assert_eq!(tries[1].at - tries[0].at, 50 * MS);
    assert_eq!((exchange.status(), exchange.duration()), (202, 55 * MS));
}

#[test]
fn a_quick_answer_is_not_hedged() {
    let process = Process::new(1);
    let listener = listener(
        &process,
        &[&hedging()],
        Cluster::answering(Answer::ok().after(49 * MS)),
    );
    let exchange = listener.request(0, Request::get("/")).unwrap();
    assert_eq!((exchange.upstream_requests().len(), exchange.status()), (1, 200));
}

#[test]
fn a_reply_of_the_second_filter_passes_the_first_and_not_the_third() {
    let process = Process::new(1);
    let marks = |name: &str| {
        callback(
            "proxy_on_response_headers",
            "i32 i32",
            &format!("(!ok (!proxy_add_header_map_value #2 'x-{name}' 'yes'))"),
        )
    };
    let replies = on_request("(!ok (!proxy_send_local_response #403 'no' 'stop' '' (i32.const -1)))")
        + &marks("second");
    let listener = listener(
        &process,
        &[&marks("first"), &replies, &marks("third")],
        Cluster::answering(Answer::ok()),
    );
    let exchange = listener.request(0, Request::get("/")).unwrap();
    let response = exchange.response().unwrap();
    let seen = ["x-first", "x-second", "x-third"].map(|name| response.headers.get(name).is_some());
    assert_eq!((response.status, seen), (403, [true, true, false]));
    assert_eq!(exchange.upstream_requests(), []);
    assert_eq!(exchange.response_code_details().as_deref(), Some("no"));
}

fn falling(policy: FailurePolicy) -> (Process, Listener) {
    let process = Process::new(1);
    process.cluster("up", Cluster::answering(Answer::ok()));
    let module = probe(&on_request(
        "(if (i32.eqz (!proxy_get_header_map_value #0 'x-fall' #16 #20)) (then unreachable)) (!say 'served')",
    ));
    let filter = plugin(&process, &module, "falls", policy);
    let listener = process.listener(
        HttpChain::new()
            .filter(&filter)
            .route(Route::prefix("/").cluster("up")),
    );
    (process, listener)
}

fn statuses(process: &Process, listener: &Listener) -> [u16; 4] {
    process.advance(Duration::from_secs(2)).unwrap();
    let send = |request: Request| listener.request(0, request).unwrap().status();
    let before = send(Request::get("/"));
    let fallen = send(Request::get("/").header("x-fall", "now"));
    let at_once = send(Request::get("/"));
    process.advance(Duration::from_secs(2)).unwrap();
    [before, fallen, at_once, send(Request::get("/"))]
}

#[test]
fn what_a_trap_means_is_the_policys_to_say() {
    let cases = [
        (FailurePolicy::FailClosed, [200, 503, 503, 503], 1),
        (FailurePolicy::FailOpen, [200, 503, 200, 200], 1),
        (FailurePolicy::FailReload, [200, 503, 200, 200], 3),
    ];
    for (policy, expected, served) in cases {
        let (process, listener) = falling(policy);
        assert_eq!(statuses(&process, &listener), expected, "{policy:?}");
        assert_eq!(said(&process).len(), served, "{policy:?}");
        assert_eq!(process.traps().len(), 1, "{policy:?}");
    }
}

#[test]
fn a_vm_that_falls_again_waits_for_its_back_off() {
    let (process, listener) = falling(FailurePolicy::FailReload);
    process.advance(Duration::from_secs(2)).unwrap();
    let fall = || {
        listener
            .request(0, Request::get("/").header("x-fall", "now"))
            .unwrap()
            .status()
    };
    assert_eq!([fall(), fall()], [503, 503]);
    assert_eq!(
        listener.request(0, Request::get("/")).unwrap().status(),
        503,
        "the second VM is too young"
    );
    process.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(listener.request(0, Request::get("/")).unwrap().status(), 200);
}

#[test]
fn a_held_request_that_nothing_continues_is_an_error_not_a_hang() {
    let process = Process::new(1);
    let listener = listener(
        &process,
        &[&on_request("(return #1)")],
        Cluster::answering(Answer::ok()),
    );
    let error = listener.request(0, Request::get("/")).err().unwrap();
    assert!(error.to_string().contains("did not end"), "{error}");
}

/// Holds a request, asks another cluster, and goes on with the answer in a header.
fn asking() -> String {
    on_request(
        "(!ok (!proxy_http_call 'side' '\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\02\\00\\00\\00\\0a\\00\\00\\00\\04\\00\\00\\00:method\\00GET\\00:path\\00/a\\00:authority\\00side\\00' '' '' #100 #24)) (return #1)",
    ) + "(func (export \"proxy_on_http_call_response\") (param i32 i32 i32 i32 i32)
           (!ok (!proxy_get_header_map_value #6 ':status' #16 #20))
           (!ok (!proxy_set_effective_context #2))
           (!ok (!proxy_replace_header_map_value #0 'x-side' (i32.load #16) (i32.load #20)))
           (!ok (!proxy_continue_stream #0)))"
}

fn asked(side: Cluster) -> Exchange {
    let process = Process::new(1);
    process.cluster("side", side);
    let listener = listener(&process, &[&asking()], Cluster::answering(Answer::ok()));
    listener.request(0, Request::get("/")).unwrap()
}

#[test]
fn a_call_takes_its_virtual_time_and_no_longer_than_its_limit() {
    let side = |exchange: &Exchange| exchange.upstream_requests()[0].headers.text("x-side").unwrap();
    let quick = asked(Cluster::answering(Answer::status(204).after(30 * MS)));
    assert_eq!((side(&quick).as_str(), quick.duration()), ("204", 30 * MS));
    let late = asked(Cluster::answering(Answer::status(204).after(130 * MS)));
    assert_eq!((side(&late).as_str(), late.duration()), ("504", 100 * MS));
    let refused = asked(Cluster::new(|_| Answer::refused()));
    assert_eq!(
        (side(&refused).as_str(), refused.duration()),
        ("503", Duration::ZERO)
    );
}

#[test]
fn a_step_of_the_wall_clock_is_not_part_of_an_exchange() {
    let fleet = Fleet::new();
    let process = fleet.process(1);
    let up = Cluster::answering(Answer::ok().after(20 * MS));
    let listener = listener(&process, &[&on_request("")], up);
    fleet.step_clock(-3_600_000_000_000);
    let exchange = listener.send(0, Request::get("/"));
    fleet.step_clock(7_200_000_000_000);
    assert_eq!(exchange.duration(), Duration::ZERO);
    process.advance(20 * MS).unwrap();
    assert_eq!(exchange.duration(), 20 * MS);
    assert!(
        exchange.to_string().starts_with("to up/host-1 after 0ns\n"),
        "{exchange}"
    );
}
