//! Answers of the origin on their way to the client, and what a CDN in front is told.

use crate::cache_status::{CacheStatus, FwdReason};
use crate::head::Head;
use crate::headers::Headers;
use crate::rules::CacheRules;

/// The targeted field that is for this cache alone (RFC 9213 section 2.1); it goes no further.
const OWN_TARGET: &str = "weir-cache-control";

/// How a request went on to the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Why.
    pub reason: FwdReason,
    /// The origin's status, where the client gets another.
    pub fwd_status: Option<u16>,
    /// The request waited for another's answer in vain.
    pub collapsed: bool,
    /// What else there is to say: why the answer is not stored, say.
    pub detail: Option<&'static str>,
}

/// A change to the fields of an answer that is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// All fields of that name go.
    Remove(String),
    /// One more field.
    Add(String, Vec<u8>),
}

impl CacheRules {
    /// What changes in an answer of the origin: it tells how it came to be (RFC 9211), a CDN what the policy says, nobody what
    /// is this cache's own business. `head`: what is stored of it, if it is.
    pub fn forwarded(&self, headers: &Headers, head: Option<&Head>, fwd: &Forwarded) -> Vec<Change> {
        let told = head
            .map(|head| self.told_to_cdn(headers, head))
            .unwrap_or_default();
        let mut gone: Vec<&str> = Vec::new();
        for name in self.hidden().chain(told.iter().map(|(name, _)| *name)) {
            if headers.get(name).is_some() && !gone.contains(&name) {
                gone.push(name);
            }
        }
        let gone = gone.into_iter().map(|name| Change::Remove(name.to_owned()));
        let told = told
            .into_iter()
            .map(|(name, value)| Change::Add(name.to_owned(), value));
        let mut changes: Vec<Change> = gone.chain(told).collect();
        let status = CacheStatus {
            fwd: Some(fwd.reason),
            fwd_status: fwd.fwd_status,
            collapsed: fwd.collapsed,
            detail: fwd.detail,
            stored: head.is_some(),
            ttl_ms: head.map(|head| head.fresh_left_ms(head.response_ms)),
            version: head.map(|_| self.policy().key.version),
            ..CacheStatus::default()
        };
        changes.push(Change::Add("cache-status".to_owned(), status.to_bytes()));
        changes
    }

    /// `Surrogate-Capability`, to be added to requests where the policy obeys `Surrogate-Control`.
    pub fn surrogate_capability(&self) -> Option<&'static str> {
        let obeyed = self
            .policy()
            .targets
            .iter()
            .any(|target| target == "surrogate-control");
        obeyed.then_some("weir=\"Surrogate/1.0\"")
    }

    /// The stored fields that clients get.
    pub(crate) fn served(&self, head: &Head) -> Headers {
        let shown = |name: &[u8]| !self.hidden().any(|hidden| hidden.as_bytes() == name);
        head.headers.only(|name, _| shown(name))
    }

    pub(crate) fn tell_cdn(&self, headers: &mut Headers, head: &Head) {
        for (name, value) in self.told_to_cdn(headers, head) {
            headers.set(name, &value);
        }
    }

    fn hidden(&self) -> impl Iterator<Item = &str> {
        let tags = &self.policy().tags;
        let tags = tags.headers.iter().filter(|_| !tags.forward).map(String::as_str);
        tags.chain([OWN_TARGET])
    }

    /// The fields that a CDN gets in addition. A targeted field goes before `Cache-Control`, so it is told only of what is
    /// stored here too and needs no validation: never of what the origin keeps for one client.
    fn told_to_cdn(&self, headers: &Headers, head: &Head) -> Vec<(&str, Vec<u8>)> {
        let Some(cdn) = &self.policy().cdn else {
            return Vec::new();
        };
        let mut told = Vec::new();
        for (name, value) in [
            ("cdn-cache-control", &cdn.cache_control),
            ("surrogate-control", &cdn.surrogate_control),
        ] {
            if let Some(value) = value
                .as_ref()
                .filter(|_| !head.always_validate && headers.get(name).is_none())
            {
                told.push((name, value.as_bytes().to_vec()));
            }
        }
        if let Some(name) = cdn.tag_header.as_deref().filter(|_| !head.tags.is_empty()) {
            let separator: &[u8] = if name == "cache-tag" { b"," } else { b" " };
            told.push((name, head.tags.join(separator)));
        }
        told
    }
}
