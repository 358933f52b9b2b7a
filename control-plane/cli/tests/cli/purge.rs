//! Purges and dependencies, against a control plane that notes what it is sent.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Server, json, weir};
use serde_json::{Value, json};

fn sent(server: &Server) -> (String, Value) {
    let (line, body) = server.requests.lock().unwrap().pop().unwrap();
    (line, serde_json::from_str(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_purge_says_of_what() {
    let answer = json!({"revision": 7, "count": 2, "proxies": 3});
    let told = answer.clone();
    let server = Server::start(move |_| json(200, &told)).await;
    for (arguments, body) in [
        (&["all"][..], json!({"namespace": "default", "all": true})),
        (
            &["tag", "a", "b", "-n", "shop", "--policy", "pages", "--soft"],
            json!({"namespace": "shop", "policy": "pages", "soft": true, "tags": ["a", "b"]}),
        ),
        (
            &["url", "https://shop.example/a?b=c"],
            json!({"namespace": "default", "urls": ["https://shop.example/a?b=c"]}),
        ),
        (
            &["prefix", "shop.example/a/", "--policy", "pages"],
            json!({"namespace": "default", "policy": "pages", "prefixes": ["shop.example/a/"]}),
        ),
    ] {
        let line = [&["purge", "--server", &server.url, "-o", "json"], arguments].concat();
        let run = weir(&line).await;
        assert_eq!((run.code, run.json()), (0, answer.clone()), "{run:?}");
        assert_eq!(sent(&server), ("POST /v1/cache/purge".to_owned(), body));
    }
}

#[tokio::test]
async fn people_read_what_was_purged_where() {
    for (answer, arguments, text) in [
        (
            json!({"revision": 7, "count": 2, "proxies": 3}),
            &["tag", "a"][..],
            "namespace default: 2 tags purged on 3 proxies\n",
        ),
        (
            json!({"revision": 7, "count": 1, "proxies": 1}),
            &["url", "a/", "--policy", "pages", "--soft"],
            "CachePolicy default/pages: 1 URL stale at once on 1 proxy\n",
        ),
        (
            json!({"revision": 7, "count": 2, "proxies": 0}),
            &["prefix", "a/", "b/"],
            "namespace default: 2 prefixes purged on 0 proxies\n",
        ),
        (
            json!({"revision": 7, "count": 1, "everything": true, "detail": "too many", "proxies": 2}),
            &["tag", "a"],
            "namespace default: everything purged on 2 proxies (too many)\n",
        ),
    ] {
        let server = Server::start(move |_| json(200, &answer)).await;
        let line = [&["purge", "--server", &server.url], arguments].concat();
        let run = weir(&line).await;
        assert_eq!((run.code, run.out.as_str()), (0, text), "{run:?}");
    }
}

/// It asks again until all have come back.
#[tokio::test]
async fn waiting_ends_when_every_proxy_knows() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |line| match line {
        "GET /v1/cache/purge/7?namespace=shop" => {
            let learned = asked.fetch_add(1, Ordering::Relaxed);
            json(200, &json!({"proxies": 2, "learned": learned}))
        }
        _ => json(
            200,
            &json!({"revision": 7, "count": 1, "everything": true, "proxies": 2}),
        ),
    })
    .await;
    let run = weir(&["purge", "all", "-n", "shop", "--wait", "--server", &server.url]).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(server.requests.lock().unwrap().len(), 4);
    let line = [
        "purge",
        "all",
        "-n",
        "shop",
        "--wait",
        "--timeout",
        "100ms",
        "--server",
    ];
    let stuck = Server::start(|line| match line {
        "POST /v1/cache/purge" => json(200, &json!({"revision": 7, "count": 1, "proxies": 2})),
        _ => json(200, &json!({"proxies": 2, "learned": 1})),
    })
    .await;
    let run = weir(&[&line[..], &[&stuck.url]].concat()).await;
    assert!(
        run.code == 1 && run.err.starts_with("1 of 2 proxies know"),
        "{run:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_purged_is_not_sent() {
    let server = Server::start(|_| json(200, &json!({}))).await;
    for (arguments, words) in [
        (&["tag", "a", "b c"][..], "/tags/1: \"b c\""),
        (&["url", "/a"], "/urls/0: \"/a\""),
        (&["prefix", ""], "/prefixes/0: 0 bytes"),
    ] {
        let run = weir(&[&["purge", "--server", &server.url], arguments].concat()).await;
        assert!(run.code == 1 && run.err.starts_with(words), "{run:?}");
    }
    assert!(server.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_purge_that_is_refused_has_its_exit_code() {
    for (status, code) in [(404, 3), (422, 1), (503, 4)] {
        let problem =
            json!({"status": status, "title": "t", "detail": "CachePolicy default/pages is the matter"});
        let server = Server::start(move |_| json(status, &problem)).await;
        let run = weir(&[
            "purge",
            "all",
            "--policy",
            "pages",
            "--wait",
            "--server",
            &server.url,
        ])
        .await;
        assert_eq!((run.code, run.out.as_str()), (code, ""), "{run:?}");
        assert!(run.err.contains("is the matter"), "{run:?}");
    }
}

#[tokio::test]
async fn dependencies_are_set_shown_and_deleted() {
    let server = Server::start(|line| {
        let known = |tag: &str| json!({"tag": tag, "dependsOn": ["b", "c"], "dependents": []});
        match line {
            "GET /v1/cache/dependencies/a%2F1?namespace=default" => json(200, &known("a/1")),
            "GET /v1/cache/dependencies?namespace=shop" => {
                json(200, &json!({"revision": 3, "items": [known("a"), known("b")]}))
            }
            _ => json(200, &json!({"revision": 4})),
        }
    })
    .await;
    let deps = async |arguments: &[&str]| {
        weir(&[&["cache", "deps", "--server", &server.url], arguments].concat()).await
    };
    let set = deps(&["set", "a/1", "b", "c", "-n", "shop"]).await;
    assert_eq!((set.code, set.out.as_str()), (0, "a/1: depends on b, c\n"));
    assert_eq!(
        sent(&server),
        (
            "PUT /v1/cache/dependencies/a%2F1?namespace=shop".to_owned(),
            json!({"dependsOn": ["b", "c"]})
        )
    );
    let get = deps(&["get", "a/1"]).await;
    let table = "\
TAG  DEPENDS ON  PURGED WITH IT
a/1  b, c        -
";
    assert_eq!((get.code, get.out.as_str()), (0, table));
    let list = deps(&["list", "-n", "shop", "-o", "json"]).await;
    assert_eq!(list.json()["items"][1]["tag"], "b");
    let delete = deps(&["delete", "a/1"]).await;
    assert_eq!(
        (delete.code, delete.out.as_str()),
        (0, "a/1: depends on nothing\n")
    );
    assert_eq!(
        sent(&server).0,
        "DELETE /v1/cache/dependencies/a%2F1?namespace=default"
    );
}
