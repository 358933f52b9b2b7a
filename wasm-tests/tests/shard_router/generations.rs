//! Live changes: what is in force where, and what still drains.

use std::time::Duration;

use weir_wasm_tests::Request;

use crate::fixture::{Router, keyed, slot};

const IN_FORCE: &str = "weir_generation_in_force.filter.shard-router";
const DRAINING: &str = "weir_generation_draining.filter.shard-router";

impl Router {
    /// Lets every worker that is not stalled tick, also those that tick once a second.
    fn tick(&self) {
        self.process.advance(Duration::from_millis(1_100)).unwrap();
    }

    fn gauges(&self) -> (Option<u64>, Option<u64>) {
        (self.process.gauge(IN_FORCE), self.process.gauge(DRAINING))
    }
}

#[test]
fn a_live_change_is_in_force_in_both_workers_and_keeps_their_vms() {
    let router = Router::with(&slot(1, &["a"]));
    let vms = || {
        router
            .plugin
            .workers()
            .map(|worker| worker.vm().unwrap())
            .collect::<Vec<_>>()
    };
    let before = vms();
    assert_eq!(router.place(keyed("1")).1, "a");
    router.configure(&slot(2, &["b"])).unwrap();
    assert_eq!(router.place(keyed("1")).1, "b");
    assert_eq!(vms(), before);
}

#[test]
fn the_gauge_waits_for_the_first_tick_and_for_every_worker() {
    let router = Router::with(&slot(7, &["a"]));
    assert_ne!(router.gauges().0, Some(7), "no worker has ticked");
    router.process.advance(Duration::from_millis(100)).unwrap();
    assert_eq!(router.gauges().0, Some(7));
    let stalled = router.plugin.worker(1);
    stalled.stall();
    router.configure(&slot(8, &["b"])).unwrap();
    router.process.advance(Duration::from_millis(100)).unwrap();
    let shards: Vec<_> = router
        .plugin
        .workers()
        .map(|worker| {
            worker
                .request(keyed("1"))
                .unwrap()
                .headers
                .text("x-weir-shard")
                .unwrap()
        })
        .collect();
    assert_eq!(shards, ["b", "a"]);
    assert_eq!(
        router.gauges().0,
        Some(7),
        "worker 1 still runs the old generation"
    );
    stalled.resume().unwrap();
    assert_eq!(router.gauges().0, Some(7), "worker 1 has not ticked");
    router.process.advance(Duration::from_millis(100)).unwrap();
    assert_eq!(router.gauges().0, Some(8));
}

#[test]
fn a_refused_update_never_shows() {
    let router = Router::with(&slot(1, &["a"]));
    router.tick();
    let mut broken = slot(2, &["b"]);
    broken["format"] = 9.into();
    router.configure(&broken).unwrap_err();
    router.tick();
    assert_eq!(router.gauges(), (Some(1), Some(0)));
}

#[test]
fn streams_of_older_generations_are_counted_until_they_end() {
    let router = Router::with(&slot(1, &["a"]));
    let open = |worker: usize| router.plugin.worker(worker).open(keyed("1")).unwrap();
    let first = [open(0), open(0), open(1)];
    router.tick();
    assert_eq!(
        router.gauges(),
        (Some(1), Some(0)),
        "nothing is older than generation 1"
    );
    router.configure(&slot(2, &["b"])).unwrap();
    let second = open(1);
    router.tick();
    assert_eq!(router.gauges(), (Some(2), Some(3)));
    router.configure(&slot(3, &["c"])).unwrap();
    router.tick();
    assert_eq!(router.gauges(), (Some(3), Some(4)));
    for (stream, left) in first.into_iter().zip([3, 2, 1]) {
        stream.finish().unwrap();
        router.tick();
        assert_eq!(router.gauges(), (Some(3), Some(left)));
    }
    second.finish().unwrap();
    router.tick();
    assert_eq!(router.gauges(), (Some(3), Some(0)));
}

#[test]
fn the_filters_shared_data_is_one_key_of_its_slot() {
    let router = Router::with(&slot(1, &["a"]));
    for generation in 2..6 {
        router.configure(&slot(generation, &["a"])).unwrap();
        router.plugin.worker(0).request(Request::get("/orders")).unwrap();
        router.tick();
    }
    let keys = router.process.shared_keys("weir.shard-router");
    assert_eq!(keys, ["weir/default/edge/shard-router/workers"]);
}

#[test]
fn requests_are_counted_over_all_workers_and_configurations() {
    let router = Router::with(&slot(1, &["a"]));
    let counted = || {
        let family = "weir_requests_total.filter.shard-router.outcome";
        let by = [
            "forward.map.default_orders.shard.a",
            "missing-key.map.default_orders",
            "no-rule",
        ];
        by.map(|outcome| {
            router
                .process
                .counter(&format!("{family}.{outcome}"))
                .unwrap_or(0)
        })
    };
    router.request(keyed("1"));
    router.request(Request::get("/orders"));
    router.configure(&slot(2, &["a", "b"])).unwrap();
    router.request(Request::get("/elsewhere"));
    router.tick();
    assert_eq!(counted(), [2, 2, 2], "each request went to both workers");
}
