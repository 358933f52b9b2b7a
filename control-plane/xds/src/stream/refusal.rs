//! Refusals: which resources a NACK's words name, and what is held back because of it.

use std::collections::BTreeSet;

/// The first wait before a refused resource is tried again, milliseconds.
const FIRST_RETRY_MS: u64 = 1_000;
/// The longest wait.
const MAX_RETRY_MS: u64 = 30_000;

/// A resource's content that the proxy refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The content's version.
    pub(super) version: u64,
    /// The proxy's words.
    pub(super) message: String,
    /// This version, and others that stood in for it and were refused too.
    pub(super) tried: BTreeSet<u64>,
    /// When it is tried again, for types whose refusals can heal by themselves.
    pub(super) retry: Option<Retry>,
}

/// The next try of a refused resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Retry {
    delay_ms: u64,
    /// How often the content was refused.
    refusals: u32,
    /// None while a try is under way.
    at: Option<u64>,
}

impl Retry {
    /// The try after `earlier` has failed.
    pub(super) fn after(earlier: Option<&Self>, now: u64) -> Self {
        let delay_ms = earlier.map_or(FIRST_RETRY_MS, |earlier| (earlier.delay_ms * 2).min(MAX_RETRY_MS));
        Self {
            delay_ms,
            refusals: earlier.map_or(0, |earlier| earlier.refusals).saturating_add(1),
            at: Some(now.saturating_add(delay_ms)),
        }
    }
}

impl Refused {
    pub(super) const fn new(version: u64) -> Self {
        Self {
            version,
            message: String::new(),
            tried: BTreeSet::new(),
            retry: None,
        }
    }

    /// Whether the content stays away from the proxy for now.
    pub(super) fn is_held(&self) -> bool {
        self.retry.as_ref().is_none_or(|retry| retry.at.is_some())
    }

    /// Whether the next try needs other bytes than the one before.
    pub(super) fn wants_other_bytes(&self) -> bool {
        self.retry.as_ref().is_some_and(|retry| retry.refusals % 2 == 1)
    }

    /// When it is tried again.
    pub(super) fn retry_at(&self) -> Option<u64> {
        self.retry.as_ref().and_then(|retry| retry.at)
    }

    /// Lets it be tried again when it is due; says whether it is.
    pub(super) fn release(&mut self, now: u64) -> bool {
        let due = self.retry_at().is_some_and(|at| at <= now);
        if let Some(retry) = self.retry.as_mut().filter(|_| due) {
            retry.at = None;
        }
        due
    }
}

/// How a refused response of a full set is told to have been applied in part:
/// `Error adding/updating cluster(s) NAME: why, NAME: why`.
const IN_PART: &str = "Error adding/updating ";
/// The end of a text that Envoy has cut: it may not name all that was refused.
const CUT: &str = "(truncated)";

/// What a NACK's words say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blame {
    /// The resources named.
    pub(super) names: BTreeSet<String>,
    /// Whether all that is not named was applied.
    pub(super) rest_applied: bool,
}

impl Blame {
    /// Looks for the names in the words.
    pub(super) fn read<'a>(message: &str, names: impl Iterator<Item = &'a String>) -> Self {
        let in_part = message.starts_with(IN_PART);
        let whole = !message.ends_with(CUT);
        let names: BTreeSet<String> = names
            .filter(|name| mentions(message, name, in_part))
            .cloned()
            .collect();
        Self {
            rest_applied: in_part && whole && !names.is_empty(),
            names: if whole { names } else { BTreeSet::new() },
        }
    }
}

/// Whether `name` stands in `message` as a whole word, and before a colon when `headed` asks for that.
fn mentions(message: &str, name: &str, headed: bool) -> bool {
    !name.is_empty()
        && message.match_indices(name).any(|(start, _)| {
            let before = message.get(..start).unwrap_or_default();
            let after = message.get(start + name.len()..).unwrap_or_default();
            let ends = if headed {
                after.starts_with(':')
            } else {
                is_end(after)
            };
            ends && !before.ends_with(is_part_of_name)
        })
}

/// A full stop ends a word when nothing follows it but space.
fn is_end(after: &str) -> bool {
    let after = after.strip_prefix('.').map_or(after, |rest| {
        if rest.is_empty() || rest.starts_with(char::is_whitespace) {
            rest
        } else {
            after
        }
    });
    !after.starts_with(is_part_of_name)
}

fn is_part_of_name(c: char) -> bool {
    c.is_alphanumeric() || "-_./|~%".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blamed(message: &str, names: &[&str]) -> (Vec<String>, bool) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let blame = Blame::read(message, names.iter());
        (blame.names.into_iter().collect(), blame.rest_applied)
    }

    #[test]
    fn names_are_whole_words() {
        let message = "Error adding/updating cluster(s) weir/d/m/a-1/read: bad ring, b: no c here";
        let names = [
            "weir/d/m/a-1/read",
            "weir/d/m/a-1",
            "a-1",
            "read",
            "a",
            "b",
            "c",
            "cluster",
        ];
        let expected = vec!["b".to_owned(), "weir/d/m/a-1/read".to_owned()];
        assert_eq!(blamed(message, &names), (expected, true));
    }

    #[test]
    fn other_words_do_not_tell_that_the_rest_was_applied() {
        let message = "Proto constraint validation failed (X): name: \"shop\"\nalt: shop.local and shop-2.";
        assert_eq!(
            blamed(message, &["shop", "shop-2", "local"]),
            (vec!["shop".to_owned(), "shop-2".to_owned()], false)
        );
        assert_eq!(
            blamed("Invalid path: /m/x.wasm", &["x", "weir/a"]),
            (vec![], false)
        );
    }

    #[test]
    fn a_cut_text_names_nobody() {
        let message = "Error adding/updating cluster(s) a: why, b: wh...(truncated)";
        assert_eq!(blamed(message, &["a", "b", "c"]), (vec![], false));
    }

    #[test]
    fn retries_double_up_to_the_longest_wait() {
        let mut retry = Retry::after(None, 0);
        let mut waits = vec![retry.delay_ms];
        for _ in 0..6 {
            retry = Retry::after(Some(&retry), 0);
            waits.push(retry.delay_ms);
        }
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    }
}
