//! Finding what is stored for a request.

use weir_cache_store::{Failed, Found, Key, Store};
use weir_host::port::SharedData;
use weir_http_cache::{CacheKey, CacheRequest, CacheRules, VaryRule};

use crate::values::Values;

/// Under which key a request's answer is stored.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// What tells the answers of the request's key apart, and the number of the record that says so.
    pub(crate) vary: Option<(VaryRule, u64)>,
    key: CacheKey,
}

impl Place {
    /// Where the answer to `request` is if nothing tells answers apart.
    pub(crate) fn primary(request: &CacheRequest) -> Self {
        Self {
            vary: None,
            key: request.key.clone(),
        }
    }

    /// Where the answer to `request` is under the record of that number. The number is part of the key, so that an answer is
    /// gone with the record.
    pub(crate) fn variant(rules: &CacheRules, request: &CacheRequest, rule: VaryRule, stamp: u64) -> Self {
        let mut text = rules.variant(&rule, request).text;
        text.extend_from_slice(&stamp.to_le_bytes());
        let hash = Key::new(&text).hash;
        Self {
            vary: Some((rule, stamp)),
            key: CacheKey { text, hash },
        }
    }

    pub(crate) fn key(&self) -> Key<'_> {
        Key {
            hash: self.key.hash,
            text: &self.key.text,
        }
    }
}

/// Looks up the answer to a request: where it is, and what is there.
pub(crate) fn find(
    store: &Store,
    rules: &CacheRules,
    request: &CacheRequest,
    now_ms: u64,
    host: &impl SharedData,
) -> Result<(Place, Found), Failed> {
    let primary = Place::primary(request);
    let found = store.look_up(&Values(host), &primary.key(), now_ms)?;
    let Found::Vary(vary) = found else {
        return Ok((primary, found));
    };
    let Some((rule, _)) = VaryRule::from_bytes(&vary.names) else {
        return Ok((primary, Found::Nothing));
    };
    let place = Place::variant(rules, request, rule, vary.stamp);
    let found = store.look_up(&Values(host), &place.key(), now_ms)?;
    Ok((place, found))
}
