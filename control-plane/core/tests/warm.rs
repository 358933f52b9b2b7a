//! What is fetched before anybody asks for it: when, by whom, in which parts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::{World, backend, cache_policy, gateway, identity};
use weir_core::cache::{
    MAX_CHUNK, MAX_RUNS, Schedule, Timetable, WarmDone, WarmJob, WarmRequest, warming_proxies,
};
use weir_core::notice::MAX_PAGE_BYTES;
use weir_core::proxy::{Assignment, Proxies, ProxyStatus};
use weir_core::refusal::Refusal;
use weir_core::snapshot::{ResourceType, View, view};

/// Thursday, 2026-01-01 00:00:00 UTC.
const NEW_YEAR_MS: u64 = 1_767_225_600_000;
const MINUTE_MS: u64 = 60_000;

fn strategy(name: &str, urls: &[&str]) -> Value {
    json!({"name": name, "schedule": "*/15 * * * *", "host": "shop.example", "urls": urls,
           "headers": [{"name": "x-user-id", "value": "7"}]})
}

fn pages(warming: &Value) -> Value {
    cache_policy("pages", &json!({ "warming": warming }))
}

fn refused(policy: Value) -> Vec<(String, String)> {
    match World::default().apply(vec![policy]).unwrap_err() {
        Refusal::Invalid(problems) => problems
            .into_iter()
            .map(|found| (found.problem.pointer, found.problem.reason))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn job(world: &World, request: Value) -> Result<WarmJob, Refusal> {
    let request: WarmRequest = serde_json::from_value(request).unwrap();
    world.state.warm_job(&request)
}

fn run(world: &mut World, request: Value, proxies: &[&str]) -> WarmDone {
    let job = job(world, request).unwrap();
    let proxies: Vec<String> = proxies.iter().map(ToString::to_string).collect();
    let (changes, done) = world.state.plan_warm(&job, job.source().unwrap(), &proxies);
    world.take(changes);
    done
}

#[test]
fn times_are_those_of_the_expression_in_utc() {
    let next = |text: &str, after: u64| Schedule::parse(text).unwrap().next_ms(NEW_YEAR_MS + after);
    let at = |minutes: u64| Some(NEW_YEAR_MS + minutes * MINUTE_MS);
    for (text, after, minutes) in [
        ("*/15 * * * *", 0, at(15)),
        ("*/15 * * * *", 15 * MINUTE_MS - 1, at(15)),
        ("*/15 * * * *", 15 * MINUTE_MS, at(30)),
        ("0 6-22 * * *", 0, at(6 * 60)),
        ("30 2 * * MON", 0, at((4 * 24 + 2) * 60 + 30)),
        ("0 0 29 2 *", 0, Some(1_835_395_200_000)),
    ] {
        assert_eq!(next(text, after), minutes, "{text}");
    }
    assert_eq!(next("*/10 * * * * *", 1), Some(NEW_YEAR_MS + 10_000));
    for bad in [
        "",
        "* * * *",
        "60 * * * *",
        "* * * * * * *",
        "a * * * *",
        "@daily",
    ] {
        assert!(Schedule::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_strategy_is_due_once_and_keeps_its_time_while_others_change() {
    let mut world = World::default();
    world.apply(vec![pages(&json!([strategy("a", &["/"])]))]).unwrap();
    let mut times = Timetable::default();
    times.follow(&world.state, NEW_YEAR_MS);
    let policy = identity("CachePolicy", "pages");
    assert_eq!(
        times.next_of(&policy, &"a".parse().unwrap()),
        Some(NEW_YEAR_MS + 15 * MINUTE_MS)
    );
    assert_eq!(times.due(NEW_YEAR_MS + 15 * MINUTE_MS - 1), []);
    // Another strategy is added when the first is due.
    let both = json!([strategy("a", &["/other"]), strategy("b", &["/"])]);
    world.apply(vec![pages(&both)]).unwrap();
    times.follow(&world.state, NEW_YEAR_MS + 15 * MINUTE_MS);
    let due = times.due(NEW_YEAR_MS + 46 * MINUTE_MS);
    assert_eq!(
        due.iter().map(|due| due.strategy.as_str()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(times.due(NEW_YEAR_MS + 46 * MINUTE_MS), []);
    assert_eq!(times.next_ms(), Some(NEW_YEAR_MS + 60 * MINUTE_MS));
    world
        .apply(vec![cache_policy(
            "pages",
            &json!({"mode": "off", "warming": both}),
        )])
        .unwrap();
    times.follow(&world.state, NEW_YEAR_MS + 46 * MINUTE_MS);
    assert_eq!(times.next_ms(), None);
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let with = |field: &str, value: Value| {
        let mut strategy = strategy("a", &["/"]);
        strategy[field] = value;
        refused(pages(&json!([strategy])))
    };
    let template = |template: &str| {
        let keys = json!({"url": "http://shop.example/ids", "pointer": "/items"});
        let strategy =
            json!({"name": "a", "schedule": "* * * * *", "host": "a", "template": template, "keys": keys});
        refused(pages(&json!([strategy])))
    };
    let at = |field: &str, reason: &str| [(format!("/spec/warming/0{field}"), reason.to_owned())];
    assert_eq!(
        with("schedule", json!("61 * * * *")),
        at("/schedule", "invalid_schedule")
    );
    assert_eq!(with("urls", json!(["no"])), at("/urls/0", "invalid_path"));
    assert_eq!(with("urls", json!([])), at("", "one_source"));
    assert_eq!(with("host", json!("http://a")), at("/host", "invalid_host"));
    assert_eq!(
        with("parallelism", json!(65)),
        at("/parallelism", "number_out_of_range")
    );
    assert_eq!(
        with("urls", json!(vec!["/"; 10_001])),
        at("/urls", "too_many_urls")
    );
    assert_eq!(template("/products"), at("/template", "invalid_template"));
    assert_eq!(template("/{key}/{key}"), at("/template", "invalid_template"));
    assert_eq!(
        refused(pages(&json!([strategy("a", &["/"]), strategy("a", &["/"])]))),
        [("/spec/warming/1/name".to_owned(), "duplicate_name".to_owned())]
    );
}

#[test]
fn keys_become_paths() {
    let mut world = World::default();
    let of = |pointer: &str, field: Option<&str>| json!({"url": "http://shop.example/ids", "pointer": pointer, "field": field});
    let strategy = |name: &str, keys: Value| json!({"name": name, "schedule": "* * * * *", "host": "a", "template": "/p/{key}?x=1", "keys": keys});
    let both = json!([
        strategy("plain", of("/items", None)),
        strategy("field", of("", Some("id")))
    ]);
    world.apply(vec![pages(&both)]).unwrap();
    let paths = |strategy: &str, document: Value| {
        let job = job(&world, json!({"policy": "pages", "strategy": strategy})).unwrap();
        job.paths(job.source().unwrap_err(), &document)
    };
    assert_eq!(
        paths("plain", json!({"items": ["a b/ä", 7]})).unwrap(),
        ["/p/a%20b%2F%C3%A4?x=1", "/p/7?x=1"]
    );
    assert_eq!(paths("field", json!([{"id": "x"}])).unwrap(), ["/p/x?x=1"]);
    for bad in [
        json!({}),
        json!({"items": [null]}),
        json!({"items": ["x".repeat(3_000)]}),
    ] {
        assert!(paths("plain", bad.clone()).is_err(), "{bad}");
    }
    assert!(paths("field", json!(["x"])).is_err());
    assert!(paths("plain", json!({"items": vec![0; 10_001]})).is_err());
}

#[test]
fn a_run_is_told_in_parts_and_remembered() {
    let mut world = World::default();
    let urls: Vec<String> = (0..600).map(|index| format!("/{index}")).collect();
    world.apply(vec![pages(&json!([strategy("a", &["/"])]))]).unwrap();
    let before = world.state.revision();
    let done = run(
        &mut world,
        json!({"policy": "pages", "urls": urls}),
        &["one", "two"],
    );
    assert_eq!(
        done,
        WarmDone {
            job: Some(format!("a-{}", before + 1)),
            urls: 600,
            proxies: 2,
            requests: 1_200,
            shares: [("one".to_owned(), 600), ("two".to_owned(), 600)].into()
        }
    );
    let page = world.state.page(&"default".parse().unwrap(), Some(before));
    let parts: Vec<_> = page
        .events
        .iter()
        .map(|event| event.cache_warm.clone().unwrap())
        .collect();
    assert_eq!(
        parts.iter().map(|part| part.urls.len()).collect::<Vec<_>>(),
        [MAX_CHUNK, MAX_CHUNK, 88]
    );
    assert_eq!(parts.concat_urls(), urls);
    let first = serde_json::to_value(&parts[2]).unwrap();
    assert_eq!(
        (
            &first["policy"],
            &first["host"],
            &first["headers"],
            &first["nodes"]
        ),
        (
            &json!("default/pages"),
            &json!("shop.example"),
            &json!([["x-user-id", "7"]]),
            &Value::Null
        )
    );
    let policy = identity("CachePolicy", "pages");
    assert_eq!(world.state.warm_runs(&policy).next().unwrap().urls, 600);
    for _ in 0..MAX_RUNS {
        run(&mut world, json!({"policy": "pages", "strategy": "a"}), &["one"]);
    }
    assert_eq!(world.state.warm_runs(&policy).count(), MAX_RUNS);
    assert!(world.state.warm_runs(&policy).all(|run| run.urls == 1));
    let jobs = world.state.warm_jobs();
    assert_eq!(jobs.len(), MAX_RUNS);
    let newest = world.state.warm_runs(&policy).last().unwrap();
    assert!(jobs.contains(&(&policy.namespace, newest.job.as_str())));
    world.delete(&policy).unwrap();
    assert_eq!(world.state.warm_runs(&policy).count(), 0);
    assert!(world.state.warm_jobs().is_empty());
}

trait ConcatUrls {
    fn concat_urls(&self) -> Vec<String>;
}

impl ConcatUrls for Vec<weir_policy::proxy::CacheWarm> {
    fn concat_urls(&self) -> Vec<String> {
        self.iter().flat_map(|part| part.urls.clone()).collect()
    }
}

#[test]
fn long_urls_come_in_smaller_parts_and_nobody_is_told_where_nobody_is() {
    let mut world = World::default();
    world.apply(vec![pages(&json!([strategy("a", &["/"])]))]).unwrap();
    let long = format!("/{}", "x".repeat(2_000));
    let before = world.state.revision();
    run(
        &mut world,
        json!({"policy": "pages", "urls": vec![long; 200]}),
        &["one"],
    );
    let events = world.state.page(&"default".parse().unwrap(), Some(before)).events;
    assert!(events.len() > 4);
    for event in events {
        let bytes: usize = event.cache_warm.unwrap().urls.iter().map(String::len).sum();
        assert!(bytes <= MAX_PAGE_BYTES / 4, "{bytes}");
    }
    let revision = world.state.revision();
    let done = run(&mut world, json!({"policy": "pages", "strategy": "a"}), &[]);
    assert_eq!((done.job, world.state.revision()), (None, revision));
    assert_eq!((done.urls, done.requests), (1, 0));
}

#[test]
fn a_request_names_what_is_there() {
    let mut world = World::default();
    world
        .apply(vec![
            pages(&json!([strategy("a", &["/"])])),
            cache_policy("plain", &json!({})),
        ])
        .unwrap();
    let reason = |request: Value| match job(&world, request).unwrap_err() {
        Refusal::Unfit(problems) => problems[0].reason.clone(),
        other => other.reason().to_owned(),
    };
    assert_eq!(reason(json!({"policy": "none", "strategy": "a"})), "not_found");
    assert_eq!(
        reason(json!({"policy": "plain", "urls": ["/"]})),
        "unknown_strategy"
    );
    assert_eq!(
        reason(json!({"policy": "pages", "strategy": "b"})),
        "unknown_strategy"
    );
    assert_eq!(reason(json!({"policy": "pages"})), "no_target");
    assert_eq!(reason(json!({"policy": "pages", "urls": ["a"]})), "invalid_path");
}

#[test]
fn proxies_of_the_policys_gateways_warm_and_reach_themselves() {
    let mut world = World::default();
    let mut policy = pages(&json!([strategy("a", &["/"])]));
    policy["spec"]["targetRefs"] = json!([{"group": "weir.dev", "kind": "Gateway", "name": "edge"}]);
    policy["spec"]["tier2"] = json!({"backend": "tier"});
    world
        .apply(vec![
            gateway("edge"),
            gateway("other"),
            backend("tier", 1),
            policy,
        ])
        .unwrap();
    let proxies = Proxies::default();
    for (id, cluster) in [
        ("b", "default/edge"),
        ("a", "default/edge"),
        ("c", "default/other"),
        ("d", "shop/edge"),
    ] {
        proxies.connected(ProxyStatus {
            id: id.to_owned(),
            cluster: cluster.to_owned(),
            version: String::new(),
            assignment: Assignment::Assigned,
            connected: true,
            since_ms: 0,
            revision: 0,
            types: BTreeMap::new(),
        });
    }
    let job = job(&world, json!({"policy": "pages", "strategy": "a"})).unwrap();
    let warming = warming_proxies(&world.state, &proxies, &job);
    assert_eq!(warming, ["a", "b"]);
    let before = world.state.revision();
    let done = run(
        &mut world,
        json!({"policy": "pages", "strategy": "a"}),
        &["a", "b"],
    );
    assert_eq!((done.urls, done.proxies, done.requests), (1, 2, 1));
    let events = world.state.page(&"default".parse().unwrap(), Some(before)).events;
    assert_eq!(events[0].cache_warm.clone().unwrap().nodes.unwrap(), ["a", "b"]);
    let clusters = |gateway: &str| {
        let kind = weir_core::node::NodeKind {
            gateway: weir_core::node::GatewayRef::parse(&format!("default/{gateway}")),
            modules_dir: String::new(),
        };
        match view(&world.state, &Default::default(), &kind, None) {
            View::Assigned(snapshot) => snapshot
                .of(ResourceType::Cluster)
                .keys()
                .cloned()
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        clusters("edge"),
        ["weir/default/backend/tier", "weir/default/gateway/edge/self"]
    );
    assert_eq!(clusters("other"), Vec::<String>::new());
}
