//! Which request headers an answer depends on.

use crate::headers::Headers;
use crate::key::{CacheKey, KeyText};
use crate::text::{Backslash, sorted};
use crate::wire::{Reader, Writer};

const MARK: &[u8; 4] = b"WCV\x01";

/// The request headers that a response varies by: sorted names, lower-case (RFC 9111 section 4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VaryRule {
    names: Vec<Vec<u8>>,
}

impl VaryRule {
    /// Of a response, without the names in `ignored`. None: it varies by what no header says (`*`).
    pub(crate) fn of(headers: &Headers, ignored: &[String]) -> Option<Self> {
        let mut rule = Self::default();
        for item in headers.items("vary", Backslash::Plain) {
            let name = item.to_ascii_lowercase();
            if name == b"*" {
                return None;
            }
            if !ignored.iter().any(|ignored| ignored.as_bytes() == name) {
                rule.add(name);
            }
        }
        Some(rule)
    }

    pub(crate) fn of_names(names: Vec<Vec<u8>>) -> Self {
        let mut rule = Self::default();
        for name in names {
            rule.add(name);
        }
        rule
    }

    pub(crate) fn add(&mut self, name: Vec<u8>) {
        if let Err(place) = self.names.binary_search(&name) {
            self.names.insert(place, name);
        }
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        self.names.retain(|known| known != name);
    }

    /// Whether all requests have the same answer.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(Vec::as_slice)
    }

    /// The headers that either varies by.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for name in &other.names {
            both.add(name.clone());
        }
        both
    }

    /// The key of the variant that `request` asks for.
    pub(crate) fn key(&self, primary: &CacheKey, request: &Headers) -> CacheKey {
        if self.is_empty() {
            return primary.clone();
        }
        let mut text = KeyText::after(primary);
        for name in &self.names {
            text.part(name);
            text.optional(normal(name, request).as_deref());
        }
        text.finish()
    }

    /// What stands in the store in place of an object where there are variants. `key` is the one it is stored under.
    pub fn to_bytes(&self, key: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new(MARK);
        writer.bytes(key);
        writer.list(&self.names);
        writer.finish()
    }

    /// What [`VaryRule::to_bytes`] wrote, and the key.
    pub fn from_bytes(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = Reader::new(bytes, MARK)?;
        let key = reader.bytes()?;
        Some((Self::of_names(reader.list()?), key))
    }
}

/// The value of a request header, so written that requests which mean the same have the same: one line, no white space
/// around the members (RFC 9111 section 4.1). What clients accept is a set: no order, and, where the values have none, no
/// case either.
pub(crate) fn normal(name: &[u8], request: &Headers) -> Option<Vec<u8>> {
    let name = std::str::from_utf8(name).ok()?;
    request.get(name)?;
    let members = request.items(name, Backslash::Escapes);
    let members: Vec<Vec<u8>> = match name {
        "accept-language" | "accept-encoding" | "accept-charset" => set(members, true),
        "accept" => set(members, false),
        _ => members.map(<[u8]>::to_vec).collect(),
    };
    Some(members.join(&b','))
}

fn set<'v>(members: impl Iterator<Item = &'v [u8]>, lower: bool) -> Vec<Vec<u8>> {
    let members: Vec<Vec<u8>> = members.map(|member| preference(member, lower)).collect();
    let mut set: Vec<Vec<u8>> = Vec::with_capacity(members.len());
    for (member, _) in sorted(members.iter().map(Vec::as_slice)) {
        if set.last().is_none_or(|last| last != member) {
            set.push(member.to_vec());
        }
    }
    set
}

/// `De ; q=1.0` is `de`.
fn preference(member: &[u8], lower: bool) -> Vec<u8> {
    let mut member: Vec<u8> = member
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b' ' | b'\t'))
        .collect();
    if lower {
        member.make_ascii_lowercase();
    }
    for whole in [&b";q=1.000"[..], b";q=1.00", b";q=1.0", b";q=1"] {
        if member.ends_with(whole) {
            member.truncate(member.len() - whole.len());
        }
    }
    member
}
