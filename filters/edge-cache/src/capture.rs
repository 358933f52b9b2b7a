//! An answer that is kept as it passes.

use weir_http_cache::Head;

/// What has passed of an answer.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Capture {
    pub(crate) const fn new(head: Head) -> Self {
        let body = Vec::new();
        Self { head, body }
    }

    /// One more part; whether the whole is short enough so far.
    pub(crate) fn add(&mut self, part: &[u8], max_bytes: u64) -> bool {
        let length = self.body.len().saturating_add(part.len());
        let fits = u64::try_from(length).is_ok_and(|length| length <= max_bytes);
        if fits {
            self.body.extend_from_slice(part);
        }
        fits
    }
}
