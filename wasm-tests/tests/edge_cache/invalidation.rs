//! What changes something makes what is stored of it out of date.

use weir_wasm_tests::{Answer, Request};

use crate::fixture::{Cached, is_hit, plain, text};
use crate::origin::{fresh, ms, path};

/// `/a` and `/b` are stored, as their version says.
fn stored(version: &'static str) -> Cached {
    let cached = Cached::on(2, &plain());
    version_is(&cached, version);
    for path in ["/a", "/b"] {
        cached.get(0, path);
    }
    cached
}

fn version_is(cached: &Cached, version: &'static str) {
    cached.origin.answer(move |request| {
        let method = request.headers.text(":method").unwrap();
        match method.as_str() {
            "GET" => fresh(60).body(format!("{} {version}", path(request))),
            "OPTIONS" | "HEAD" => Answer::ok(),
            _ if path(request).contains("fail") => Answer::status(500),
            _ => Answer::status(201).header("location", "/b"),
        }
    });
}

#[test]
fn all_workers_see_that_a_request_has_changed_something() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "MAGIC"] {
        let cached = stored("v1");
        assert!(is_hit(&cached.get(1, "/a")));
        version_is(&cached, "v2");
        assert_eq!(cached.ask(1, Request::new(method, "/a").body("x")).status, 201);
        for worker in [0, 1] {
            assert_eq!(text(&cached.get(worker, "/a")), "/a v2", "{method}");
            assert_eq!(text(&cached.get(worker, "/b")), "/b v2", "{method}: its Location");
        }
    }
}

#[test]
fn what_changes_nothing_leaves_what_is_stored() {
    let cached = stored("v1");
    version_is(&cached, "v2");
    cached.ask(1, Request::new("OPTIONS", "/a"));
    cached.ask(1, Request::new("POST", "/a?fail").body("x"));
    cached.ask(1, Request::new("POST", "/c").authority("other.test").body("x"));
    for worker in [0, 1] {
        assert_eq!(text(&cached.get(worker, "/a")), "/a v1");
    }
}

#[test]
fn a_fill_that_began_before_is_not_stored() {
    for workers in [1, 2] {
        let cached = Cached::on(workers, &plain());
        cached
            .origin
            .answer(|request| match request.headers.text(":method").as_deref() {
                Some("GET") => fresh(60).body("old").after(ms(200)),
                _ => Answer::status(204),
            });
        let leader = cached.send(0, Request::get("/a"));
        cached.advance(100);
        cached.ask(workers - 1, Request::new("POST", "/a").body("x"));
        cached.origin.always(fresh(60).body("new"));
        cached.advance(110);
        assert_eq!(text(&leader.response().unwrap()), "old");
        for worker in 0..workers {
            assert_eq!(text(&cached.get(worker, "/a")), "new", "{workers} workers");
        }
    }
}

#[test]
fn those_who_wait_for_an_answer_that_went_out_of_date_ask_anew() {
    for workers in [1, 2] {
        let cached = Cached::on(workers, &plain());
        cached
            .origin
            .answer(|request| match request.headers.text(":method").as_deref() {
                Some("GET") => fresh(60).body("old").after(ms(200)),
                _ => Answer::status(204),
            });
        let _leader = cached.send(0, Request::get("/a"));
        let crowd = cached.crowd(10, "/a");
        cached.advance(100);
        cached
            .origin
            .answer(|request| match request.headers.text(":method").as_deref() {
                Some("GET") => fresh(60).body("new").after(ms(50)),
                _ => Answer::status(204),
            });
        cached.ask(0, Request::new("POST", "/a").body("x"));
        cached.advance(60);
        for exchange in &crowd {
            assert_eq!(text(&exchange.response().unwrap()), "new", "{workers} workers");
        }
        assert_eq!(cached.origin.count(), 3);
    }
}

#[test]
fn all_variants_go() {
    let cached = Cached::on(2, &plain());
    let ask = |worker, language: &str| {
        let answer = cached.ask(worker, Request::get("/a").header("accept-language", language));
        text(&answer).to_owned()
    };
    let version_is = |version: &'static str| {
        cached
            .origin
            .answer(move |request| match request.headers.text("accept-language") {
                Some(language) => fresh(60)
                    .header("vary", "accept-language")
                    .body(format!("{language} {version}")),
                None => Answer::status(204),
            });
    };
    version_is("v1");
    assert_eq!(
        [ask(0, "en"), ask(0, "de"), ask(1, "en")],
        ["en v1", "de v1", "en v1"]
    );
    version_is("v2");
    cached.ask(1, Request::new("DELETE", "/a"));
    assert_eq!(
        [ask(0, "en"), ask(0, "de"), ask(1, "en")],
        ["en v2", "de v2", "en v2"]
    );
    assert_eq!(cached.origin.count(), 5);
}
