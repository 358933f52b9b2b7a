//! A slow try is hedged, and the first answer counts.

use weir_wasm_tests::{Answer, Request};

use crate::fixture::{DELAY_MS, Hedged, assert_whole, hedged_after, plain, plain_with};
use crate::replicas::{ms, whole};

#[test]
fn a_slow_try_is_hedged_after_the_delay_and_the_first_answer_counts() {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.first_takes(300);
    let exchange = hedged.ask(0, Request::get("/a"));
    assert_eq!(hedged_after(&exchange), Some(DELAY_MS));
    let tries = exchange.upstream_requests();
    assert_ne!(tries[0].host, tries[1].host);
    assert!(tries[0].reset, "the loser is reset: {exchange}");
    assert_eq!(exchange.duration(), ms(DELAY_MS + 6));
    assert_eq!(exchange.response().unwrap().body, b"/a 2");
}

#[test]
fn the_first_try_may_still_win() {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.answer(|request| {
        let first = request.attempt == 1;
        whole(request).after(ms(if first { 30 } else { 300 }))
    });
    let exchange = hedged.ask(0, Request::get("/a"));
    assert_eq!(exchange.upstream_requests().len(), 2);
    assert!(exchange.upstream_requests()[1].reset, "{exchange}");
    assert_eq!(exchange.response().unwrap().body, b"/a 1");
}

#[test]
fn a_quick_try_is_not_hedged() {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.all_take(DELAY_MS - 1);
    assert_eq!(hedged.tries(0), 1);
    assert_eq!(hedged.hedges("sent"), 0);
}

#[test]
fn there_is_no_third_try() {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.all_take(500);
    assert_eq!(hedged.tries(0), 2);
}

#[test]
fn an_error_is_not_tried_again() {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.answer(|_| Answer::status(503).after(ms(5)));
    let exchange = hedged.listener.request(0, Request::get("/a")).unwrap();
    assert_eq!((exchange.status(), exchange.upstream_requests().len()), (503, 1));
}

#[test]
fn every_one_of_a_crowd_is_answered_once_and_whole() {
    let generous = plain_with("/budget/ppm", 1_000_000.into());
    for workers in [1, 4] {
        let hedged = Hedged::on(workers, &generous);
        hedged.replicas.answer(|request| {
            let slow = request.number % 7 == 0;
            whole(request).after(ms(if slow { 150 } else { 8 + request.number % 30 }))
        });
        let exchanges = hedged.stream(400, 3);
        hedged.advance(400);
        exchanges.iter().for_each(assert_whole);
        let twice = exchanges
            .iter()
            .filter(|exchange| exchange.upstream_requests().len() == 2);
        assert!(twice.count() > 60, "{workers}");
        assert!(hedged.process.traps().is_empty());
    }
}

#[test]
fn a_client_that_leaves_ends_both_tries() {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.all_take(500);
    let exchange = hedged.send(0, Request::get("/a"));
    hedged.advance(DELAY_MS + 10);
    exchange.abort();
    hedged.advance(1_000);
    let tries = exchange.upstream_requests();
    assert_eq!(
        tries.iter().map(|request| request.reset).collect::<Vec<_>>(),
        [true; 2]
    );
    assert_eq!((hedged.hedges("sent"), hedged.hedges("unreadable")), (1, 0));
}
