//! Lists, numbers and tokens in field values (RFC 9110 section 5.6).

use std::collections::BinaryHeap;

/// The most seconds that a duration or an age has (RFC 9111 section 1.2.2).
pub(crate) const MAX_SECONDS: u64 = 1 << 31;

/// What a backslash within quotes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backslash {
    /// It takes the special meaning from what follows, as in a `quoted-string`.
    Escapes,
    /// A byte as any other, as in an entity tag (RFC 9110 section 8.8.3).
    Plain,
}

/// The members of a list, without the white space around them, empty ones left out (RFC 9110 section 5.6.1.2). A comma
/// within quotes is part of its member.
pub(crate) fn items(value: &[u8], backslash: Backslash) -> Items<'_> {
    Items {
        left: Some(value),
        backslash,
    }
}

/// The members of a list, see [`items`].
#[derive(Clone, Debug)]
pub(crate) struct Items<'v> {
    left: Option<&'v [u8]>,
    backslash: Backslash,
}

impl<'v> Iterator for Items<'v> {
    type Item = &'v [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = self.left?;
            let end = end_of_item(text, self.backslash);
            self.left = text.get(end + 1..);
            let item = trim(text.get(..end)?);
            if !item.is_empty() {
                return Some(item);
            }
        }
    }
}

fn end_of_item(text: &[u8], backslash: Backslash) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    let ends = |byte: &u8| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted && backslash == Backslash::Escapes => escaped = true,
            b',' => return !quoted,
            _ => {}
        }
        false
    };
    text.iter().position(ends).unwrap_or(text.len())
}

/// Without the white space (spaces and tabs) around it.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let white = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|byte| !white(byte));
    let end = text.iter().rposition(|byte| !white(byte));
    match (start, end) {
        (Some(start), Some(end)) => text.get(start..=end).unwrap_or_default(),
        _ => &[],
    }
}

/// What stands before the first `separator`, and what after.
pub(crate) fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == separator) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

/// Without the quotes around it; what is escaped stays so.
pub(crate) fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    inner.unwrap_or(value)
}

/// `delta-seconds` (RFC 9111 section 1.2.2): digits alone, the greatest value in place of a greater one.
pub(crate) fn seconds(text: &[u8]) -> Option<u64> {
    number(text).map(|seconds| seconds.min(MAX_SECONDS))
}

/// Digits alone; the greatest number in place of a greater one.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(sum.saturating_mul(10).saturating_add(digit))
    })
}

/// Writes a number in decimal. Without `write!`, which takes several times as long.
pub(crate) fn push_number(text: &mut Vec<u8>, value: u64) {
    if value >= 10 {
        push_number(text, value / 10);
    }
    text.push(b'0' + (value % 10) as u8);
}

/// Whether the media type of a `Content-Type` begins so; case has no meaning.
pub(crate) fn begins_with(value: &[u8], prefix: &[u8]) -> bool {
    let found = value.get(..prefix.len());
    found.is_some_and(|found| found.eq_ignore_ascii_case(prefix))
}

/// The texts in their order, each with its place among those given; of equal ones the first comes first. Clients choose how
/// many there are, so the time is O(n log n); a heap's code is a tenth of that of the standard library's sorts.
pub(crate) fn sorted<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Vec<(&'t [u8], usize)> {
    let heap: BinaryHeap<(&[u8], usize)> = texts.enumerate().map(|(place, text)| (text, place)).collect();
    heap.into_sorted_vec()
}
