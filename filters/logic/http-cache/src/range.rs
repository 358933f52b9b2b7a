//! Ranges of bytes (RFC 9110 section 14).

use crate::text::{cut, number, trim};

/// One range of bytes that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// `bytes=2-5`, `bytes=2-`: the first and the last, both counted.
    From(u64, Option<u64>),
    /// `bytes=-5`: so many at the end.
    Last(u64),
}

impl ByteRange {
    /// Reads a `Range`. None: another unit, several ranges, or no range at all: the field is ignored (RFC 9110 section 14.2).
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let (unit, ranges) = cut(value, b'=');
        if !trim(unit).eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        let (first, last) = cut(trim(ranges?), b'-');
        let last = last?;
        match (first, last) {
            (b"", last) => Some(Self::Last(number(last)?)),
            (first, b"") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// Where in `length` bytes it begins and ends (the end not counted). None: nowhere, 416 (RFC 9110 section 14.1.2).
    pub(crate) fn within(self, length: u64) -> Option<(u64, u64)> {
        let (from, to) = match self {
            Self::From(first, last) => {
                let end = last.map_or(length, |last| last.saturating_add(1));
                (first, end.min(length))
            }
            Self::Last(count) => (length.saturating_sub(count), length),
        };
        (from < to).then_some((from, to))
    }
}

/// A stored part of a representation, the body of a 206 (RFC 9111 section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where in the representation it begins.
    pub first: u64,
    /// How many bytes are stored.
    pub bytes: u64,
    /// How many the representation has.
    pub total: u64,
    /// It goes to the end of the representation.
    pub to_end: bool,
}

impl Part {
    /// Reads a `Content-Range` (RFC 9110 section 14.4). None: it is not one of bytes whose length is known.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let range = value.strip_prefix(b"bytes ")?;
        let (span, total) = cut(range, b'/');
        let (first, last) = cut(span, b'-');
        let (first, last, total) = (number(first)?, number(last?)?, number(total?)?);
        (first <= last && last < total).then(|| Self {
            first,
            bytes: last - first + 1,
            total,
            to_end: last + 1 == total,
        })
    }

    /// Where in the stored bytes `range` begins and ends. None: not all of it is stored.
    pub(crate) fn within(self, range: ByteRange) -> Option<(u64, u64)> {
        let found = match range {
            ByteRange::Last(count) if self.to_end && count <= self.bytes => (self.bytes - count, self.bytes),
            ByteRange::From(first, None) if self.to_end => (first.checked_sub(self.first)?, self.bytes),
            ByteRange::From(first, Some(last)) => {
                let last = last.min(self.total.checked_sub(1)?);
                let to = last.checked_sub(self.first)?.checked_add(1)?;
                (first.checked_sub(self.first)?, to)
            }
            _ => return None,
        };
        (found.0 < found.1 && found.1 <= self.bytes).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(range: &str, length: u64, expected: Option<Option<(u64, u64)>>) {
        let found = ByteRange::parse(range.as_bytes()).map(|range| range.within(length));
        assert_eq!(found, expected, "{range} of {length}");
    }

    #[test]
    fn a_range_lies_within_the_body() {
        check("bytes=0-1", 10, Some(Some((0, 2))));
        check("bytes=1-", 10, Some(Some((1, 10))));
        check("bytes=-3", 10, Some(Some((7, 10))));
        check("bytes=-30", 10, Some(Some((0, 10))));
        check("bytes=5-99999999999999999999999", 10, Some(Some((5, 10))));
        check("Bytes=0-0", 10, Some(Some((0, 1))));
        check("bytes=10-", 10, Some(None));
        check("bytes=-0", 10, Some(None));
        check("bytes=0-", 0, Some(None));
        check("bytes=2-1", 10, None);
        check("bytes=0-1,3-4", 10, None);
        check("bytes=a-1", 10, None);
        check("bytes=-", 10, None);
        check("items=0-1", 10, None);
        check("bytes", 10, None);
    }

    #[test]
    fn a_part_answers_for_what_it_holds() {
        let part = Part::parse(b"bytes 4-9/12").unwrap();
        let check = |range: &str, expected| {
            let range = ByteRange::parse(range.as_bytes()).unwrap();
            assert_eq!(part.within(range), expected, "{range:?}");
        };
        check("bytes=4-9", Some((0, 6)));
        check("bytes=6-8", Some((2, 5)));
        check("bytes=6-", None);
        check("bytes=-5", None);
        check("bytes=3-5", None);
        check("bytes=9-10", None);
        let end = Part::parse(b"bytes 4-9/10").unwrap();
        assert_eq!(end.within(ByteRange::Last(5)), Some((1, 6)));
        assert_eq!(end.within(ByteRange::Last(7)), None);
        assert_eq!(end.within(ByteRange::From(6, None)), Some((2, 6)));
        assert_eq!(end.within(ByteRange::From(6, Some(20))), Some((2, 6)));
        for junk in [
            "bytes 4-9/*",
            "bytes */10",
            "bytes 9-4/10",
            "bytes 4-10/10",
            "4-9/10",
            "",
        ] {
            assert_eq!(Part::parse(junk.as_bytes()), None, "{junk}");
        }
    }

    proptest! {
        #[test]
        fn a_part_holds_what_the_whole_would(
            total in 1_u64..30, first in 0_u64..30, last in 0_u64..30, text in "bytes=[0-9]{0,2}-[0-9]{0,2}"
        ) {
            let content_range = format!("bytes {first}-{last}/{total}");
            if let (Some(part), Some(range)) = (Part::parse(content_range.as_bytes()), ByteRange::parse(text.as_bytes()))
                && let Some((from, to)) = part.within(range)
            {
                prop_assert_eq!(range.within(total), Some((from + first, to + first)));
            }
        }
    }
}
