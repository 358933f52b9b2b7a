//! What a purge changes: numbers by tag, prefix and policy.

use std::borrow::Cow;

use weir_policy::cache_tier::tags_value;
use weir_policy::name::Name;
use weir_policy::proxy::{CachePurge, EventPage, ProxyEvent, Purged};

/// About so many changes go into one call of a script, which holds everything else up.
const MAX_BATCH: usize = 500;

/// One number that grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    /// `all`, `tag` or `prefix`.
    pub(crate) kind: &'static str,
    /// A policy's name, or `*` for every one.
    pub(crate) scope: &'a str,
    pub(crate) soft: bool,
    pub(crate) revision: u64,
    /// A hash, or the prefix.
    pub(crate) value: Cow<'a, str>,
}

/// What one event changes.
pub(super) fn changes(event: &ProxyEvent) -> Vec<Change<'_>> {
    let Some(purge) = &event.cache_purge else {
        return Vec::new();
    };
    let change = |kind, value| Change {
        kind,
        scope: scope(purge),
        soft: purge.soft,
        revision: event.revision,
        value,
    };
    match &purge.what {
        Purged::All => vec![change("all", Cow::default())],
        // URLs are tags that every object has.
        Purged::Tags(texts) | Purged::Urls(texts) => {
            let hashes = texts.iter().map(|text| tags_value([text.as_bytes()]));
            hashes.map(|hash| change("tag", hash.into())).collect()
        }
        Purged::Prefixes(texts) => texts
            .iter()
            .map(|text| change("prefix", text.as_str().into()))
            .collect(),
    }
}

/// A policy that can't be told counts as every policy.
fn scope(purge: &CachePurge) -> &str {
    let name = purge
        .policy
        .as_deref()
        .and_then(|policy| policy.rsplit('/').next());
    name.filter(|name| Name::try_new(*name).is_ok()).unwrap_or("*")
}

/// The events of a page in portions, each with the cursor that it leads to.
pub(super) fn batches(page: &EventPage) -> Vec<(u64, &[ProxyEvent])> {
    let mut batches = Vec::new();
    let (mut rest, mut size, mut taken) = (page.events.as_slice(), 0, 0);
    for event in &page.events {
        taken += 1;
        size += changes(event).len();
        if size >= MAX_BATCH
            && let Some((batch, after)) = rest.split_at_checked(taken)
        {
            batches.push((event.revision, batch));
            (rest, size, taken) = (after, 0, 0);
        }
    }
    batches.push((page.cursor, rest));
    batches
}

#[cfg(test)]
mod tests {
    use weir_policy::proxy::Notice;

    use super::*;

    fn event(revision: u64, policy: Option<&str>, what: Purged) -> ProxyEvent {
        let purge = CachePurge {
            policy: policy.map(str::to_owned),
            soft: revision % 2 == 1,
            what,
        };
        ProxyEvent::new(revision, Notice::CachePurge(purge))
    }

    #[test]
    fn each_kind_of_purge_is_a_number() {
        let all = event(7, None, Purged::All);
        let expected = Change {
            kind: "all",
            scope: "*",
            soft: true,
            revision: 7,
            value: Cow::default(),
        };
        assert_eq!(changes(&all), [expected]);
        let texts = vec!["a".to_owned(), "b".to_owned()];
        let tags = event(8, Some("default/shop"), Purged::Tags(texts.clone()));
        let [first, second] = &changes(&tags)[..] else {
            panic!("{tags:?}")
        };
        assert_eq!(
            (first.kind, first.scope, first.soft, &*first.value),
            ("tag", "shop", false, "e6c632b61e964e1f")
        );
        assert_ne!(first.value, second.value);
        let urls = event(8, Some("default/shop"), Purged::Urls(texts.clone()));
        assert_eq!(changes(&urls), changes(&tags));
        let prefixes = event(9, Some("no name"), Purged::Prefixes(texts));
        let prefix = &changes(&prefixes)[0];
        assert_eq!((prefix.kind, prefix.scope, &*prefix.value), ("prefix", "*", "a"));
        assert_eq!(changes(&ProxyEvent::default()), []);
    }

    #[test]
    fn batches_hold_every_event_once_and_end_at_the_cursor() {
        let texts: Vec<String> = (0..300).map(|number| number.to_string()).collect();
        let page = |count: u64| EventPage {
            cursor: 100,
            reset: false,
            events: (1..=count)
                .map(|revision| event(revision, None, Purged::Tags(texts.clone())))
                .collect(),
        };
        for (count, cursors) in [
            (0, vec![100]),
            (1, vec![100]),
            (5, vec![2, 4, 100]),
            (4, vec![2, 4, 100]),
        ] {
            let page = page(count);
            let batches = batches(&page);
            assert_eq!(batches.iter().map(|(to, _)| *to).collect::<Vec<_>>(), cursors);
            let joined: Vec<_> = batches
                .iter()
                .flat_map(|(_, events)| events.iter().cloned())
                .collect();
            assert_eq!(joined, page.events);
        }
    }
}
