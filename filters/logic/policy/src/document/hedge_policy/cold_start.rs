//! What happens while the usual latency is not known.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::quantity::{Duration, InvalidQuantity};

const WAIT: &str = "wait";

/// What happens while too few answers have been seen to know the quantile. Written `wait`, or as a delay: `50ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String", extend("pattern" = r"^(wait|[0-9]+(ms|s|m|h|d))$")))]
#[serde(try_from = "String", into = "String")]
pub enum ColdStart {
    /// No second try is sent.
    #[default]
    Wait,
    /// It is sent after this delay, which lies between `minDelay` and `maxDelay`.
    After(Duration),
}

impl ColdStart {
    /// The delay; none: no second try is sent.
    pub const fn delay(self) -> Option<Duration> {
        match self {
            Self::Wait => None,
            Self::After(delay) => Some(delay),
        }
    }
}

impl FromStr for ColdStart {
    type Err = InvalidColdStart;
    fn from_str(text: &str) -> Result<Self, InvalidColdStart> {
        if text == WAIT {
            return Ok(Self::Wait);
        }
        text.parse().map(Self::After).map_err(InvalidColdStart)
    }
}

/// Why a text says nothing of a cold start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidColdStart(InvalidQuantity);

impl fmt::Display for InvalidColdStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or {WAIT:?}", self.0)
    }
}

impl std::error::Error for InvalidColdStart {}

impl TryFrom<String> for ColdStart {
    type Error = InvalidColdStart;
    fn try_from(text: String) -> Result<Self, InvalidColdStart> {
        text.parse()
    }
}

impl From<ColdStart> for String {
    fn from(cold: ColdStart) -> Self {
        cold.delay().map_or_else(|| WAIT.to_owned(), Self::from)
    }
}
