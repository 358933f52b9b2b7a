//! When a second try would only add to the load.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::document::bounds::check_range;
use crate::problem::Problems;

const ONE: Decimal = Decimal::from_ten_thousandths(10_000);
const LOWEST_FACTOR: Decimal = Decimal::from_ten_thousandths(11_000);
const HUNDRED: Decimal = Decimal::from_ten_thousandths(1_000_000);

/// When no second try is sent because all replicas are in trouble. One that is slow among several is not meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OverloadSpec {
    /// More of the latest answers than this are 5xx or resets: 1 to 100, at most four decimals.
    #[serde(default = "default_error_percent")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100)))]
    pub error_percent: Decimal,
    /// The median of the latest answers is longer than the usual one by more than this factor: 1.1 to 100, at most four decimals.
    #[serde(default = "default_latency_factor")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1.1, max = 100)))]
    pub latency_factor: Decimal,
}

const fn default_error_percent() -> Decimal {
    Decimal::from_ten_thousandths(200_000)
}

const fn default_latency_factor() -> Decimal {
    Decimal::from_ten_thousandths(20_000)
}

impl Default for OverloadSpec {
    fn default() -> Self {
        Self {
            error_percent: default_error_percent(),
            latency_factor: default_latency_factor(),
        }
    }
}

impl OverloadSpec {
    pub(super) fn check(self, problems: &mut Problems) {
        check_range(
            self.error_percent,
            ONE..=HUNDRED,
            "errorPercent",
            "percent_out_of_range",
            problems,
        );
        check_range(
            self.latency_factor,
            LOWEST_FACTOR..=HUNDRED,
            "latencyFactor",
            "number_out_of_range",
            problems,
        );
    }
}
