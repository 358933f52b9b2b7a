//! How old a response is, and for how long it is fresh (RFC 9111 section 4.2).

use weir_policy::compiled::edge_cache::TtlRule;

use crate::date;
use crate::directives::Told;
use crate::headers::Headers;
use crate::judge::Seen;
use crate::rules::CacheRules;
use crate::text::{MAX_SECONDS, seconds};

/// For how long a response is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// The origin or the policy says it, in milliseconds.
    Stated(u64),
    /// The policy says it in the origin's place.
    Replaced(u64),
    /// Nobody says.
    Unknown,
    /// The policy says that it is not stored.
    Never,
}

/// `corrected_initial_age` (RFC 9111 section 4.2.3), in milliseconds. `Date` counts whole seconds, so the apparent age
/// does.
pub(crate) fn initial_age_ms(headers: &Headers, request_ms: u64, response_ms: u64) -> u64 {
    let date = date_s(headers, response_ms);
    let apparent = u64::try_from(second(response_ms) - date).unwrap_or(0);
    let delay = response_ms.saturating_sub(request_ms);
    let corrected = age_s(headers).saturating_mul(1000).saturating_add(delay);
    corrected.max(apparent.saturating_mul(1000))
}

/// `age_value`, in seconds. The first member of a list counts (RFC 9111 section 5.1); what is not one line of plain numbers
/// makes the response as old as can be, since it must not pass for fresh by a mistake.
fn age_s(headers: &Headers) -> u64 {
    let mut lines = headers.values("age");
    let Some(line) = lines.next() else {
        return 0;
    };
    let mut members = line.split(|byte| *byte == b',').map(seconds);
    let first = members.next().flatten();
    let plain = members.all(|member| member.is_some()) && lines.next().is_none();
    first.filter(|_| plain).unwrap_or(MAX_SECONDS)
}

/// `date_value`; when the response came where that is absent or no date (RFC 9110 section 6.6.1).
pub(crate) fn date_s(headers: &Headers, response_ms: u64) -> i64 {
    let now = second(response_ms);
    let date = headers.get("date").and_then(|value| date::parse(value, now));
    date.unwrap_or(now)
}

pub(crate) fn second(at_ms: u64) -> i64 {
    i64::try_from(at_ms / 1000).unwrap_or(i64::MAX)
}

/// What the origin says, in seconds: `s-maxage`, `max-age`, or `Expires` less `Date` (RFC 9111 section 4.2.1). An `Expires`
/// that is no date has passed already (section 5.3).
pub(crate) fn stated_s(told: &Told, headers: &Headers, response_ms: u64) -> Option<u64> {
    let by_directives = told.directives.lifetime();
    if by_directives.is_some() || told.targeted {
        return by_directives;
    }
    let value = headers.get("expires")?;
    let expires = date::parse(value, second(response_ms));
    let left = expires.map(|expires| expires.saturating_sub(date_s(headers, response_ms)));
    Some(u64::try_from(left.unwrap_or(0)).unwrap_or(0).min(MAX_SECONDS))
}

/// Statuses that are cacheable by default (RFC 9110 section 15.1).
pub(crate) fn is_cacheable_by_default(status: u16) -> bool {
    matches!(
        status,
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

impl CacheRules {
    /// For how long a response is fresh: as a rule says that replaces the origin, as the origin says, as a rule says, by
    /// default, by heuristics (RFC 9111 section 4.2.2).
    pub(crate) fn lifetime(&self, seen: &Seen<'_>, told: &Told) -> Lifetime {
        let ttl = &self.policy().ttl;
        let capped = |ms: u64| ttl.max_ms.map_or(ms, |most| ms.min(most));
        let rule = self.ttl_rule(seen);
        match rule {
            Some(rule) if rule.replaces_origin && rule.ttl_ms == 0 => return Lifetime::Never,
            Some(rule) if rule.replaces_origin => return Lifetime::Replaced(capped(rule.ttl_ms)),
            _ => {}
        }
        if let Some(stated) = stated_s(told, seen.headers, seen.response_ms) {
            return Lifetime::Stated(capped(stated.saturating_mul(1000)));
        }
        match rule {
            Some(rule) if rule.ttl_ms == 0 => Lifetime::Never,
            Some(rule) => Lifetime::Stated(capped(rule.ttl_ms)),
            None => self
                .unstated_ms(seen, told)
                .map_or(Lifetime::Unknown, |ms| Lifetime::Stated(capped(ms))),
        }
    }

    fn ttl_rule(&self, seen: &Seen<'_>) -> Option<&TtlRule> {
        let rules = seen.request.ttl_rules.iter();
        let mut rules = rules.filter_map(|index| self.policy().ttl.rules.get(*index));
        rules.find(|rule| rule.statuses.is_empty() || rule.statuses.contains(&seen.status))
    }

    /// Of a response that says nothing, if it is one that may be stored all the same.
    fn unstated_ms(&self, seen: &Seen<'_>, told: &Told) -> Option<u64> {
        if !is_cacheable_by_default(seen.status) && !told.directives.public {
            return None;
        }
        self.policy().ttl.default_ms.or_else(|| self.heuristic_ms(seen))
    }

    fn heuristic_ms(&self, seen: &Seen<'_>) -> Option<u64> {
        let heuristic = self.policy().ttl.heuristic?;
        let modified = seen.headers.get("last-modified")?;
        let modified = date::parse(modified, second(seen.response_ms))?;
        let since = date_s(seen.headers, seen.response_ms).saturating_sub(modified);
        let since_ms = u64::try_from(since).ok()?.saturating_mul(1000);
        Some(
            (since_ms / 100)
                .saturating_mul(heuristic.percent.into())
                .min(heuristic.max_ms),
        )
    }
}
