//! Headers that go no further.

use envoy_types::pb::envoy::config::common::mutation_rules::v3::HeaderMutation;
use envoy_types::pb::envoy::config::common::mutation_rules::v3::header_mutation::{Action, RemoveOnMatch};
use envoy_types::pb::envoy::r#type::matcher::v3::StringMatcher;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;

/// Removes every header whose name starts with `prefix`.
pub(super) fn removal(prefix: &str) -> HeaderMutation {
    let matcher = StringMatcher {
        match_pattern: Some(MatchPattern::Prefix(prefix.to_owned())),
        ..StringMatcher::default()
    };
    HeaderMutation {
        action: Some(Action::RemoveOnMatch(RemoveOnMatch {
            key_matcher: Some(matcher),
        })),
    }
}
