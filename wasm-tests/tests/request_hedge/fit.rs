//! Which requests may be sent twice.

use weir_wasm_tests::Request;

use crate::fixture::{Hedged, WRITE, plain, plain_with};
use crate::replicas::ms;

/// A process whose first tries are slow, with tokens for all that a test asks.
fn slow() -> Hedged {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.first_takes(100);
    hedged
}

fn tries(hedged: &Hedged, request: Request) -> usize {
    hedged.ask(0, request).upstream_requests().len()
}

fn post(length: usize) -> Request {
    Request::new("POST", "/a")
        .header("content-length", length.to_string())
        .body(vec![b'x'; length])
}

fn keyed(request: Request) -> Request {
    request.header("Idempotency-Key", "k-1")
}

#[test]
fn by_its_method() {
    let hedged = slow();
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(tries(&hedged, Request::new(method, "/a")), 2, "{method}");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "G\u{e9}T", ""] {
        let request = Request::with_pseudo_headers(method.as_bytes(), b"/a", b"service.test");
        assert_eq!(
            tries(&hedged, request.header("content-length", "0")),
            1,
            "{method}"
        );
    }
    assert_eq!((hedged.decided("unfit"), hedged.hedges("sent")), (8, 3));
}

#[test]
fn by_a_header_whatever_its_method() {
    let hedged = slow();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let request = || Request::new(method, "/a").header("content-length", "0");
        assert_eq!(tries(&hedged, request()), 1, "{method}");
        assert_eq!(tries(&hedged, keyed(request())), 2, "{method}");
    }
}

#[test]
fn by_its_body() {
    let hedged = slow();
    for (length, expected) in [(0, 2), (1, 2), (1_000, 2), (1_001, 1)] {
        assert_eq!(tries(&hedged, keyed(post(length))), expected, "{length}");
        assert_eq!(tries(&hedged, post(length)), 1, "{length}");
    }
    let announced = |length: &str| {
        let request = keyed(Request::new("POST", "/a")).body("x");
        tries(&hedged, request.header("content-length", length))
    };
    for length in ["", "x", "-1", "+1", "1.0", "0x1", "1 1", "18446744073709551616"] {
        assert_eq!(announced(length), 1, "{length}");
    }
    assert_eq!(
        tries(&hedged, keyed(Request::new("POST", "/a")).body("x")),
        1,
        "no length"
    );
    let chunked = keyed(Request::new("POST", "/a")).header("transfer-encoding", "chunked");
    assert_eq!(tries(&hedged, chunked.body("x")), 1);
    let both = keyed(post(1)).header("transfer-encoding", "chunked");
    assert_eq!(tries(&hedged, both), 1);
}

#[test]
fn a_second_try_has_the_whole_body() {
    let hedged = slow();
    let exchange = hedged.ask(
        0,
        keyed(Request::new("POST", "/a"))
            .header("content-length", "6")
            .body("abc")
            .body("def"),
    );
    let bodies: Vec<_> = exchange
        .upstream_requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(bodies, [b"abcdef", b"abcdef"]);
}

#[test]
fn upgrades_and_tunnels_are_left_alone() {
    let hedged = slow();
    let upgrade = Request::get("/a")
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    assert_eq!(tries(&hedged, upgrade), 1);
    assert_eq!(
        tries(
            &hedged,
            keyed(Request::new("CONNECT", "/a")).header("content-length", "0")
        ),
        1
    );
    let all = Hedged::on(1, &plain_with("/methods", serde_json::json!(["CONNECT"])));
    all.replicas.first_takes(100);
    assert_eq!(
        tries(&all, Request::new("CONNECT", "/a").header("content-length", "0")),
        1
    );
}

#[test]
fn other_clusters_are_left_alone() {
    let hedged = slow();
    assert_eq!(tries(&hedged, Request::get("/write")), 1);
    assert_eq!(
        tries(&hedged, Request::get("/a").header("x-weir-cluster", WRITE)),
        1
    );
    assert_eq!(
        tries(&hedged, Request::get("/a").header("x-weir-cluster", [0xff, 0])),
        1
    );
    let before = hedged.decisions();
    assert_eq!(tries(&hedged, Request::get("/write")), 1);
    assert_eq!(hedged.decisions(), before, "nor are they counted");
    assert_eq!(hedged.ask(0, Request::get("/write")).duration(), ms(101));
}

#[test]
fn other_requests_are_left_alone() {
    let mut configuration = plain();
    configuration["rules"][0]["match"] =
        serde_json::json!({"path": {"type": "Prefix", "value": "/elsewhere"}});
    let hedged = Hedged::on(1, &configuration);
    hedged.replicas.first_takes(100);
    assert_eq!(tries(&hedged, Request::get("/a")), 1);
    assert_eq!(hedged.decisions(), 0);
    hedged.ask(0, Request::get("/elsewhere"));
    hedged.advance(2_000);
    assert_eq!(tries(&hedged, Request::get("/elsewhere")), 2);
}
