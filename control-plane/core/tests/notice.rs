//! Notices: what they change, and who gets which.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use proptest::prelude::*;
use serde_json::json;
use support::{World, backend, gateway, identity, shard_map};
use weir_core::event::{Change, Revision};
use weir_core::module::ModuleCatalog;
use weir_core::node::{GatewayRef, NodeKind};
use weir_core::notice::{MAX_NOTICES, MAX_PAGE};
use weir_core::quota::QuotaReset;
use weir_core::snapshot::view;
use weir_core::state::State;
use weir_policy::name::Name;
use weir_policy::proxy::{self, EventPage, Notice, ProxyEvent};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn policy(event: &ProxyEvent) -> &str {
    &event.quota_reset.as_ref().unwrap().policy
}

fn revisions(page: &EventPage) -> Vec<Revision> {
    page.events.iter().map(|event| event.revision).collect()
}

/// Reads on from `cursor` until there is nothing more.
fn read_on(state: &State, namespace: &Name, mut cursor: Revision) -> Vec<ProxyEvent> {
    let mut events = Vec::new();
    loop {
        let page = state.page(namespace, Some(cursor));
        assert!(!page.reset && page.events.len() <= MAX_PAGE, "{page:?}");
        cursor = page.cursor;
        if page.events.is_empty() {
            assert_eq!(cursor, state.revision());
            return events;
        }
        events.extend(page.events);
    }
}

#[test]
fn a_change_is_stored_as_this_json() {
    let notice = json!({"type": "notice", "namespace": "default",
                        "notice": {"quotaReset": {"policy": "default/api", "limit": "per-user", "key": ["a", "b"]}}});
    let document = json!({"type": "put", "document": {"spec": 1},
                          "identity": {"kind": "Backend", "namespace": "default", "name": "a"}});
    let delete =
        json!({"type": "delete", "identity": {"kind": "Backend", "namespace": "default", "name": "a"}});
    for (json, subject) in [
        (notice, None),
        (document, Some(identity("Backend", "a"))),
        (delete, Some(identity("Backend", "a"))),
    ] {
        let change: Change = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(change.identity(), subject.as_ref());
        assert_eq!(serde_json::to_value(change).unwrap(), json);
    }
}

#[test]
fn a_notice_changes_nothing_that_proxies_are_configured_with() {
    let mut world = World::default();
    let edge = GatewayRef::parse("default/edge").unwrap();
    world
        .apply(vec![
            gateway("edge"),
            backend("a", 1),
            shard_map("orders", "edge", &["a"]),
        ])
        .unwrap();
    let catalog = ModuleCatalog::default();
    let kind = NodeKind {
        gateway: Some(edge.clone()),
        modules_dir: "/modules".to_owned(),
    };
    let look = |state: &State| {
        let documents: Vec<_> = state
            .documents()
            .map(|(identity, stored)| (identity.clone(), stored.clone()))
            .collect();
        (
            view(state, &catalog, &kind, None),
            documents,
            state.generation(&edge),
            state.documents_revision(),
        )
    };
    let before = look(&world.state);
    assert_eq!(world.state.documents_revision(), 3);
    world.reset("default", "api");
    assert_eq!(world.state.revision(), 4);
    assert_eq!(look(&world.state), before);
    assert_eq!(
        revisions(&world.state.page(&edge.namespace, Some(3))),
        [4],
        "its proxies are told"
    );
}

#[test]
fn a_page_begins_where_it_is_asked_to() {
    let mut world = World::default();
    world.reset("default", "a");
    world.reset("shop", "b");
    world.apply(vec![backend("a", 1)]).unwrap();
    world.reset("default", "c");
    let page = |cursor| world.state.page(&name("default"), cursor);
    let empty = |reset| EventPage {
        cursor: 4,
        reset,
        events: Vec::new(),
    };
    assert_eq!(page(None), empty(false));
    assert_eq!(page(Some(4)), empty(false));
    assert_eq!(page(Some(5)), empty(true));
    assert_eq!(page(Some(Revision::MAX)), empty(true));
    let all = page(Some(0));
    assert_eq!((all.cursor, all.reset), (4, false));
    assert_eq!(
        all.events.iter().map(policy).collect::<Vec<_>>(),
        ["default/a", "default/c"]
    );
    assert_eq!(revisions(&page(Some(1))), [4]);
    let shop = world.state.page(&name("shop"), Some(1));
    assert_eq!((revisions(&shop), shop.cursor), (vec![2], 4));
    assert_eq!(world.state.page(&name("nobody"), Some(0)), empty(false));
}

#[test]
fn the_newest_are_known_and_who_is_behind_is_told() {
    let mut world = World::default();
    for _ in 0..MAX_NOTICES {
        world.reset("default", "a");
    }
    let known = read_on(&world.state, &name("default"), 0);
    assert_eq!(known.len(), MAX_NOTICES);
    world.reset("shop", "b");
    let now = world.state.revision();
    let page = world.state.page(&name("default"), Some(0));
    assert!(
        page.reset && page.cursor == now && page.events.is_empty(),
        "{page:?}"
    );
    assert_eq!(read_on(&world.state, &name("default"), 1), known[1..]);
}

#[test]
fn a_reset_says_whose() {
    let reset: QuotaReset =
        serde_json::from_value(json!({"policy": "api", "limit": "l", "key": ["k"]})).unwrap();
    let mut world = World::default();
    let policy = json!({
        "apiVersion": "weir.dev/v1alpha1", "kind": "RateLimitPolicy", "metadata": {"name": "api"},
        "spec": {"limits": [{"name": "l", "key": [{"header": "x-user"}],
                             "quota": {"rate": {"requests": 1, "window": "1s"}}}]},
    });
    world.apply(vec![policy]).unwrap();
    assert_eq!(
        world.state.plan_reset(&reset).unwrap(),
        Change::Notice {
            namespace: Name::default_namespace(),
            notice: Notice::QuotaReset(proxy::QuotaReset {
                policy: "default/api".to_owned(),
                limit: Some("l".to_owned()),
                key: Some(vec!["k".to_owned()]),
            }),
        }
    );
}

#[test]
fn a_key_is_bounded() {
    let with = |key: Vec<String>| QuotaReset {
        namespace: Name::default_namespace(),
        policy: name("api"),
        limit: None,
        key: Some(key),
    };
    let long = "x".repeat(QuotaReset::MAX_KEY_BYTES);
    assert_eq!(with(vec![long.clone()]).check(), Ok(()));
    assert_eq!(with(vec![String::new(); QuotaReset::MAX_VALUES]).check(), Ok(()));
    for key in [
        vec![long, "x".to_owned()],
        vec![String::new(); QuotaReset::MAX_VALUES + 1],
    ] {
        assert!(with(key).check().unwrap_err().starts_with("key: "));
    }
}

proptest! {
    /// Every reader of a namespace gets each of its notices once, in order, wherever it begins; and a replica that
    /// reads the same events answers the same.
    #[test]
    fn readers_get_everything_once(
        steps in prop::collection::vec(prop::sample::select(vec!["a", "b", "document"]), 0..600),
        cursor in 0u64..700,
    ) {
        let mut world = World::default();
        for (index, step) in steps.iter().enumerate() {
            match *step {
                "document" => world.apply(vec![backend("x", u16::try_from(index).unwrap() + 1)]).unwrap(),
                namespace => world.reset(namespace, "policy"),
            }
        }
        let mut replica = State::default();
        for event in &world.events {
            replica.apply(event).unwrap();
        }
        prop_assert_eq!(&replica, &world.state);
        for namespace in ["a", "b"] {
            let namespace = name(namespace);
            if cursor > replica.revision() {
                prop_assert!(replica.page(&namespace, Some(cursor)).reset);
                continue;
            }
            let expected: Vec<Revision> = world.events.iter().filter(|event| event.revision > cursor).filter_map(|event| {
                matches!(&event.change, Change::Notice { namespace: of, .. } if *of == namespace).then_some(event.revision)
            }).collect();
            let found: Vec<Revision> = read_on(&replica, &namespace, cursor).iter().map(|event| event.revision).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
