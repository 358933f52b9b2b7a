//! Purges: what they come to, and what goes with a tag.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "purge/cdn.rs"]
mod cdn;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use support::{World, cache_policy, gateway};
use weir_core::cache::{
    DependencyChange, MAX_DEPENDENCIES, MAX_EDGES, MAX_EXPANDED, MAX_TARGETS, MAX_TEXT, PurgeScope,
    caching_proxies,
};
use weir_core::event::Change;
use weir_core::notice::{MAX_NOTICE_BYTES, MAX_PAGE_BYTES};
use weir_core::proxy::{Assignment, Proxies, ProxyStatus};
use weir_core::refusal::Refusal;
use weir_core::state::State;
use weir_policy::name::Name;
use weir_policy::proxy::CachePurge;

fn default() -> Name {
    Name::default_namespace()
}

/// What proxies of a namespace were told last.
fn told(world: &World, namespace: &str) -> Option<CachePurge> {
    let page = world.state.page(&namespace.parse().unwrap(), Some(0));
    page.events.last()?.cache_purge.clone()
}

/// What the proxies are told of a purge of the default namespace, as JSON, and how much it is said to be for.
fn purged(world: &mut World, request: Value) -> (Value, usize) {
    let scope = world.purge(request).unwrap();
    (serde_json::to_value(told(world, "default")).unwrap(), scope.count)
}

/// The tags that go with `tag`.
fn tags(world: &mut World, tag: &str) -> Vec<String> {
    let (purge, count) = purged(world, json!({"tags": [tag]}));
    let tags: Vec<String> = serde_json::from_value(purge["what"]["tags"].clone()).unwrap();
    assert_eq!(count, tags.len());
    tags
}

fn unfit(refusal: Refusal) -> Vec<(String, String)> {
    match refusal {
        Refusal::Unfit(problems) => problems
            .into_iter()
            .map(|problem| (problem.pointer, problem.reason))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn proxies_are_told_what_is_purged() {
    let mut world = World::default();
    world.apply(vec![cache_policy("pages", &json!({}))]).unwrap();
    for (request, purge, count) in [
        (json!({"all": true}), json!({"what": "all"}), 1),
        (
            json!({"tags": ["b", "a", "b"], "soft": true}),
            json!({"soft": true, "what": {"tags": ["a", "b"]}}),
            2,
        ),
        (
            json!({"urls": ["https://Shop.example/P?q=1", "shop.example/P?q=1"], "policy": "pages"}),
            json!({"policy": "default/pages", "what": {"urls": ["shop.example/P?q=1"]}}),
            1,
        ),
        (
            json!({"prefixes": ["shop.example"]}),
            json!({"what": {"prefixes": ["shop.example/"]}}),
            1,
        ),
    ] {
        assert_eq!(purged(&mut world, request.clone()), (purge, count), "{request}");
    }
    world.purge(json!({"namespace": "shop", "all": true})).unwrap();
    assert!(!told(&world, "default").unwrap().soft);
    assert!(told(&world, "shop").is_some() && told(&world, "elsewhere").is_none());
}

/// A cache finds an answer by the URL as its policy reads it.
#[test]
fn a_url_is_purged_in_every_form_that_a_policy_gives_it() {
    let mut world = World::default();
    let key = |query: Value| json!({"key": {"query": query, "sortQuery": true}});
    let only = cache_policy("only", &key(json!({"only": ["page"]})));
    world
        .apply(vec![only, cache_policy("all", &key(json!("all")))])
        .unwrap();
    let urls = json!(["http://Shop.example:80/?utm=1&page=2&b=1"]);
    let sent = "shop.example/?utm=1&page=2&b=1";
    for (policy, forms) in [
        (
            None,
            json!(["shop.example/?b=1&page=2&utm=1", "shop.example/?page=2", sent]),
        ),
        (Some("only"), json!(["shop.example/?page=2", sent])),
        (Some("all"), json!(["shop.example/?b=1&page=2&utm=1", sent])),
    ] {
        let mut request = json!({"urls": urls});
        let mut purge = json!({"what": {"urls": forms}});
        if let Some(policy) = policy {
            request["policy"] = policy.into();
            purge["policy"] = format!("default/{policy}").into();
        }
        assert_eq!(purged(&mut world, request), (purge, 1));
    }
}

#[test]
fn nothing_is_purged_by_an_empty_list() {
    let mut world = World::default();
    for field in ["tags", "urls", "prefixes"] {
        assert_eq!(world.purge(json!({field: []})).unwrap(), PurgeScope::default());
    }
    assert_eq!(world.state.revision(), 0);
}

#[test]
fn one_target_is_named_and_can_be_meant() {
    let mut world = World::default();
    let long = "x".repeat(MAX_TEXT + 1);
    for (request, pointer, reason) in [
        (json!({}), "", "no_target"),
        (json!({"all": false, "soft": true}), "", "no_target"),
        (json!({"all": true, "tags": []}), "/tags", "several_targets"),
        (
            json!({"urls": ["a/"], "prefixes": ["a/"]}),
            "/prefixes",
            "several_targets",
        ),
        (json!({"tags": [""]}), "/tags/0", "invalid_target"),
        (json!({"tags": ["a", "b c"]}), "/tags/1", "invalid_target"),
        (json!({"tags": [long]}), "/tags/0", "invalid_target"),
        (json!({"urls": ["/no/host"]}), "/urls/0", "invalid_target"),
        (json!({"prefixes": ["a b"]}), "/prefixes/0", "invalid_target"),
        (
            json!({"tags": vec!["a"; MAX_TARGETS + 1]}),
            "/tags",
            "too_many_targets",
        ),
    ] {
        let refused = world.purge(request.clone()).unwrap_err();
        assert_eq!(
            unfit(refused),
            [(pointer.to_owned(), reason.to_owned())],
            "{request}"
        );
    }
    let unknown = world.purge(json!({"all": true, "policy": "pages"})).unwrap_err();
    assert!(matches!(unknown, Refusal::NotFound(_)), "{unknown:?}");
    assert_eq!(world.state.revision(), 0);
}

#[test]
fn what_depends_on_a_tag_goes_with_it() {
    let mut world = World::default();
    world
        .depend("investigation:123", &["entity:456", "entity:789"])
        .unwrap();
    world.depend("page:home", &["investigation:123"]).unwrap();
    assert_eq!(
        tags(&mut world, "entity:456"),
        ["entity:456", "investigation:123", "page:home"]
    );
    assert_eq!(tags(&mut world, "page:home"), ["page:home"]);
    // A cycle.
    world.depend("entity:456", &["page:home", "entity:456"]).unwrap();
    assert_eq!(
        tags(&mut world, "page:home"),
        ["entity:456", "investigation:123", "page:home"]
    );
    // In place of what was.
    world.depend("investigation:123", &["entity:789"]).unwrap();
    assert_eq!(tags(&mut world, "entity:456"), ["entity:456"]);
    // Another namespace's are another's.
    world.depend_in("shop", "a", &["b"]).unwrap();
    assert_eq!(tags(&mut world, "b"), ["b"]);
    let scope = world.purge(json!({"namespace": "shop", "tags": ["b"]})).unwrap();
    assert_eq!(scope.count, 2);
}

#[test]
fn dependencies_are_shown_both_ways() {
    let mut world = World::default();
    world.depend("a", &["c", "b", "c"]).unwrap();
    let show = |world: &World, tag: &str| {
        let known = world.state.tag_dependencies(&default(), tag);
        serde_json::to_value(known).unwrap()
    };
    assert_eq!(
        show(&world, "a"),
        json!({"tag": "a", "dependsOn": ["b", "c"], "dependents": []})
    );
    assert_eq!(
        show(&world, "b"),
        json!({"tag": "b", "dependsOn": [], "dependents": ["a"]})
    );
    assert_eq!(world.state.all_dependencies(&default()).len(), 1);
    assert_eq!(show(&world, "d"), Value::Null);
    let revision = world.state.revision();
    world.depend("a", &["b", "c"]).unwrap();
    assert_eq!(world.state.revision(), revision, "it was so already");
    world.depend("a", &[]).unwrap();
    assert_eq!(show(&world, "b"), Value::Null);
    assert_eq!(world.state, {
        let mut replica = State::default();
        for event in &world.events {
            replica.apply(event).unwrap();
        }
        replica
    });
}

#[test]
fn dependencies_are_deleted_once() {
    let mut world = World::default();
    world.depend("a", &["b"]).unwrap();
    let delete = |tag: &str| DependencyChange {
        namespace: default(),
        tag: tag.to_owned(),
        depends_on: None,
    };
    let changes = world.state.plan_dependencies(&delete("a")).unwrap();
    let event = json!({"type": "cache_dependencies", "namespace": "default", "tag": "a", "depends_on": []});
    assert_eq!(serde_json::to_value(&changes).unwrap(), json!([event]));
    assert_eq!(serde_json::from_value::<Change>(event).unwrap(), changes[0]);
    for tag in ["b", "c"] {
        let refused = world.state.plan_dependencies(&delete(tag)).unwrap_err();
        assert!(matches!(refused, Refusal::NoDependencies { .. }), "{refused:?}");
    }
}

#[test]
fn dependencies_are_bounded() {
    let mut world = World::default();
    let many: Vec<String> = (0..=MAX_DEPENDENCIES).map(|index| index.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = world.depend("a", &many).unwrap_err();
    assert_eq!(
        unfit(refused),
        [("/dependsOn".to_owned(), "too_many_dependencies".to_owned())]
    );
    for (tag, depends_on, pointer) in [("a b", "c", ""), ("a", "b,c", "/dependsOn/0")] {
        let refused = world.depend(tag, &[depends_on]).unwrap_err();
        assert_eq!(unfit(refused), [(pointer.to_owned(), "invalid_tag".to_owned())]);
    }
    let most = &many[..MAX_DEPENDENCIES];
    for index in 0..MAX_EDGES / MAX_DEPENDENCIES {
        world.depend(&format!("tag-{index}"), most).unwrap();
    }
    let left = MAX_EDGES % MAX_DEPENDENCIES;
    world.depend_in("shop", "last", &many[..left]).unwrap();
    assert!(world.depend("more", &["a"]).is_err());
    world.depend("tag-0", &most[1..]).unwrap();
    world.depend("more", &["a"]).unwrap();
}

/// Nothing that may be stale is left, and the answer says why it is for more.
#[test]
fn a_purge_of_too_much_is_one_of_everything() {
    let mut world = World::default();
    for index in 1..MAX_EXPANDED {
        world.depend(&format!("page-{index}"), &["all"]).unwrap();
    }
    let scope = world.purge(json!({"tags": ["all"]})).unwrap();
    assert_eq!((scope.count, scope.everything), (MAX_EXPANDED, false));
    world.depend("one-more", &["page-1"]).unwrap();
    let scope = world.purge(json!({"tags": ["all"], "soft": true})).unwrap();
    assert!(scope.everything && scope.detail.unwrap().contains("everything is purged"));
    let told = serde_json::to_value(told(&world, "default")).unwrap();
    assert_eq!(told, json!({"soft": true, "what": "all"}));
}

/// A filter holds a page at a time.
#[test]
fn pages_of_long_purges_are_short() {
    let mut world = World::default();
    let texts: Vec<String> = (0..MAX_TARGETS).map(|index| format!("{index:0>1024}")).collect();
    for _ in 0..4 {
        world.purge(json!({"tags": texts})).unwrap();
    }
    let mut cursor = 0;
    for revision in 1..=4 {
        let page = world.state.page(&default(), Some(cursor));
        assert_eq!((page.events.len(), page.cursor, page.reset), (1, revision, false));
        cursor = page.cursor;
    }
    let small = json!({"tags": ["a"]});
    world.purge(small.clone()).unwrap();
    world.purge(small).unwrap();
    assert_eq!(world.state.page(&default(), Some(cursor)).events.len(), 2);
    const { assert!(MAX_TARGETS * 1_024 >= MAX_PAGE_BYTES) };
}

#[test]
fn who_is_behind_many_bytes_is_told() {
    let mut world = World::default();
    let texts: Vec<String> = (0..MAX_TARGETS).map(|index| format!("{index:0>2048}")).collect();
    let bytes = MAX_TARGETS * 2_048;
    for _ in 0..MAX_NOTICE_BYTES / bytes {
        world.purge(json!({"tags": texts})).unwrap();
    }
    assert!(!world.state.page(&default(), Some(0)).reset);
    world.purge(json!({"tags": ["a"]})).unwrap();
    assert!(world.state.page(&default(), Some(0)).reset);
    assert!(!world.state.page(&default(), Some(1)).reset);
}

#[test]
fn proxies_that_keep_answers_are_counted() {
    let mut world = World::default();
    let mut plain = gateway("plain");
    plain["metadata"]["namespace"] = json!("shop");
    let only_edge = json!({"targetRefs": [{"group": "weir.dev", "kind": "Gateway", "name": "edge"}]});
    world
        .apply(vec![
            gateway("edge"),
            gateway("other"),
            plain,
            cache_policy("pages", &only_edge),
        ])
        .unwrap();
    let proxies = Proxies::default();
    let connect = |id: &str, cluster: &str| {
        proxies.connected(ProxyStatus {
            id: id.to_owned(),
            cluster: cluster.to_owned(),
            version: String::new(),
            assignment: Assignment::Assigned,
            connected: true,
            since_ms: 0,
            revision: 0,
            types: BTreeMap::new(),
        })
    };
    for (id, cluster) in [
        ("b", "default/edge"),
        ("c", "default/other"),
        ("d", "shop/plain"),
        ("e", "?"),
    ] {
        connect(id, cluster);
    }
    let stream = connect("a", "default/edge");
    let count = |namespace: &str| caching_proxies(&world.state, &proxies, &namespace.parse().unwrap());
    assert_eq!((count("default"), count("shop"), count("none")), (2, 0, 0));
    proxies.disconnected("a", stream, 1);
    assert_eq!(count("default"), 1);
}

proptest! {
    /// Dependencies change in any order, cycles included: what goes with a tag is what a walk over all of them finds.
    #[test]
    fn everything_that_depends_goes_and_nothing_else(
        steps in prop::collection::vec((0u8..12, prop::collection::btree_set(0u8..12, 0..4)), 0..40),
        start in 0u8..12,
    ) {
        let mut world = World::default();
        let mut model: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
        for (tag, depends_on) in steps {
            let texts: Vec<String> = depends_on.iter().map(ToString::to_string).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            world.depend(&tag.to_string(), &texts).unwrap();
            model.insert(tag, depends_on);
        }
        let mut expected = BTreeSet::from([start]);
        for _ in 0..12 {
            let more = model.iter().filter(|(_, on)| !on.is_disjoint(&expected)).map(|(tag, _)| *tag);
            let more: Vec<u8> = more.collect();
            expected.extend(more);
        }
        let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        expected.sort();
        prop_assert_eq!(tags(&mut world, &start.to_string()), expected);
    }
}
