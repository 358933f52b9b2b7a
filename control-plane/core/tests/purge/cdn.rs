//! What waits for CDNs.

use serde_json::{Value, json};
use weir_core::cache::{CdnOutcome, MAX_WAITING};
use weir_core::event::{Change, Event};
use weir_core::state::State;
use weir_policy::document::Identity;

use crate::support::{World, cache_policy, identity};

fn pages() -> Identity {
    identity("CachePolicy", "pages")
}

fn with_cdn(name: &str) -> Value {
    cache_policy(name, &json!({"cdn": {"purge": {"url": "http://cdn/"}}}))
}

fn with_pages() -> World {
    let mut world = World::default();
    world
        .apply(vec![with_cdn("pages"), cache_policy("plain", &json!({}))])
        .unwrap();
    world
}

fn settle(world: &mut World, revision: u64, outcome: CdnOutcome) -> usize {
    let changes = world.state.plan_cdn_settled(&pages(), revision, outcome);
    let count = changes.len();
    world.take(changes);
    count
}

fn next(state: &State) -> Option<Value> {
    let (_, purge) = state.next_cdn_purge(&pages())?;
    Some(serde_json::to_value(purge).unwrap())
}

#[test]
fn a_purge_waits_for_the_cdns_of_the_policies_that_it_is_for() {
    let mut world = with_pages();
    world.purge(json!({"all": true, "policy": "plain"})).unwrap();
    world.purge(json!({"all": true, "namespace": "shop"})).unwrap();
    assert_eq!(world.state.waiting_cdns().count(), 0);
    world.depend("page", &["a"]).unwrap();
    world.purge(json!({"tags": ["a"], "soft": true})).unwrap();
    let first = world.state.revision();
    world
        .purge(json!({"urls": ["shop.example/"], "policy": "pages"}))
        .unwrap();
    assert_eq!(world.state.waiting_cdns().collect::<Vec<_>>(), [&pages()]);
    assert_eq!(
        next(&world.state),
        Some(json!({"policy": "default/pages", "revision": first, "soft": true, "tags": ["a", "page"]}))
    );
    assert_eq!(settle(&mut world, first, CdnOutcome::Delivered), 1);
    assert_eq!(settle(&mut world, first, CdnOutcome::Delivered), 0);
    assert_eq!(
        next(&world.state),
        Some(
            json!({"policy": "default/pages", "revision": first + 1, "soft": false, "urls": ["shop.example/"]})
        )
    );
    settle(&mut world, first + 1, CdnOutcome::GivenUp);
    assert_eq!(next(&world.state), None);
    let statuses = world.state.cdn_statuses(&"default".parse().unwrap());
    assert_eq!(
        serde_json::to_value(statuses).unwrap(),
        json!([{"policy": "default/pages", "url": "http://cdn/", "waiting": 0,
                "last": {"revision": first + 1, "outcome": "given_up", "atMs": 0}}])
    );
}

#[test]
fn too_many_purges_are_one_of_everything() {
    let mut world = with_pages();
    for _ in 0..MAX_WAITING {
        world.purge(json!({"tags": ["a"], "soft": true})).unwrap();
    }
    let first = next(&world.state).unwrap()["revision"].as_u64().unwrap();
    world.purge(json!({"tags": ["a"], "soft": true})).unwrap();
    let all =
        json!({"policy": "default/pages", "revision": world.state.revision(), "soft": true, "all": true});
    assert_eq!(next(&world.state), Some(all.clone()));
    // The one that was on its way.
    assert_eq!(settle(&mut world, first, CdnOutcome::Delivered), 0);
    assert_eq!(next(&world.state), Some(all));
    world.purge(json!({"tags": ["b"]})).unwrap();
    let everything = world.state.revision() - 1;
    settle(&mut world, everything, CdnOutcome::Delivered);
    assert_eq!(next(&world.state).unwrap()["tags"], json!(["b"]));
}

#[test]
fn nothing_waits_for_a_cdn_that_is_gone_and_events_tell_the_whole_story() {
    let mut world = with_pages();
    world.purge(json!({"all": true})).unwrap();
    world.apply(vec![cache_policy("pages", &json!({}))]).unwrap();
    world.apply(vec![with_cdn("pages")]).unwrap();
    assert_eq!(next(&world.state), None);
    world.purge(json!({"tags": ["a"]})).unwrap();
    world.purge(json!({"tags": ["b"]})).unwrap();
    let first = world.state.revision() - 1;
    settle(&mut world, first, CdnOutcome::Delivered);
    let mut replayed = State::default();
    for event in &world.events {
        let json = serde_json::to_string(&event.change).unwrap();
        let change: Change = serde_json::from_str(&json).unwrap();
        let event = Event {
            change,
            ..event.clone()
        };
        replayed.apply(&event).unwrap();
    }
    assert_eq!(replayed, world.state);
    world.delete(&pages()).unwrap();
    assert_eq!(world.state.waiting_cdns().count(), 0);
}
