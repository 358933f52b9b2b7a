//! How much is kept.

use serde::{Deserialize, Serialize};

use crate::document::bounds::check_range;
use crate::problem::Problems;
use crate::quantity::ByteSize;

/// The largest `objectSize`.
pub const MAX_OBJECT: ByteSize = ByteSize::from_bytes(64 << 20);
/// The largest `totalSize`: a module's memory ends at 4 GiB.
pub const MAX_TOTAL: ByteSize = ByteSize::from_bytes(2 << 30);
/// The largest `objects`.
pub const MAX_OBJECTS: u32 = 1_000_000;
/// The size of an object for which there is room, where `objects` is not said.
const USUAL_OBJECT: u64 = 1 << 10;

/// How much a proxy keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CacheLimitsSpec {
    /// A longer body passes through, not stored: 1B to 64MiB, and at most `totalSize`.
    #[serde(default = "default_object")]
    pub object_size: ByteSize,
    /// All objects of a proxy, their headers and what keeping them costs: 1B to 2GiB.
    #[serde(default = "default_total")]
    pub total_size: ByteSize,
    /// How many objects: 1 to 1000000; absent: one for each KiB of `totalSize`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub objects: Option<u32>,
}

const fn default_object() -> ByteSize {
    ByteSize::from_bytes(1 << 20)
}

const fn default_total() -> ByteSize {
    ByteSize::from_bytes(64 << 20)
}

impl Default for CacheLimitsSpec {
    fn default() -> Self {
        Self {
            object_size: default_object(),
            total_size: default_total(),
            objects: None,
        }
    }
}

impl CacheLimitsSpec {
    /// How many objects: as many as it says, else one for each KiB.
    pub fn object_count(self) -> u32 {
        self.objects.unwrap_or_else(|| {
            let usual = self.total_size.as_bytes() / USUAL_OBJECT;
            u32::try_from(usual).unwrap_or(u32::MAX).clamp(1, MAX_OBJECTS)
        })
    }

    pub(super) fn check(self, problems: &mut Problems) {
        const ONE: ByteSize = ByteSize::from_bytes(1);
        const REASON: &str = "size_out_of_range";
        let fits = [
            check_range(self.object_size, ONE..=MAX_OBJECT, "objectSize", REASON, problems),
            check_range(self.total_size, ONE..=MAX_TOTAL, "totalSize", REASON, problems),
        ];
        if fits == [true, true] && self.object_size > self.total_size {
            let detail = format!(
                "{}: expected at most totalSize, {}",
                self.object_size, self.total_size
            );
            problems.note_at("objectSize", REASON, detail);
        }
        if let Some(objects) = self.objects {
            check_range(
                objects,
                1..=MAX_OBJECTS,
                "objects",
                "number_out_of_range",
                problems,
            );
        }
    }
}
