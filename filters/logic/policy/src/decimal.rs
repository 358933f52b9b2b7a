//! Numbers as people write them: `0.95`, `2`, `1.5`.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// How many steps a whole is divided into.
const STEPS: i64 = 10_000;
/// Numbers beyond this are a mistake in any field.
const LIMIT: f64 = 1e9;

/// A number with at most four decimals, kept exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "f64"))]
#[serde(try_from = "f64")]
pub struct Decimal {
    steps: i64,
}

/// Why a number is no [`Decimal`].
#[derive(Clone, Debug, PartialEq)]
pub struct InvalidDecimal {
    value: f64,
}

impl fmt::Display for InvalidDecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: expected a number with at most four decimals, at most 1000000000",
            self.value
        )
    }
}

impl std::error::Error for InvalidDecimal {}

impl Decimal {
    /// So many ten-thousandths.
    pub const fn from_ten_thousandths(steps: i64) -> Self {
        Self { steps }
    }

    /// The number in parts per million; of one below zero or too large for it, the nearest there is.
    pub fn as_ppm(self) -> u32 {
        clamped(self.steps.saturating_mul(100))
    }

    /// The number, taken for a percentage, in parts per million: `2` is 20,000.
    pub fn percent_as_ppm(self) -> u32 {
        clamped(self.steps)
    }

    /// Both are exact, so the quotient is the number that is nearest to what was written.
    #[allow(clippy::cast_precision_loss, reason = "both stay below 2^53")]
    fn value(self) -> f64 {
        self.steps as f64 / STEPS as f64
    }
}

fn clamped(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

impl TryFrom<f64> for Decimal {
    type Error = InvalidDecimal;

    #[allow(clippy::cast_possible_truncation, reason = "bounded just before")]
    fn try_from(value: f64) -> Result<Self, InvalidDecimal> {
        let invalid = InvalidDecimal { value };
        if !value.is_finite() || value.abs() > LIMIT {
            return Err(invalid);
        }
        let near = Self {
            steps: (value * STEPS as f64).round() as i64,
        };
        let is_exact = near.value().to_bits() == (value + 0.0).to_bits();
        is_exact.then_some(near).ok_or(invalid)
    }
}

/// A whole number is written as one.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.steps % STEPS == 0 {
            serializer.serialize_i64(self.steps / STEPS)
        } else {
            serializer.serialize_f64(self.value())
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Decimal, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_whole_numbers_and_fractions() {
        for (text, steps) in [
            ("0.95", 9_500),
            ("2", 20_000),
            ("2.0", 20_000),
            ("-0.0", 0),
            ("-1", -10_000),
            ("0.0001", 1),
        ] {
            assert_eq!(read(text), Ok(Decimal::from_ten_thousandths(steps)), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_can_not_keep() {
        for bad in ["0.00001", "0.95000001", "1e10", "-1e10", "\"1\"", "null"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for bad in [f64::NAN, f64::INFINITY] {
            assert!(Decimal::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parts_per_million() {
        let two = Decimal::from_ten_thousandths(20_000);
        assert_eq!((two.as_ppm(), two.percent_as_ppm()), (2_000_000, 20_000));
        assert_eq!(Decimal::from_ten_thousandths(-1).as_ppm(), 0);
        assert_eq!(Decimal::from_ten_thousandths(i64::MAX).as_ppm(), u32::MAX);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(steps in -10_000_000_000_000_i64..=10_000_000_000_000) {
            let decimal = Decimal::from_ten_thousandths(steps);
            prop_assert_eq!(read(&serde_json::to_string(&decimal).unwrap()), Ok(decimal));
            prop_assert_eq!(read(&decimal.to_string()), Ok(decimal));
        }
    }
}
