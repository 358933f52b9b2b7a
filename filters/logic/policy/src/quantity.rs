//! Durations and sizes as people write them: `250ms`, `5m`, `64KiB`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A unit's suffix and how many base units it holds.
type Unit = (&'static str, u64);

const DURATION_UNITS: [Unit; 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
const SIZE_UNITS: [Unit; 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
/// Integers in a compiled configuration stay below 2^53 (Istio carries them as doubles).
const MAX: u64 = 1 << 53;

/// A span of time, a whole number of milliseconds. Written `250ms`, `5s`, `5m`, `1h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String", extend("pattern" = r"^[0-9]+(ms|s|m|h|d)$")))]
#[serde(try_from = "String", into = "String")]
pub struct Duration {
    millis: u64,
}

/// A number of bytes. Written `512B`, `64KiB`, `16MiB`, `1GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String", extend("pattern" = r"^[0-9]+(B|KiB|MiB|GiB)$")))]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize {
    bytes: u64,
}

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidQuantity {
    text: String,
    expected: &'static str,
}

impl fmt::Display for InvalidQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid quantity {:?}: expected {}", self.text, self.expected)
    }
}

impl std::error::Error for InvalidQuantity {}

impl Duration {
    /// A duration of `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }
    /// A duration of `seconds` seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self {
            millis: seconds * 1_000,
        }
    }
    /// Whole milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.millis
    }
}

impl ByteSize {
    /// A size of `bytes` bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self { bytes }
    }
    /// Bytes.
    pub const fn as_bytes(self) -> u64 {
        self.bytes
    }
}

fn parse(text: &str, units: &[Unit]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == suffix)?;
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(*factor)
        .filter(|value| *value < MAX)
}

/// The largest unit that divides `value`.
fn write(value: u64, units: &[Unit], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let exact = units
        .iter()
        .rev()
        .find(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    match exact.or(units.first()) {
        Some((suffix, factor)) => write!(f, "{}{suffix}", value / factor),
        None => Ok(()),
    }
}

impl FromStr for Duration {
    type Err = InvalidQuantity;
    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let expected = "a whole number with a unit of ms, s, m, h or d, like \"250ms\"";
        let invalid = || InvalidQuantity {
            text: text.to_owned(),
            expected,
        };
        parse(text, &DURATION_UNITS)
            .map(|millis| Self { millis })
            .ok_or_else(invalid)
    }
}

impl FromStr for ByteSize {
    type Err = InvalidQuantity;
    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let expected = "a whole number with a unit of B, KiB, MiB or GiB, like \"64KiB\"";
        let invalid = || InvalidQuantity {
            text: text.to_owned(),
            expected,
        };
        parse(text, &SIZE_UNITS)
            .map(|bytes| Self { bytes })
            .ok_or_else(invalid)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.millis, &DURATION_UNITS, f)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.bytes, &SIZE_UNITS, f)
    }
}

impl TryFrom<String> for Duration {
    type Error = InvalidQuantity;
    fn try_from(text: String) -> Result<Self, InvalidQuantity> {
        text.parse()
    }
}

impl TryFrom<String> for ByteSize {
    type Error = InvalidQuantity;
    fn try_from(text: String) -> Result<Self, InvalidQuantity> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_units() {
        assert_eq!("250ms".parse(), Ok(Duration::from_millis(250)));
        assert_eq!("5m".parse(), Ok(Duration::from_secs(300)));
        assert_eq!("64KiB".parse(), Ok(ByteSize::from_bytes(65_536)));
    }

    #[test]
    fn refuses_what_has_no_unit_or_does_not_fit() {
        for bad in [
            "",
            "5",
            "ms",
            "-5s",
            "1.5s",
            "5 s",
            "5S",
            "99999999999999999999ms",
            "9007199254740992ms",
        ] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
        for bad in ["64KB", "64", "1TiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in 0..MAX) {
            let duration = Duration::from_millis(value);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            let size = ByteSize::from_bytes(value);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}
