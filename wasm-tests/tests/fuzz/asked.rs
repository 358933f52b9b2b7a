//! Requests as clients can send them.

use proptest::prelude::*;
use proptest::sample::select;
use serde::{Deserialize, Serialize};
use weir_wasm_tests::Request;

use crate::text::{Text, header_byte, header_value};
use crate::vocabulary::{AUTHORITIES, HEADERS, METHODS, QUERIES, VALUES, path};

/// A request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) method: Text,
    pub(crate) path: Text,
    pub(crate) authority: Text,
    /// In order; names in any case.
    pub(crate) headers: Vec<(String, Text)>,
    /// Whether a body follows.
    pub(crate) body: bool,
}

impl Asked {
    /// `GET path` without more.
    pub(crate) fn get(path: &[u8]) -> Self {
        Self {
            method: Text::plain("GET"),
            path: Text::plain(path),
            authority: Text::plain("service.test"),
            headers: Vec::new(),
            body: false,
        }
    }

    pub(crate) fn request(&self) -> Request {
        let request =
            Request::with_pseudo_headers(&self.method.bytes(), &self.path.bytes(), &self.authority.bytes())
                .http1();
        let headers = self.headers.iter();
        let request = headers.fold(request, |request, (name, value)| {
            request.header(name, value.bytes())
        });
        if self.body { request.with_body() } else { request }
    }

    /// All headers as a filter gets them, names in lower case; in no order between different names.
    pub(crate) fn received(&self) -> Vec<(String, Vec<u8>)> {
        let pseudo = [
            (":authority", self.authority.bytes()),
            (":path", self.path.bytes()),
            (":method", self.method.bytes()),
            (":scheme", b"http".to_vec()),
        ];
        let own = self.headers.iter();
        let own = own.map(|(name, value)| (name.to_ascii_lowercase(), value.bytes()));
        pseudo
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .chain(own)
            .collect()
    }
}

/// Any request.
pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    let headers = prop::collection::vec((header_name(), value()), 0..7);
    (method(), target(), authority(), headers, any::<bool>()).prop_map(
        |(method, path, authority, headers, body)| Asked {
            method,
            path,
            authority,
            headers,
            body,
        },
    )
}

fn method() -> impl Strategy<Value = Text> {
    prop_oneof![
        9 => select(&METHODS[..]).prop_map(Text::plain),
        1 => header_value(),
    ]
}

fn authority() -> impl Strategy<Value = Text> {
    prop_oneof![
        9 => select(&AUTHORITIES[..]).prop_map(Text::plain),
        1 => header_value(),
    ]
}

/// A path with or without a query, or any bytes.
fn target() -> impl Strategy<Value = Text> {
    let query = prop::collection::vec(parameter(), 0..4).prop_map(|pairs| pairs.join(&b'&'));
    let made = (
        path(),
        prop::option::of(query),
        prop::option::weighted(0.1, header_byte()),
    );
    prop_oneof![
        9 => made.prop_map(|(path, query, fragment)| {
            let query = query.map(|query| [b"?", &query[..]].concat()).unwrap_or_default();
            let fragment = fragment.map(|byte| vec![b'#', byte]).unwrap_or_default();
            Text::plain([path.into_bytes(), query, fragment].concat())
        }),
        1 => header_value(),
    ]
}

/// `name=value`, percent-encoded or not, or half of it.
fn parameter() -> impl Strategy<Value = Vec<u8>> {
    let value = prop::collection::vec(header_byte(), 0..12);
    (select(&QUERIES[..]), value, any::<bool>(), any::<bool>()).prop_map(|(name, value, encoded, whole)| {
        let name = if encoded {
            percent(name.as_bytes())
        } else {
            name.into()
        };
        let value = if encoded { percent(&value) } else { value };
        if whole { [name, value].join(&b'=') } else { name }
    })
}

/// Every byte as `%NN`.
pub(crate) fn percent(bytes: &[u8]) -> Vec<u8> {
    let encoded = bytes.iter().map(|byte| format!("%{byte:02x}"));
    encoded.collect::<String>().into_bytes()
}

fn header_name() -> impl Strategy<Value = String> {
    (select(&HEADERS[..]), any::<bool>()).prop_map(|(name, upper)| {
        if upper {
            name.to_ascii_uppercase()
        } else {
            name.to_owned()
        }
    })
}

fn value() -> impl Strategy<Value = Text> {
    prop_oneof![
        2 => header_value(),
        1 => select(&VALUES[..]).prop_map(Text::plain),
    ]
}
