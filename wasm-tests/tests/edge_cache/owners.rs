//! Whose answer it is: nobody gets one that is another's.

use serde_json::{Value, json};
use weir_wasm_tests::{Answer, Request};

use crate::fixture::{Cached, is_hit, plain, plain_with, text};
use crate::origin::fresh;

/// The key holds that of the map `tenants`.
fn by_tenant(sources: Value) -> Value {
    let shard_keys = json!({"rules": [{"policy": "default/tenants"}], "maps": {"default/tenants": sources}});
    plain_with("/key/shardKeys", shard_keys)
}

fn tenant(name: &str) -> Request {
    Request::get("/a").header("x-tenant", name)
}

/// The origin says for whom it answers.
fn name_the_tenant(cached: &Cached) {
    cached.origin.answer(|request| {
        let tenant = request
            .headers
            .text("x-tenant")
            .unwrap_or_else(|| "nobody".to_owned());
        fresh(60).body(tenant)
    });
}

#[test]
fn tenants_never_see_one_anothers_answers() {
    let cached = Cached::on(2, &by_tenant(json!([{"header": "x-tenant"}])));
    name_the_tenant(&cached);
    for round in 0..3 {
        for name in ["anna", "ben", "anna,ben", "Anna", "\u{e9}"] {
            let answer = cached.ask(round % 2, tenant(name));
            assert_eq!(text(&answer), name);
            assert_eq!(is_hit(&answer), round > 0);
        }
        assert_eq!(text(&cached.ask(round % 2, Request::get("/a"))), "nobody");
    }
    assert_eq!(cached.origin.count(), 6);
}

#[test]
fn tenants_do_not_wait_for_one_another() {
    let cached = Cached::on(2, &by_tenant(json!([{"header": "x-tenant"}])));
    cached.origin.answer(|request| {
        let tenant = request.headers.text("x-tenant").unwrap();
        fresh(60).body(tenant).after(crate::origin::ms(100))
    });
    let crowd = cached.crowd_of(40, |number| tenant(["anna", "ben"][number / 2 % 2]));
    assert_eq!(cached.origin.count(), 2);
    cached.advance(110);
    for (number, exchange) in crowd.iter().enumerate() {
        assert_eq!(
            text(&exchange.response().unwrap()),
            ["anna", "ben"][number / 2 % 2]
        );
    }
}

#[test]
fn credentials_get_what_is_for_all_only_where_the_origin_says_so() {
    let cached = Cached::on(2, &plain());
    let signed = || Request::get("/a").header("authorization", "Basic YTpi");
    cached.origin.always(fresh(60).body("a's"));
    assert!(!is_hit(&cached.ask(0, signed())));
    assert!(!is_hit(&cached.ask(0, signed())), "not stored");
    assert!(!is_hit(&cached.get(1, "/a")));
    assert!(is_hit(&cached.get(0, "/a")), "others have one of their own");
    assert!(!is_hit(&cached.ask(1, signed())), "which is none of a's");
    assert!(is_hit(&cached.get(1, "/a")), "and which a does not take away");
    let cached = Cached::on(2, &plain());
    cached.origin.always(
        Answer::ok()
            .header("cache-control", "public, max-age=60")
            .body("all"),
    );
    assert!(!is_hit(&cached.ask(0, signed())));
    assert!(is_hit(&cached.ask(1, signed())));
    assert!(is_hit(&cached.get(1, "/a")));
}

#[test]
fn an_answer_that_sets_a_cookie_is_one_clients() {
    let cookie = || fresh(60).header("set-cookie", "session=1").body("own");
    let cached = Cached::on(2, &plain());
    cached.origin.always(cookie());
    for worker in [0, 1] {
        let answer = cached.get(worker, "/a");
        assert!(!is_hit(&answer));
        assert_eq!(answer.headers.text("set-cookie").as_deref(), Some("session=1"));
    }
    let cached = Cached::on(2, &plain_with("/storeSetCookie", json!(true)));
    cached.origin.always(cookie());
    cached.get(0, "/a");
    let hit = cached.get(1, "/a");
    assert!(is_hit(&hit));
    assert_eq!(hit.headers.text("set-cookie").as_deref(), Some("session=1"));
}

#[test]
fn variants_are_told_apart() {
    let cached = Cached::on(2, &plain());
    let language = |name: &str| Request::get("/a").header("accept-language", name);
    cached.origin.answer(|request| {
        let language = request.headers.text("accept-language").unwrap_or_default();
        fresh(60).header("vary", "accept-language").body(language)
    });
    for round in 0..2 {
        for name in ["en", "de", "\u{fc}"] {
            let answer = cached.ask(round, language(name));
            assert_eq!((text(&answer), is_hit(&answer)), (name, round > 0));
        }
        assert_eq!(text(&cached.get(round, "/a")), "");
    }
    assert_eq!(cached.origin.count(), 4);
}

#[test]
fn an_answer_that_varies_by_more_than_before_is_not_served_by_less() {
    let cached = Cached::on(2, &plain());
    let ask = |worker, language: &str, device: &str| {
        let request = Request::get("/a")
            .header("accept-language", language)
            .header("x-device", device);
        text(&cached.ask(worker, request)).to_owned()
    };
    cached.origin.answer(|request| {
        let [language, device] =
            ["accept-language", "x-device"].map(|name| request.headers.text(name).unwrap());
        let by_device = language == "de";
        let vary = if by_device { "x-device" } else { "accept-language" };
        fresh(60)
            .header("vary", vary)
            .body(format!("{language} {}", if by_device { &device } else { "any" }))
    });
    for _ in 0..3 {
        assert_eq!(ask(0, "en", "tv"), "en any");
        assert_eq!(ask(1, "de", "tv"), "de tv");
        assert_eq!(ask(0, "de", "phone"), "de phone");
        assert_eq!(ask(1, "en", "phone"), "en any");
    }
    let before = cached.origin.count();
    for _ in 0..3 {
        ask(0, "de", "phone");
        ask(1, "de", "tv");
    }
    assert_eq!(cached.origin.count(), before, "all are stored by now");
}

#[test]
fn what_varies_by_everything_is_stored_for_nobody() {
    let cached = Cached::on(1, &plain());
    cached.origin.always(fresh(60).header("vary", "*"));
    for _ in 0..3 {
        assert!(!is_hit(&cached.get(0, "/a")));
    }
}

#[test]
fn who_passes_by_neither_reads_nor_writes() {
    let mut policy = crate::fixture::policy();
    policy["bypassHeaders"] = json!(["x-preview"]);
    policy["bypassCookies"] = json!(["session"]);
    let cached = Cached::on(2, &crate::fixture::slot(&policy));
    let requests = [
        Request::get("/a").header("x-preview", "1"),
        Request::get("/a").header("cookie", "theme=dark; session=1"),
        Request::get("/a").header("cache-control", "no-store"),
    ];
    for request in &requests {
        let answer = cached.ask(0, request.clone());
        assert_eq!(text(&answer), "/a");
    }
    assert!(!is_hit(&cached.get(1, "/a")), "nothing was stored");
    for request in &requests {
        assert!(!is_hit(&cached.ask(0, request.clone())));
    }
    assert!(is_hit(&cached.get(0, "/a")));
}
