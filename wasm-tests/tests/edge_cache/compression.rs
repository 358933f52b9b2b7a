//! Answers that are compressed in store: every client gets bytes that it can read.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use weir_wasm_tests::{Answer, Request, Response, Status};

use crate::fixture::{Cached, is_hit, plain_with, text};
use crate::origin::fresh;

fn compressing() -> Value {
    plain_with(
        "/compress",
        json!({"minBytes": 100, "types": ["text/*", "application/json"]}),
    )
}

fn body() -> String {
    (0..500)
        .map(|number| format!("line {number} of a text\n"))
        .collect()
}

/// An answer with a tag.
fn long() -> Answer {
    fresh(60).header("etag", "\"v1\"").body(body())
}

fn gunzip(response: &Response) -> String {
    let mut plain = String::new();
    GzDecoder::new(response.body.as_slice())
        .read_to_string(&mut plain)
        .unwrap();
    plain
}

fn gzip() -> Request {
    Request::get("/a").header("accept-encoding", "br, gzip")
}

#[test]
fn each_client_gets_what_it_can_read() {
    let cached = Cached::on(2, &compressing());
    cached.origin.always(long());
    let first = cached.ask(0, gzip());
    assert_eq!(
        (text(&first), first.headers.text("content-encoding")),
        (body().as_str(), None)
    );
    for worker in [0, 1, 1] {
        let zipped = cached.ask(worker, gzip());
        assert!(is_hit(&zipped));
        assert_eq!(zipped.headers.text("content-encoding").as_deref(), Some("gzip"));
        assert!(zipped.body.len() < body().len() / 4);
        assert_eq!(gunzip(&zipped), body());
        let plain = cached.get(worker, "/a");
        assert!(is_hit(&plain));
        assert_eq!(
            (text(&plain), plain.headers.text("content-encoding")),
            (body().as_str(), None)
        );
        for answer in [&zipped, &plain] {
            assert_eq!(answer.headers.text("vary").as_deref(), Some("accept-encoding"));
            assert_eq!(
                answer.headers.text("content-length"),
                Some(answer.body.len().to_string())
            );
        }
        assert_ne!(zipped.headers.text("etag"), plain.headers.text("etag"));
        assert_eq!(plain.headers.text("etag").as_deref(), Some("\"v1\""));
    }
    assert_eq!(cached.origin.count(), 1);
}

#[test]
fn either_tag_is_known() {
    let cached = Cached::on(2, &compressing());
    cached.origin.always(long());
    cached.get(0, "/a");
    let zipped = cached.ask(0, gzip()).headers.text("etag").unwrap();
    for tag in [zipped.as_str(), "\"v1\""] {
        for request in [gzip(), Request::get("/a")] {
            let answer = cached.ask(1, request.header("if-none-match", tag));
            assert_eq!(
                (answer.status, answer.headers.text("etag").as_deref()),
                (304, Some(tag))
            );
        }
    }
}

#[test]
fn ranges_are_of_the_plain_bytes() {
    let cached = Cached::on(2, &compressing());
    cached.origin.always(long());
    cached.get(0, "/a");
    let part = cached.ask(1, gzip().header("range", "bytes=5-16"));
    assert_eq!((part.status, text(&part)), (206, &body()[5..17]));
    assert_eq!(part.headers.text("content-encoding"), None);
    assert_eq!(
        part.headers.text("content-range"),
        Some(format!("bytes 5-16/{}", body().len()))
    );
}

#[test]
fn head_says_what_get_would() {
    let cached = Cached::on(1, &compressing());
    cached.origin.always(long());
    cached.get(0, "/a");
    for accepts in ["gzip", "identity"] {
        let get = cached.ask(0, Request::get("/a").header("accept-encoding", accepts));
        let head = cached.ask(0, Request::new("HEAD", "/a").header("accept-encoding", accepts));
        for name in ["content-length", "content-encoding", "etag", "vary"] {
            assert_eq!(
                head.headers.text(name),
                get.headers.text(name),
                "{accepts} {name}"
            );
        }
        assert!(head.body.is_empty());
    }
}

#[test]
fn what_is_short_or_of_another_kind_or_encoded_already_is_left_alone() {
    let answers = [
        fresh(60).body("short"),
        Answer::ok()
            .header("cache-control", "max-age=60")
            .header("content-type", "image/png")
            .body(body()),
        fresh(60).header("content-encoding", "br").body(body()),
        fresh(60).header("cache-control", "no-transform").body(body()),
    ];
    for answer in answers {
        let cached = Cached::on(1, &compressing());
        cached.origin.always(answer);
        let [first, second] = [0, 0].map(|worker| cached.ask(worker, gzip()));
        assert!(is_hit(&second));
        assert_eq!(first.body, second.body);
        assert_eq!(
            first.headers.text("content-encoding"),
            second.headers.text("content-encoding")
        );
    }
}

#[test]
fn a_host_that_cannot_compress_or_uncompress_costs_nothing_but_room() {
    let cached = Cached::on(2, &compressing());
    cached.origin.always(long());
    cached
        .process
        .foreign_function("compress", |_| Err(Status::InternalFailure));
    cached.get(0, "/a");
    let plain = cached.ask(1, gzip());
    assert_eq!((text(&plain), is_hit(&plain)), (body().as_str(), true));

    let cached = Cached::on(2, &compressing());
    cached.origin.always(long());
    cached.get(0, "/a");
    cached
        .process
        .foreign_function("uncompress", |_| Err(Status::InternalFailure));
    let plain = cached.get(1, "/a");
    assert_eq!(text(&plain), body(), "it is fetched anew");
    assert_eq!(gunzip(&cached.ask(1, gzip())), body());
}

#[test]
fn what_is_validated_stays_readable() {
    let cached = Cached::on(2, &compressing());
    cached.origin.always(long());
    cached.get(0, "/a");
    cached.advance(61_000);
    cached
        .origin
        .always(Answer::status(304).header("cache-control", "max-age=60"));
    assert_eq!(gunzip(&cached.ask(1, gzip())), body());
    assert_eq!(text(&cached.get(0, "/a")), body());
    assert_eq!(gunzip(&cached.ask(0, gzip())), body());
}
