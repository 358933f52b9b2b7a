//! Bodies that tell which request they answer.

use bytes::Bytes;

/// Length of a body, bytes.
const LENGTH: usize = 1_024;

/// The body for a request with this number: the number, again and again.
pub(crate) fn of(request: usize) -> Bytes {
    let word = format!("{request} ");
    word.bytes().cycle().take(LENGTH).collect()
}
