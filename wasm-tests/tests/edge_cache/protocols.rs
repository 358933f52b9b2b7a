//! What is no plain exchange of GET and answer passes as it came.

use weir_wasm_tests::{Answer, Request};

use crate::fixture::{Cached, cache_status, is_hit, plain, text};
use crate::origin::{fresh, ms};

#[test]
fn other_protocols_pass_untouched() {
    let requests = [
        Request::get("/a")
            .http1()
            .header("upgrade", "websocket")
            .header("connection", "Upgrade"),
        Request::new("CONNECT", "/a").header(":protocol", "websocket"),
        Request::new("POST", "/pkg.Service/Method")
            .header("content-type", "application/grpc")
            .body("x"),
        Request::get("/a").header("accept", "text/event-stream"),
        Request::new("OPTIONS", "/a"),
        Request::get("/a").header("content-length", "1").body("x"),
    ];
    for request in requests {
        let cached = Cached::on(2, &plain());
        cached
            .origin
            .always(fresh(60).header("x-origin", "1").body("plain"));
        for worker in [0, 1, 1] {
            let answer = cached.ask(worker, request.clone());
            assert_eq!((answer.status, text(&answer)), (200, "plain"));
            assert_eq!(cache_status(&answer), "", "{request:?}");
        }
        assert_eq!(cached.origin.count(), 3, "{request:?}");
        assert!(cached.process.traps().is_empty());
    }
}

#[test]
fn an_event_stream_flows_and_holds_up_nobody() {
    let cached = Cached::on(2, &plain());
    let events = Answer::ok()
        .header("content-type", "text/event-stream")
        .header("cache-control", "max-age=60");
    cached.origin.always(
        events
            .chunk(ms(10), "data: 1\n\n")
            .chunk(ms(10_000), "data: 2\n\n"),
    );
    let crowd = cached.crowd(4, "/events");
    cached.advance(30);
    for exchange in &crowd {
        assert_eq!(exchange.response().unwrap().body, b"data: 1\n\n");
    }
    cached.advance(10_010);
    assert!(crowd.iter().all(weir_wasm_tests::Exchange::is_complete));
}

#[test]
fn a_switch_of_protocols_passes() {
    let cached = Cached::on(1, &plain());
    cached.origin.always(
        Answer::ok()
            .chunk(ms(10), "frame 1")
            .chunk(ms(10), "frame 2")
            .then_hang(),
    );
    let request = Request::get("/chat")
        .http1()
        .header("upgrade", "websocket")
        .header("connection", "Upgrade");
    let exchange = cached.send(0, request);
    cached.advance(30);
    assert_eq!(exchange.response().unwrap().body, b"frame 1frame 2");
    exchange.abort();
    assert!(cached.process.traps().is_empty());
}

#[test]
fn chunks_are_stored_as_one() {
    let cached = Cached::on(2, &plain());
    let chunked = (0..20).fold(fresh(60), |answer, number| {
        answer.chunk(ms(5), format!("{number},"))
    });
    cached.origin.always(chunked);
    let first = cached.get(0, "/a");
    let second = cached.get(1, "/a");
    assert!(is_hit(&second));
    assert_eq!(first.body, second.body);
    assert_eq!(
        second.headers.text("content-length"),
        Some(second.body.len().to_string())
    );
}

#[test]
fn answers_without_a_body_are_served_without_one() {
    for status in [200, 204, 301] {
        let cached = Cached::on(2, &plain());
        cached.origin.always(
            Answer::status(status)
                .header("cache-control", "max-age=60")
                .header("x-a", "1"),
        );
        for (worker, hit) in [(0, false), (1, true), (1, true)] {
            let answer = cached.get(worker, "/a");
            assert_eq!(
                (answer.status, answer.body.len(), is_hit(&answer)),
                (status, 0, hit)
            );
            assert_eq!(answer.headers.text("x-a").as_deref(), Some("1"));
            assert_eq!(answer.headers.text("content-type"), None);
        }
    }
}

#[test]
fn a_304_for_which_nothing_is_stored_reaches_who_asked() {
    let cached = Cached::on(1, &plain());
    cached.origin.always(
        Answer::status(304)
            .header("etag", "\"v1\"")
            .header("cache-control", "max-age=60"),
    );
    for _ in 0..2 {
        let answer = cached.ask(0, Request::get("/a").header("if-none-match", "\"v1\""));
        assert_eq!((answer.status, is_hit(&answer)), (304, false));
    }
    cached.origin.always(fresh(60).body("whole"));
    assert_eq!(text(&cached.get(0, "/a")), "whole");
}

#[test]
fn huge_headers_pass_and_are_served_as_they_were() {
    let cached = Cached::on(2, &plain());
    let bytes: Vec<u8> = (0..60_000_u32)
        .map(|at| [b'a', 0x80, 0xff, b'~'][at as usize % 4])
        .collect();
    let many = (0..300).fold(fresh(60), |answer, number| {
        answer.header("x-many", format!("{number}"))
    });
    cached.origin.always(many.header("x-long", &bytes).body("one"));
    let request = || {
        let request =
            Request::get(&format!("/{}", "a".repeat(30_000))).header("x-client", vec![0xe9; 30_000]);
        request.header("cookie", "c".repeat(30_000))
    };
    for (worker, hit) in [(0, false), (1, true)] {
        let answer = cached.ask(worker, request());
        assert_eq!((answer.status, is_hit(&answer)), (200, hit));
        assert_eq!(answer.headers.get("x-long"), Some(bytes.as_slice()));
        assert_eq!(answer.headers.values("x-many").count(), 300);
    }
}

#[test]
fn fields_of_one_hop_are_not_stored() {
    let cached = Cached::on(2, &plain());
    let answer = fresh(60)
        .header("keep-alive", "timeout=5")
        .header("connection", "x-hop")
        .header("x-hop", "1");
    cached
        .origin
        .always(answer.header("proxy-authenticate", "Basic").body("one"));
    cached.get(0, "/a");
    let hit = cached.get(1, "/a");
    for name in [
        "keep-alive",
        "connection",
        "x-hop",
        "proxy-authenticate",
        "x-envoy-upstream-service-time",
    ] {
        assert_eq!(hit.headers.text(name), None, "{name}");
    }
}

#[test]
fn a_request_that_names_no_target_passes() {
    let cached = Cached::on(1, &plain());
    for request in [
        Request::with_pseudo_headers(b"GET", b"", b"service.test"),
        Request::with_pseudo_headers(b"GET", b"/a", b""),
        Request::with_pseudo_headers(b"", b"/a", b"service.test"),
        Request::with_pseudo_headers(b"\xff", b"/\xff", b"\xff"),
    ] {
        let exchange = cached.listener.request(0, request).unwrap();
        assert!(exchange.has_ended());
        assert!(cached.process.traps().is_empty());
    }
}
