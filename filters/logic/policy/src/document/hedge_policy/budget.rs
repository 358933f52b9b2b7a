//! How many second tries there may be.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::document::bounds::check_range;
use crate::problem::Problems;

/// The largest `minPerSecond`.
pub const MAX_PER_SECOND: u32 = 10_000;
const NOTHING: Decimal = Decimal::from_ten_thousandths(0);
const ALL: Decimal = Decimal::from_ten_thousandths(1_000_000);

/// How many second tries there may be, of each proxy, all its workers together: in any span of ten seconds or more, not more
/// than `percent` of the requests that the policy is for and `minPerSecond` for each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BudgetSpec {
    /// 0 to 100, at most four decimals.
    #[serde(default = "default_percent")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 100)))]
    pub percent: Decimal,
    /// 0 to 10000. At most five times as many requests at a time may be waiting for a second try: choose at least a fifth of those
    /// under way. With 0 there are no second tries.
    #[serde(default = "default_min_per_second")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 10_000)))]
    pub min_per_second: u32,
}

const fn default_percent() -> Decimal {
    Decimal::from_ten_thousandths(20_000)
}

const fn default_min_per_second() -> u32 {
    10
}

impl Default for BudgetSpec {
    fn default() -> Self {
        Self {
            percent: default_percent(),
            min_per_second: default_min_per_second(),
        }
    }
}

impl BudgetSpec {
    pub(super) fn check(self, problems: &mut Problems) {
        check_range(
            self.percent,
            NOTHING..=ALL,
            "percent",
            "percent_out_of_range",
            problems,
        );
        check_range(
            self.min_per_second,
            0..=MAX_PER_SECOND,
            "minPerSecond",
            "number_out_of_range",
            problems,
        );
    }
}
