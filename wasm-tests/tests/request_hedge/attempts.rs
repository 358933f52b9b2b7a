//! The number of tries, as the proxy tells it.

use weir_wasm_tests::{Request, Status};

use crate::fixture::{Hedged, plain};

const PATH: [&str; 2] = ["upstream", "request_attempt_count"];

/// A slow request whose number of tries reads so: how often `sent`, `unreadable`.
fn counted(hedged: &Hedged, tries: &[u8]) -> (u64, u64) {
    let before = (hedged.hedges("sent"), hedged.hedges("unreadable"));
    hedged.replicas.first_takes(100);
    hedged.ask(0, Request::get("/a").property(&PATH, tries));
    assert!(hedged.process.traps().is_empty());
    (
        hedged.hedges("sent") - before.0,
        hedged.hedges("unreadable") - before.1,
    )
}

#[test]
fn is_none_one_or_two() {
    let hedged = Hedged::on(1, &plain());
    for (tries, expected) in [(0_u64, (0, 0)), (1, (0, 0)), (2, (1, 0))] {
        assert_eq!(counted(&hedged, &tries.to_le_bytes()), expected, "{tries}");
    }
}

#[test]
fn counts_however_soon_the_answer_came() {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.all_take(1);
    hedged.ask(0, Request::get("/a").property(&PATH, 2_u64.to_le_bytes()));
    assert_eq!((hedged.hedges("sent"), hedged.hedges("unreadable")), (1, 0));
}

#[test]
fn counts_as_spent_where_it_is_absurd() {
    let hedged = Hedged::on(1, &plain());
    for tries in [3, 1 << 32, 1 << 63, u64::MAX] {
        assert_eq!(counted(&hedged, &tries.to_le_bytes()), (1, 1), "{tries}");
    }
    for bytes in [
        &[][..],
        &[2],
        &[2, 0, 0],
        &[2; 7],
        &[2, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xff; 64],
    ] {
        assert_eq!(counted(&hedged, bytes), (1, 1), "{bytes:?}");
    }
}

#[test]
fn counts_as_spent_where_it_is_missing() {
    for status in [
        Status::NotFound,
        Status::InternalFailure,
        Status::SerializationFailure,
    ] {
        let hedged = Hedged::on(1, &plain());
        hedged.replicas.first_takes(100);
        hedged.fail("proxy_get_property", status);
        hedged.ask(0, Request::get("/a").header("x-weir-cluster", "orders-read"));
        hedged.process.clear_faults();
        assert_eq!(
            (hedged.hedges("sent"), hedged.hedges("unreadable")),
            (1, 1),
            "{status:?}"
        );
    }
}

#[test]
fn spends_a_token_only_where_a_hedge_left() {
    let sparse = crate::fixture::plain_with("/budget", serde_json::json!({"ppm": 0, "minPerSecond": 1}));
    let hedged = Hedged::on(1, &sparse);
    let ask = |tries: u64| {
        let request = Request::get("/a").property(&PATH, tries.to_le_bytes());
        hedged.ask(0, request.header("x-weir-cluster", "orders-read"));
    };
    let before = hedged.decided("armed");
    hedged.replicas.all_take(19);
    (0..20).for_each(|_| ask(1));
    assert_eq!(hedged.decided("armed") - before, 20, "a token comes back");
    (0..20).for_each(|_| ask(9));
    let spent = hedged.decided("armed") - before - 20;
    assert!((1..=6).contains(&spent), "{spent}");
}
