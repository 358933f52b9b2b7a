//! What a CachePolicy names.

use weir_policy::document::cache_policy::CachePolicySpec;
use weir_policy::name::Name;
use weir_policy::problem::Problems;

use super::{backend, note_missing_backend};
use crate::cache::Schedule;
use crate::state::State;

/// Notes what a policy names that isn't there. `problems` stands at `spec`.
pub(super) fn check(after: &State, namespace: &Name, policy: &CachePolicySpec, problems: &mut Problems) {
    problems.within("warming", |problems| {
        for (index, strategy) in policy.warming.iter().enumerate() {
            if let Err(detail) = Schedule::parse(&strategy.schedule) {
                let detail = format!("{:?}: {detail}", strategy.schedule);
                problems.within(index, |problems| {
                    problems.note_at("schedule", "invalid_schedule", detail)
                });
            }
        }
    });
    if let Some(tier2) = &policy.tier2
        && backend(after, namespace, &tier2.backend).is_none()
    {
        problems.within("tier2", |problems| {
            note_missing_backend(&tier2.backend, namespace, problems);
        });
    }
}
