//! What a client must not say.

use weir_wasm_tests::{HeaderMap, Request};

use crate::fixture::{Hedged, plain, plain_with};

/// The headers by which Envoy tries again.
const NAMES: [&str; 7] = [
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-upstream-rq-per-try-timeout-ms",
];

/// What goes on of a request, through this filter alone.
fn passed(hedged: &Hedged, request: Request) -> HeaderMap {
    hedged.plugin.worker(0).request(request).unwrap().headers
}

#[test]
fn goes_no_further_by_any_name_in_any_case_however_often_whatever_it_says() {
    let hedged = Hedged::on(1, &plain());
    let values: [&[u8]; 4] = [b"true", b"", b"\x80\xff", b"5xx,\xc3\xa9"];
    for name in NAMES {
        let titled = name.replace("envoy-r", "Envoy-R");
        for spelled in [name, &name.to_ascii_uppercase(), &titled] {
            for path in ["/a", "/write", "/elsewhere"] {
                let request = values.iter().fold(Request::new("POST", path), |request, value| {
                    request.header(spelled, value)
                });
                let headers = passed(&hedged, request.header("x-other", "kept"));
                assert_eq!(headers.get(name), None, "{spelled} {path}");
                assert_eq!(headers.get("x-other"), Some(&b"kept"[..]));
            }
        }
    }
}

#[test]
fn all_at_once_go_no_further_and_what_stands_is_the_filters() {
    let hedged = Hedged::on(1, &plain());
    let all = |request: Request| {
        NAMES.iter().fold(request, |request, name| {
            request.header(name, "7").header(name, "8")
        })
    };
    let read = Request::get("/a").header("x-weir-cluster", "orders-read");
    let headers = passed(&hedged, all(read));
    let own = NAMES.map(|name| {
        headers
            .values(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect::<Vec<_>>()
            .join("+")
    });
    assert_eq!(own, ["retriable-status-codes", "", "1", "", "", "true", "20"]);
    let headers = passed(&hedged, all(Request::new("POST", "/a")));
    assert!(
        NAMES.iter().all(|name| headers.get(name).is_none()),
        "{headers:?}"
    );
}

#[test]
fn a_client_cannot_ask_for_tries() {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.all_take(300);
    let request = |method: &str| {
        Request::new(method, "/a")
            .header("x-envoy-hedge-on-per-try-timeout", "true")
            .header("x-envoy-upstream-rq-per-try-timeout-ms", "1")
            .header("x-envoy-retry-on", "5xx")
            .header("x-envoy-max-retries", "9")
    };
    assert_eq!(hedged.ask(0, request("POST")).upstream_requests().len(), 1);
    assert_eq!(hedged.ask(0, request("GET")).upstream_requests().len(), 2);
}

#[test]
fn a_shadow_removes_it_too() {
    let hedged = Hedged::on(1, &plain_with("/shadow", true.into()));
    let request = Request::get("/a").header("x-weir-cluster", "orders-read");
    let headers = passed(
        &hedged,
        NAMES
            .iter()
            .fold(request, |request, name| request.header(name, "1")),
    );
    assert!(
        NAMES.iter().all(|name| headers.get(name).is_none()),
        "{headers:?}"
    );
}
