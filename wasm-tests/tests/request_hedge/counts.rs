//! Every request to the policy's clusters counts once.

use proptest::prelude::*;
use weir_wasm_tests::{Answer, Exchange, Request};

use crate::fixture::{Hedged, plain};
use crate::replicas::{ms, whole};

#[derive(Clone, Debug)]
enum Deed {
    Ask { worker: usize, how: u8 },
    Answers { percent: u64, takes: u64 },
    Abort,
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (0..2_usize, 0..8_u8).prop_map(|(worker, how)| Deed::Ask { worker, how }),
        1 => (0..100_u64, 0..200_u64).prop_map(|(percent, takes)| Deed::Answers { percent, takes }),
        1 => Just(Deed::Abort),
        3 => prop_oneof![0..60_u64, 0..2_000_u64].prop_map(Deed::Wait),
    ]
}

fn request(how: u8) -> Request {
    let length = |request: Request| request.header("content-length", "1").body("x");
    match how {
        0 => length(Request::new("POST", "/a")),
        1 => length(Request::new("POST", "/a").header("idempotency-key", "k")),
        2 => Request::new("HEAD", "/a"),
        3 => Request::get("/a").header("upgrade", "websocket"),
        _ => Request::get("/a"),
    }
}

fn answers(hedged: &Hedged, percent: u64, takes: u64) {
    hedged
        .replicas
        .answer(move |request| match request.number * 37 % 100 {
            number if number < percent => Answer::status(503).header("retry-after", "1"),
            number if number % 5 == 0 => Answer::reset().after(ms(takes)),
            _ => whole(request).after(ms(takes)),
        });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decisions_add_up_to_requests_and_hedges_to_second_tries(deeds in prop::collection::vec(deed(), 1..80)) {
        let hedged = Hedged::on(2, &plain());
        let warm = 8;
        let mut exchanges: Vec<Exchange> = Vec::new();
        for deed in &deeds {
            match deed {
                Deed::Ask { worker, how } => exchanges.push(hedged.send(*worker, request(*how))),
                Deed::Answers { percent, takes } => answers(&hedged, *percent, *takes),
                Deed::Abort => drop(exchanges.last().map(Exchange::abort)),
                Deed::Wait(milliseconds) => hedged.advance(*milliseconds),
            }
        }
        hedged.advance(20_000);
        prop_assert!(exchanges.iter().all(Exchange::has_ended));
        prop_assert_eq!(hedged.decisions(), exchanges.len() as u64 + warm);
        let second = exchanges.iter().filter(|exchange| exchange.upstream_requests().len() > 1).count() as u64;
        prop_assert_eq!(hedged.hedges("sent"), second);
        prop_assert_eq!(hedged.hedges("won-estimate") + hedged.hedges("wasted-estimate"), second);
        prop_assert_eq!(hedged.hedges("unreadable"), 0);
    }
}
