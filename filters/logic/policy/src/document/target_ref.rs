//! What a policy is attached to, in Gateway API's shape.

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::problem::Problems;

/// A reference to what a policy is attached to, in the policy's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetRef {
    /// `weir.dev`.
    pub group: String,
    /// `Gateway`.
    pub kind: String,
    /// The target's name.
    pub name: Name,
    /// A route of the Gateway; absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<Name>,
}

impl TargetRef {
    /// Notes everything wrong with this reference.
    pub fn check(&self, problems: &mut Problems) {
        if self.group != "weir.dev" {
            problems.note_at(
                "group",
                "unknown_target",
                format!("unknown group {:?}: expected \"weir.dev\"", self.group),
            );
        }
        if self.kind != "Gateway" {
            problems.note_at(
                "kind",
                "unknown_target",
                format!("unknown kind {:?}: expected \"Gateway\"", self.kind),
            );
        }
    }
}

/// Notes everything wrong with a list of references.
pub fn check_target_refs(targets: &[TargetRef], problems: &mut Problems) {
    problems.within("targetRefs", |problems| {
        for (index, target) in targets.iter().enumerate() {
            problems.within(index, |problems| target.check(problems));
        }
    });
}
