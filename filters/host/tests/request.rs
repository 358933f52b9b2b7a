//! The request at hand: read when asked for, and once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use weir_host::fake::{Call, Stream};
use weir_host::{HostError, Request};
use weir_route_match::RequestView;

proptest! {
    #[test]
    fn every_value_is_there_for_one_call(
        headers in prop::collection::vec(("[a-c]{1,2}", prop::collection::vec(any::<u8>(), 0..4)), 0..12),
        reads in prop::collection::vec("[a-c]{0,2}", 0..20),
    ) {
        let given: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let stream = Stream::new(&given);
        let request = Request::new(&stream);
        for name in &reads {
            let expected: Vec<&[u8]> = given.iter().filter(|(known, _)| known == name).map(|(_, value)| *value).collect();
            prop_assert_eq!(request.header(name), expected.first().copied());
            prop_assert_eq!(request.values(name).collect::<Vec<_>>(), expected);
        }
        prop_assert_eq!(stream.calls().len(), usize::from(!reads.is_empty()));
        prop_assert_eq!(request.failure(), None);
    }
}

#[test]
fn where_reading_fails_all_is_absent_and_the_failure_remembered() {
    let stream = Stream::new(&[("a", b"1")]);
    stream.fail(Call::Read, "");
    let request = Request::new(&stream);
    assert_eq!(request.failure(), None);
    assert_eq!(request.header("a"), None);
    assert_eq!(request.failure(), Some(HostError::BadArgument));
}
