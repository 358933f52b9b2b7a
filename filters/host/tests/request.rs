//! The request at hand: read lazily, each header once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_host::fake::{Call, Stream};
use weir_host::{HostError, Request};
use weir_route_match::RequestView;

proptest! {
    #[test]
    fn every_header_is_read_once_and_right(
        headers in prop::collection::btree_map("[a-c]{1,2}|x{28,33}", prop::collection::vec(any::<u8>(), 0..4), 0..12),
        reads in prop::collection::vec("[a-c]{1,2}|x{28,33}", 0..60),
    ) {
        let given: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let stream = Stream::new(&given);
        let request = Request::new(&stream);
        for name in &reads {
            prop_assert_eq!(request.header(name), headers.get(name).map(Vec::as_slice));
        }
        let mut calls = BTreeMap::new();
        for (_, name) in stream.calls() {
            *calls.entry(name).or_insert(0) += 1;
        }
        prop_assert!(calls.values().all(|count| *count == 1), "{calls:?}");
        prop_assert!(calls.keys().all(|name| reads.contains(name)));
    }
}

#[test]
fn a_failed_read_is_absent_and_remembered() {
    let stream = Stream::new(&[("a", b"1"), ("b", b"2")]);
    stream.fail(Call::Get, "a");
    let request = Request::new(&stream);
    assert_eq!(
        (request.header("b"), request.failure()),
        (Some(b"2".as_slice()), None)
    );
    assert_eq!(request.header("a"), None);
    assert_eq!(request.failure(), Some(HostError::BadArgument));
}
