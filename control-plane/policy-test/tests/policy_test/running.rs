//! Steps, on the real module.

use std::time::Duration;

use weir_policy_test::{
    Answer, Fail, Modules, Observed, Policies, PolicyTestError, Proxy, Request, Setup, Suite,
};

use crate::fixture::{Fixture, backend, grown, modules, sample};

fn passes(steps: &str) {
    passes_with(&Fixture::of_steps(steps));
}

fn passes_with(fixture: &Fixture) {
    if let Some(failure) = fixture.failure() {
        panic!("{failure}");
    }
}

#[test]
fn a_failure_reads_well() {
    let steps = "
      - request: {path: /orders, headers: {x-user-id: bob}}
        expect: {shard: a}
      - request: {path: /orders, headers: {x-user-id: bob}, times: 3}
        expect: {status: 201, shard: b, cluster: weir/default/orders/a/read}
";
    let expected = "\
policy-tests/t.yaml:7:9: step 2: GET /orders x-user-id: bob, worker 1, at 0ms, 1 of 3: 200 from weir/default/orders/a/read
  status
    expected 201
    got      200
  shard
    expected \"b\"
    got      \"a\"";
    assert_eq!(Fixture::of_steps(steps).failure_text(), expected);
}

#[test]
fn a_routes_own_backend_answers_it() {
    let steps = "      - request: {path: /status}
        expect: {status: 200, shard: null, cluster: weir/default/backend/orders-a}\n";
    passes(steps);
}

#[test]
fn no_route_is_404() {
    passes(
        "      - request: {path: /nowhere}\n        expect: {status: 404, upstream: {count: 0}, cached: false}\n",
    );
}

#[test]
fn upstreams_answer_as_scripted() {
    let fixture = Fixture::new(
        "\
backends:
  orders-a: {status: 418, headers: {x-pot: tea}, body: short, after: 20ms}
  b: {fail: reset}
  c: {fail: refused}
tests:
  - name: one
    steps:
      - request: {path: /orders, headers: {x-user-id: bob}}
        expect: {status: 418, headers: {x-pot: tea}, body: short}
      - request: {path: /status}
        expect: {status: 418}
      - request: {path: /orders, headers: {x-user-id: carol}}
        expect: {status: 503, body: {matches: '.*reset reason: remote reset'}, upstream: {count: 1}}
      - request: {path: /orders, headers: {x-user-id: alice}}
        expect: {status: 503, body: {matches: '.*reset reason: remote connection failure'}}
",
    );
    passes_with(&fixture);
}

#[test]
fn time_passes_as_upstreams_take_it_and_routes_allow_it() {
    for answer in ["{fail: never}", "{after: 51ms}"] {
        let fixture = Fixture::new(&format!(
            "\
backends: {{orders-a: {answer}}}
tests:
  - name: one
    steps:
      - request: {{path: /status}}
        expect: {{status: 504}}
      - advance: 1s
      - request: {{path: /nowhere}}
        expect: {{status: 0}}
"
        ));
        let failure = fixture.failure_text();
        assert!(failure.contains("worker 1, at 1050ms: 404"), "{failure}");
    }
}

#[test]
fn the_upstream_gets_method_body_and_headers_but_no_cluster_header() {
    let fixture = Fixture::new("tests: []\n");
    let policies = Policies::load([fixture.at("orders.yaml")]).unwrap();
    let mut proxy = Proxy::start(&policies, &modules(), Setup::default()).unwrap();
    let request = Request::new("POST", "/orders?x=1")
        .host("shop.test:8080")
        .header("x-user-id", "bob")
        .header("X-Weir-Cluster", "weir/default/orders/c/write")
        .header("x_weir_secret", "1")
        .header("x-tag", "1")
        .header("x-tag", "2")
        .body("hello");
    let seen = proxy.request(&request).unwrap();
    let call = &seen.upstream[0];
    let header = |name: &str| call.headers.text(name);
    assert_eq!(seen.cluster(), Some("weir/default/orders/a/write"));
    assert_eq!(call.body, b"hello");
    assert_eq!(header(":method").as_deref(), Some("POST"));
    assert_eq!(header(":path").as_deref(), Some("/orders?x=1"));
    assert_eq!(header(":authority").as_deref(), Some("shop.test:8080"));
    assert_eq!(call.headers.values("x-tag").count(), 2);
    assert_eq!((header("x-weir-cluster"), header("x_weir_secret")), (None, None));
}

/// What filters ask the router for, by its headers.
fn tries(answer: Answer, asked: &[(&str, &str)]) -> Observed {
    let fixture = Fixture::new("tests: []\n");
    let policies = Policies::load([fixture.at("orders.yaml")]).unwrap();
    let setup = Setup {
        backends: [("a".to_owned(), answer)].into(),
        ..Setup::default()
    };
    let mut proxy = Proxy::start(&policies, &modules(), setup).unwrap();
    let request = Request::get("/orders").header("x-user-id", "bob");
    let request = asked
        .iter()
        .fold(request, |request, (name, value)| request.header(name, value));
    proxy.request(&request).unwrap()
}

#[test]
fn hedges_are_told_from_retries() {
    let slow = Answer {
        after: weir_policy::quantity::Duration::from_millis(300),
        ..Answer::default()
    };
    let failing = Answer {
        fail: Some(Fail::Reset),
        ..Answer::default()
    };
    let limited = [
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-upstream-rq-per-try-timeout-ms", "50"),
    ];
    let hedging = [
        limited.as_slice(),
        &[("x-envoy-hedge-on-per-try-timeout", "true")],
    ]
    .concat();
    let hedge = tries(slow.clone(), &hedging);
    assert!(hedge.upstream.len() == 2 && hedge.is_hedged(), "{hedge:?}");
    assert!(
        hedge.hedge_delay() >= Some(Duration::from_millis(50)),
        "{hedge:?}"
    );
    for retry in [
        tries(slow, &limited),
        tries(failing, &[("x-envoy-retry-on", "5xx")]),
    ] {
        assert!(retry.upstream.len() == 2 && !retry.is_hedged(), "{retry:?}");
    }
}

/// The filter's budget would be worth nothing else.
#[test]
fn where_requests_are_hedged_clients_ask_for_no_retries() {
    let fixture = Fixture::new("tests: []\n");
    fixture.write(
        "hedge.yaml",
        "apiVersion: weir.dev/v1alpha1\nkind: HedgePolicy\nmetadata: {name: reads}\nspec: {}\n",
    );
    let failing = Answer {
        fail: Some(Fail::Reset),
        ..Answer::default()
    };
    let setup = || Setup {
        backends: [("a".to_owned(), failing.clone())].into(),
        ..Setup::default()
    };
    let plain = Policies::load([fixture.at("orders.yaml")]).unwrap();
    let hedged = Policies::load(["orders.yaml", "hedge.yaml"].map(|file| fixture.at(file))).unwrap();
    let request = Request::get("/orders")
        .header("x-user-id", "bob")
        .header("X-Envoy-Retry-On", "5xx");
    let tries = |proxy: &mut Proxy| proxy.request(&request).unwrap().upstream.len();
    assert_eq!(tries(&mut Proxy::start(&hedged, &modules(), setup()).unwrap()), 1);
    let mut proxy = Proxy::start(&plain, &modules(), setup()).unwrap();
    assert_eq!(tries(&mut proxy), 2);
    proxy.apply(&hedged).unwrap();
    assert_eq!(tries(&mut proxy), 1);
}

#[test]
fn documents_change_live_on_every_worker() {
    let steps = "
      - request: {path: /orders, headers: {x-user-id: bob}, times: 2}
        expect: {shard: a}
      - apply: [../later/grown.yaml]
      - request: {path: /orders, headers: {x-user-id: bob}, worker: 0}
        expect: {status: 200, shard: d}
      - request: {path: /orders, headers: {x-user-id: bob}, worker: 1}
        expect: {status: 200, shard: d}
";
    let fixture = Fixture::of_steps(steps);
    fixture.write(
        "later/grown.yaml",
        &format!("{}---\n{}", grown(), backend("orders-d")),
    );
    passes_with(&fixture);
    let inline = backend("orders-d").replace('\n', "\n          ");
    let map = grown().replace('\n', "\n          ");
    let apply = format!("      - apply:\n        - {inline}\n        - {map}\n");
    passes(&steps.replace("      - apply: [../later/grown.yaml]\n", &apply));
}

#[test]
fn routes_change_live() {
    let gateway = "\
apiVersion: weir.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec:
  listeners: [{port: 8080}]
  routes: [{name: later, match: [{path: {type: Exact, value: /later}}], backend: orders-c}]
";
    let fixture = Fixture::of_steps(
        "
      - request: {path: /later}
        expect: {status: 404}
      - apply: [../later/gateway.yaml]
      - request: {path: /later}
        expect: {status: 200, cluster: weir/default/backend/orders-c}
      - request: {path: /status}
        expect: {status: 404}
",
    );
    fixture.write("later/gateway.yaml", gateway);
    passes_with(&fixture);
}

#[test]
fn a_shard_that_comes_later_can_be_scripted() {
    let fixture = Fixture::new(
        "\
backends: {orders-d: {status: 299}}
tests:
  - name: one
    steps:
      - apply: [../later/grown.yaml]
      - request: {path: /orders, headers: {x-user-id: bob}}
        expect: {status: 299}
",
    );
    fixture.write(
        "later/grown.yaml",
        &format!("{}---\n{}", grown(), backend("orders-d")),
    );
    passes_with(&fixture);
}

#[test]
fn metrics_go_by_envoys_and_prometheus_names() {
    let steps = r#"
      - request: {path: /orders, times: 3}
      - advance: 2s
      - metrics:
          weir_requests_total.filter.shard-router.outcome.missing-key.map.default_orders: 3
          wasmcustom.weir_generation_in_force.filter.shard-router: {atLeast: 1}
          'weir_requests_total{outcome="missing-key",filter="shard-router",map="default_orders"}': METRIC
          weir_other: null
"#;
    passes(&steps.replace("METRIC", "3"));
    let failure = Fixture::of_steps(&steps.replace("METRIC", "{atLeast: 4}")).failure_text();
    let expected = "\
policy-tests/t.yaml:7:9: step 3: metrics, at 2s
  weir_requests_total{outcome=\"missing-key\",filter=\"shard-router\",map=\"default_orders\"}
    expected at least 4
    got      3";
    assert_eq!(failure, expected);
}

#[test]
fn tests_know_nothing_of_one_another() {
    let test = "
    steps:
      - request: {path: /orders}
      - advance: 2s
      - metrics:
          weir_requests_total.filter.shard-router.outcome.missing-key.map.default_orders: 1\n";
    let tests: String = (0..20)
        .map(|index| format!("  - name: test {index}{test}"))
        .collect();
    let report = Fixture::new(&format!("tests:\n{tests}")).run();
    let names: Vec<_> = report.tests.iter().map(|test| test.name.clone()).collect();
    let expected: Vec<_> = (0..20).map(|index| format!("test {index}")).collect();
    assert_eq!((names, report.failed()), (expected, 0));
}

#[test]
fn progress_counts_to_the_end() {
    let fixture = Fixture::new(
        "tests:\n  - {name: a, steps: [{advance: 1s}]}\n  - {name: b, steps: [{advance: 1s}]}\n",
    );
    let mut seen = Vec::new();
    fixture.suite().run(&modules(), &mut |progress| {
        assert!(progress.done < progress.total);
        seen.push(progress.test.name().to_owned());
    });
    seen.sort();
    assert_eq!(seen, ["a", "b"]);
}

#[test]
fn a_text_chooses_tests_by_file_and_name() {
    let fixture = Fixture::new(
        "tests:\n  - {name: alpha, steps: [{advance: 1s}]}\n  - {name: beta, steps: [{advance: 1s}]}\n",
    );
    for (text, left) in [("alpha", 1), ("t.yaml: b", 1), ("a", 2), ("gamma", 0)] {
        let mut suite = fixture.suite();
        suite.keep(text);
        assert_eq!(suite.tests().len(), left, "{text}");
    }
}

#[test]
fn a_worker_that_is_not_there_is_told() {
    let fixture = Fixture::new("tests: []\n");
    let policies = Policies::load([fixture.at("orders.yaml")]).unwrap();
    let proxy = Proxy::start(&policies, &modules(), Setup::default()).unwrap();
    let error = proxy.request_on(2, &Request::get("/")).unwrap_err();
    assert!(
        matches!(
            error,
            PolicyTestError::NoWorker {
                worker: 2,
                workers: 2
            }
        ),
        "{error}"
    );
}

#[test]
fn the_sample_passes() {
    let suite = Suite::load(&[sample().join("policy-tests")]).unwrap_or_else(|error| panic!("{error}"));
    let report = suite.run(&modules(), &mut |_| ());
    assert!(
        report.failed() == 0 && report.passed() > 5,
        "{}",
        report.summary()
    );
}

/// From Rust, in ten lines.
#[test]
fn a_test_of_ten_lines() -> Result<(), PolicyTestError> {
    let documents = ["gateway.yaml", "backends.yaml", "orders.yaml"].map(|name| sample().join(name));
    let policies = Policies::load(documents)?;
    let mut proxy = Proxy::start(&policies, &Modules::packed()?, Setup::default())?;
    let seen = proxy.request(&Request::get("/orders").header("x-user-id", "alice"))?;
    assert_eq!((seen.status, seen.shard()), (Some(200), Some("c")));
    Ok(())
}

/// One request of each user in an hour, and of each address.
const LIMITS: &str = "\
apiVersion: weir.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: api}
spec:
  headers: {standard: never}
  limits:
    - {name: user, key: [{header: x-user-id}], onMissingKey: skip, quota: {rate: {requests: 1, window: 1h}}}
---
apiVersion: weir.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: peers}
spec:
  match: [{path: {type: Exact, value: /status}}]
  limits:
    - {name: peer, key: [{clientAddress: {}}], quota: {rate: {requests: 1, window: 1h}}}
---
apiVersion: weir.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: clients}
spec:
  match: [{path: {type: Prefix, value: /orders/forwarded}}]
  limits:
    - {name: client, key: [{clientAddress: {trustedHops: 1}}], quota: {rate: {requests: 1, window: 1h}}}
";

fn limited(steps: &str, answer: &str) -> Fixture {
    let fixture = Fixture::new(&format!(
        "backends: {{orders-a: {answer}}}\ntests:\n  - name: one\n    steps:\n{steps}"
    ));
    fixture.write("limits.yaml", LIMITS);
    fixture
}

#[test]
fn the_filter_limits_over_all_workers_until_time_has_passed() {
    let steps = "
      - request: {path: /orders, headers: {x-user-id: bob}}
        expect: {status: 200, limited: false, shard: a}
      - request: {path: /orders, headers: {x-user-id: bob}, times: 4}
        expect: {status: 429, limited: true, upstream: {count: 0}, headers: {retry-after: '3600'}}
      - request: {path: /orders, headers: {x-user-id: alice}}
        expect: {limited: false}
      - advance: 1h
      - request: {path: /orders, headers: {x-user-id: bob}}
        expect: {limited: false}
      - advance: 2s
      - metrics:
          weir_limit_decisions_total{filter=\"rate-limit\",outcome=\"limited\",policy=\"default_api\",limit=\"user\"}: 4
          weir_limit_decisions_total{filter=\"rate-limit\",outcome=\"allowed\",policy=\"default_api\",limit=\"user\"}: 3
";
    passes_with(&limited(steps, "{}"));
}

#[test]
fn what_an_upstream_refuses_is_not_limited() {
    let steps = "
      - request: {path: /orders, headers: {x-user-id: bob}}
        expect: {status: 429, limited: false, body: slow down}
      - request: {path: /orders, headers: {x-user-id: bob}}
        expect: {status: 429, limited: true, bodyJson: {/violated-policies/0: user}}
";
    let busy = "{status: 429, headers: {retry-after: '3600', content-type: application/problem+json}, body: slow down}";
    passes_with(&limited(steps, busy));
}

#[test]
fn a_grpc_status_of_an_upstream_is_not_limited() {
    let steps = "
      - request: {method: POST, path: /orders, headers: {x-user-id: bob, content-type: application/grpc}}
        expect: {status: 200, limited: false, headers: {grpc-status: '8'}}
      - request: {method: POST, path: /orders, headers: {x-user-id: bob, content-type: application/grpc}}
        expect: {status: 200, limited: true, headers: {grpc-status: '8', retry-after: '3600'}}
";
    let exhausted = "{headers: {grpc-status: '8', content-type: application/grpc}}";
    passes_with(&limited(steps, exhausted));
}

#[test]
fn requests_have_an_address() {
    let steps = "
      - request: {path: /status, from: 203.0.113.7}
        expect: {limited: false, upstream: {headers: {x-forwarded-for: 203.0.113.7}}}
      - request: {path: /status, from: 203.0.113.7, headers: {x-forwarded-for: 203.0.113.8}}
        expect: {limited: true}
      - request: {path: /status, from: 203.0.113.8}
        expect: {limited: false}
      - request: {path: /status, from: '2001:db8::1'}
        expect: {limited: false}
      - request: {path: /status, from: '2001:db8::2'}
        expect: {limited: true}
      - request: {path: /status}
        expect: {limited: false, upstream: {headers: {x-forwarded-for: 127.0.0.1}}}
      - request: {path: /orders/forwarded, from: 10.0.0.1, headers: {x-forwarded-for: 198.51.100.1}}
        expect: {limited: false}
      - request: {path: /orders/forwarded, from: 10.0.0.2, headers: {x-forwarded-for: ['192.0.2.1', '198.51.100.1']}}
        expect: {limited: true}
      - request: {path: /orders/forwarded, from: 10.0.0.1, headers: {x-forwarded-for: 198.51.100.2}}
        expect: {limited: false}
";
    passes_with(&limited(steps, "{}"));
}
