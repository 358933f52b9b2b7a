//! Purges: events of the control plane, which one worker learns and all obey.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use weir_wasm_tests::{Answer, Cluster, Request};

use crate::fixture::{CONTROL, Cached, POLICY, controlled, is_hit, plain, plain_with, text};
use crate::origin::{fresh, ms, path};

/// The pages that polls get, one after another; then they are held.
#[derive(Clone, Default)]
struct Control(Arc<Mutex<VecDeque<(Duration, Value)>>>);

impl Control {
    fn cluster(&self) -> Cluster {
        let pages = Arc::clone(&self.0);
        Cluster::new(move |_| match pages.lock().unwrap().pop_front() {
            Some((after, page)) => Answer::ok().body(page.to_string()).after(after),
            None => Answer::never(),
        })
    }

    fn tell(&self, after: Duration, page: Value) {
        self.0.lock().unwrap().push_back((after, page));
    }
}

fn page(cursor: u64, reset: bool, events: &[Value]) -> Value {
    json!({"cursor": cursor, "reset": reset, "events": events})
}

/// A purge at revision 8.
fn purge(what: &Value, soft: bool, policy: Option<&str>) -> Value {
    let mut purge = json!({"soft": soft, "what": what});
    if let Some(policy) = policy {
        purge["policy"] = policy.into();
    }
    json!({"revision": 8, "cachePurge": purge})
}

/// Workers that have polled once, and learn of this page two seconds later.
fn purged_by(workers: usize, configuration: Value, page_after: Value) -> Cached {
    let control = Control::default();
    control.tell(Duration::ZERO, page(7, false, &[]));
    control.tell(ms(2_500), page_after);
    let cached = Cached::on(workers, &controlled(configuration));
    cached.process.cluster(CONTROL, control.cluster());
    cached.advance(500);
    cached.origin.answer(|request| {
        let tag = path(request)
            .trim_start_matches('/')
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        fresh(600)
            .header("surrogate-key", format!("{tag} all-{tag}"))
            .header("etag", "\"e\"")
            .body(path(request))
    });
    cached
}

const PATHS: [&str; 4] = ["/a/1", "/a/2", "/b/1", "/b/1?x=1"];

/// Which of the paths are purged by this; all workers agree.
fn gone(what: &Value, policy: Option<&str>) -> Vec<&'static str> {
    gone_by(page(8, false, &[purge(what, false, policy)]))
}

fn gone_by(page: Value) -> Vec<&'static str> {
    let cached = purged_by(3, plain(), page);
    for path in PATHS {
        for worker in [0, 1, 2] {
            cached.get(worker, path);
        }
    }
    assert_eq!(cached.origin.count(), PATHS.len());
    cached.advance(4_000);
    let gone: Vec<&str> = PATHS
        .into_iter()
        .filter(|path| !is_hit(&cached.get(2, path)))
        .collect();
    for path in PATHS {
        for worker in [0, 1] {
            assert!(is_hit(&cached.get(worker, path)), "{path}: fetched anew, once");
        }
    }
    assert_eq!(cached.origin.count(), PATHS.len() + gone.len());
    gone
}

#[test]
fn a_purge_is_of_what_it_names() {
    assert_eq!(gone(&json!("all"), None), PATHS);
    assert_eq!(gone(&json!("all"), Some(POLICY)), PATHS);
    assert_eq!(gone(&json!({"tags": ["a"]}), None), ["/a/1", "/a/2"]);
    assert_eq!(
        gone(&json!({"tags": ["x", "all-b"]}), Some(POLICY)),
        ["/b/1", "/b/1?x=1"]
    );
    assert_eq!(gone(&json!({"urls": ["service.test/a/1"]}), None), ["/a/1"]);
    assert_eq!(
        gone(&json!({"urls": ["service.test/b/1?x=1"]}), None),
        ["/b/1?x=1"]
    );
    assert_eq!(
        gone(&json!({"prefixes": ["service.test/b/"]}), None),
        ["/b/1", "/b/1?x=1"]
    );
    assert_eq!(gone(&json!({"prefixes": ["service.test/"]}), Some(POLICY)), PATHS);
}

#[test]
fn a_purge_of_something_else_is_of_nothing() {
    let none: [&str; 0] = [];
    assert_eq!(gone(&json!("all"), Some("default/others")), none);
    assert_eq!(gone(&json!({"tags": ["c"]}), None), none);
    assert_eq!(gone(&json!({"tags": ["a"]}), Some("default/others")), none);
    assert_eq!(gone(&json!({"urls": ["other.test/a/1"]}), None), none);
    assert_eq!(gone(&json!({"prefixes": ["other.test/"]}), None), none);
    assert_eq!(
        gone_by(page(8, false, &[json!({"revision": 8, "somethingLater": {}})])),
        none
    );
}

#[test]
fn who_can_no_longer_know_what_was_purged_drops_all() {
    assert_eq!(gone_by(page(900, true, &[])), PATHS);
}

#[test]
fn what_was_purged_softly_is_stale() {
    let soft = page(8, false, &[purge(&json!({"tags": ["a"]}), true, None)]);
    let cached = purged_by(2, plain_with("/stale/whileRevalidateMs", json!(60_000)), soft);
    cached.get(0, "/a/1");
    cached.get(0, "/b/1");
    cached.advance(4_000);
    cached.origin.always(fresh(600).body("new"));
    assert_eq!(
        text(&cached.get(1, "/a/1")),
        "/a/1",
        "stale, and refreshed meanwhile"
    );
    assert_eq!(text(&cached.get(0, "/a/1")), "new");
    assert_eq!(text(&cached.get(1, "/b/1")), "/b/1");
    assert_eq!(cached.origin.count(), 3);
}

#[test]
fn what_was_purged_softly_is_validated_where_stale_will_not_do() {
    let soft = page(8, false, &[purge(&json!("all"), true, None)]);
    let cached = purged_by(2, plain(), soft);
    cached.get(0, "/a/1");
    cached.advance(4_000);
    cached.origin.always(Answer::status(304));
    assert_eq!(text(&cached.get(1, "/a/1")), "/a/1");
    assert_eq!(
        cached.origin.last().headers.text("if-none-match").as_deref(),
        Some("\"e\"")
    );
    assert!(is_hit(&cached.get(0, "/a/1")));
}

#[test]
fn a_fill_that_began_before_a_purge_of_it_is_not_stored() {
    let whats = [
        json!("all"),
        json!({"tags": ["all-a"]}),
        json!({"urls": ["service.test/a/1"]}),
        json!({"prefixes": ["service.test/a"]}),
    ];
    for what in whats {
        for soft in [false, true] {
            let cached = purged_by(2, plain(), page(8, false, &[purge(&what, soft, None)]));
            cached.advance(1_000);
            cached.origin.always(
                fresh(600)
                    .header("surrogate-key", "a all-a")
                    .body("old")
                    .after(ms(3_000)),
            );
            let crowd = cached.crowd(6, "/a/1");
            cached.advance(2_000);
            cached.origin.always(fresh(600).body("new"));
            cached.advance(2_000);
            for exchange in &crowd {
                let body = exchange.response().unwrap().body;
                assert!(body == b"old" || body == b"new");
            }
            assert_eq!(
                text(&crowd[5].response().unwrap()),
                "new",
                "{what}: it looked after the purge"
            );
            for worker in [0, 1] {
                assert_eq!(text(&cached.get(worker, "/a/1")), "new", "{what}, soft: {soft}");
            }
        }
    }
}

/// Purges that came before a proxy's first poll are in no page.
#[test]
fn what_was_stored_before_the_first_poll_is_gone_with_its_answer() {
    let control = Control::default();
    control.tell(ms(2_000), page(7, false, &[]));
    let cached = Cached::on(2, &controlled(plain()));
    cached.process.cluster(CONTROL, control.cluster());
    cached.origin.always(fresh(600).body("old"));
    cached.get(0, "/a/1");
    assert!(is_hit(&cached.get(1, "/a/1")));
    cached.advance(4_000);
    cached.origin.always(fresh(600).body("new"));
    assert_eq!(text(&cached.get(1, "/a/1")), "new");
    cached.advance(4_000);
    assert!(is_hit(&cached.get(0, "/a/1")));
}

#[test]
fn a_refresh_that_began_before_a_purge_is_not_stored() {
    let cached = purged_by(
        2,
        plain_with("/stale/whileRevalidateMs", json!(60_000)),
        page(8, false, &[purge(&json!({"tags": ["a"]}), false, None)]),
    );
    cached.origin.always(
        fresh(1)
            .header("surrogate-key", "a")
            .header("etag", "\"e\"")
            .body("old"),
    );
    cached.get(0, "/a/1");
    cached.advance(1_200);
    cached.origin.always(Answer::status(304).after(ms(1_500)));
    assert_eq!(text(&cached.get(1, "/a/1")), "old");
    cached.advance(3_000);
    cached.origin.always(fresh(600).body("new"));
    for worker in [0, 1] {
        assert_eq!(text(&cached.get(worker, "/a/1")), "new");
    }
}

#[test]
fn the_variants_of_a_url_are_purged_together() {
    let cached = purged_by(
        2,
        plain(),
        page(
            8,
            false,
            &[purge(&json!({"urls": ["service.test/a/1"]}), false, None)],
        ),
    );
    let version_is = |version: &'static str| {
        cached
            .origin
            .answer(move |_| fresh(600).header("vary", "accept-language").body(version));
    };
    let ask = |worker, language: &str| {
        text(&cached.ask(worker, Request::get("/a/1").header("accept-language", language))).to_owned()
    };
    version_is("old");
    assert_eq!([ask(0, "en"), ask(1, "de")], ["old", "old"]);
    cached.advance(4_000);
    version_is("new");
    assert_eq!([ask(0, "en"), ask(1, "de"), ask(1, "en")], ["new", "new", "new"]);
    assert_eq!(cached.origin.count(), 4);
}

#[test]
fn a_purge_is_obeyed_after_a_change_of_module_too() {
    let all = page(8, false, &[purge(&json!("all"), false, None)]);
    let mut cached = purged_by(2, plain(), all);
    cached.get(0, "/a/1");
    cached.advance(4_000);
    cached.reload(&controlled(plain()));
    assert!(!is_hit(&cached.get(1, "/a/1")));
}

#[test]
fn what_was_purged_meanwhile_does_not_stand_in_for_an_answer_that_fails() {
    let cached = purged_by(
        1,
        plain_with("/stale/ifErrorMs", json!(60_000)),
        page(8, false, &[purge(&json!({"tags": ["a"]}), false, None)]),
    );
    cached.origin.always(
        fresh(1)
            .header("surrogate-key", "a")
            .header("etag", "\"e\"")
            .body("old"),
    );
    cached.get(0, "/a/1");
    cached.advance(1_200);
    cached.origin.always(Answer::status(500).after(ms(1_800)));
    let before = cached.send(0, Request::get("/a/1"));
    cached.advance(1_500);
    let after = cached.send(0, Request::get("/a/1"));
    cached.origin.always(fresh(600).body("new"));
    cached.advance(1_000);
    assert!(before.is_complete());
    assert_eq!(text(&after.response().unwrap()), "new");
}

#[test]
fn a_stale_answer_stands_in_only_for_those_it_is_for() {
    let cached = Cached::on(1, &plain_with("/stale/ifErrorMs", json!(60_000)));
    cached.origin.always(fresh(1).body("old"));
    cached.get(0, "/a");
    cached.advance(1_200);
    cached.origin.always(Answer::status(500).after(ms(100)));
    let first = cached.send(0, Request::get("/a"));
    let signed = cached.send(0, Request::get("/a").header("authorization", "Basic YTpi"));
    cached.advance(300);
    assert_eq!([first.status(), signed.status()], [200, 500]);
}
