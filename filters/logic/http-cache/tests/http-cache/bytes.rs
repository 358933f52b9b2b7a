//! Whatever the bytes: nothing panics, and what is written is read again.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_http_cache::{
    Asked, CacheRules, Encoding, Forwarded, FwdReason, Head, Headers, Hit, NotStored, Object, Part, Source,
    StoredBody, Tier, Updated, VaryRule, url_of,
};

use crate::fixture::{NOW, lookup, with};

const REQUEST_FIELDS: [&str; 20] = [
    ":method",
    ":scheme",
    ":authority",
    ":path",
    "cache-control",
    "pragma",
    "range",
    "if-range",
    "if-none-match",
    "if-modified-since",
    "authorization",
    "accept-encoding",
    "accept-language",
    "cookie",
    "connection",
    "content-length",
    "origin",
    "accept",
    "foo",
    "host",
];
const RESPONSE_FIELDS: [&str; 21] = [
    "cache-control",
    "cdn-cache-control",
    "surrogate-control",
    "expires",
    "date",
    "age",
    "vary",
    "etag",
    "last-modified",
    "content-range",
    "content-length",
    "content-type",
    "content-encoding",
    "connection",
    "surrogate-key",
    "location",
    "content-location",
    "access-control-allow-origin",
    "set-cookie",
    "trailer",
    "foo",
];

fn value() -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(vec![
        "GET",
        "HEAD",
        "POST",
        "http",
        "https",
        "a.example",
        "/",
        "/a?b=c&d",
        "max-age=60",
        "s-maxage=1, public",
        "no-cache",
        "no-store",
        "private=\"a\"",
        "max-age=60, stale-if-error=9",
        "bytes=0-1",
        "bytes=-1",
        "bytes 0-4/9",
        "*",
        "\"a\"",
        "W/\"a\", \"b\"",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Thu, 18 Aug 2050 02:01:18 GMT",
        "0",
        "18446744073709551616",
        "gzip",
        "foo, bar",
        "text/plain",
        "//a.example/../b",
        "http://a.example",
        "max-age=60;weir",
        "?x",
    ]);
    prop_oneof![
        3 => telling.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
        1 => "[-=\",;/\\\\ a0*W:?#%.]{0,12}".prop_map(String::into_bytes),
    ]
}

fn fields(names: &'static [&'static str]) -> impl Strategy<Value = Headers> {
    let field = (prop::sample::select(names), value());
    prop::collection::vec(field, 0..8).prop_map(|fields| fields.into_iter().collect())
}

fn ours() -> &'static CacheRules {
    static RULES: LazyLock<CacheRules> = LazyLock::new(|| with(&changes()));
    &RULES
}

fn changes() -> [(&'static str, Value); 7] {
    [
        ("/storeSetCookie", json!(true)),
        ("/stale", json!({"whileRevalidateMs": 1000, "ifErrorMs": 2000})),
        ("/ttl/heuristic", json!({"percent": 10, "maxMs": 1000})),
        ("/compress", json!({"minBytes": 1, "types": ["text/*"]})),
        (
            "/cdn",
            json!({"cacheControl": "max-age=1", "tagHeader": "cache-tag"}),
        ),
        ("/key/query", json!({"except": ["b*"]})),
        ("/key/sortQuery", json!(true)),
    ]
}

fn request() -> impl Strategy<Value = Headers> {
    let start = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a.example"),
        (":path", "/"),
    ];
    let start: Headers = start.into_iter().collect();
    let started = fields(&REQUEST_FIELDS).prop_map(move |more| start.iter().chain(more.iter()).collect());
    prop_oneof![3 => started, 1 => fields(&REQUEST_FIELDS)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_exchange_goes_through(
        asked in request(),
        status in prop::sample::select(vec![0, 200, 200, 200, 206, 304, 404, 503, 999]),
        response in fields(&RESPONSE_FIELDS),
        again in request(),
        confirmed in fields(&RESPONSE_FIELDS),
        (later, bytes, zipped) in (0_u64..200_000, 0_u64..12, any::<bool>()),
    ) {
        let rules = ours();
        let (Asked::Lookup(asked) | Asked::Unsafe(asked)) = rules.read(asked) else { return Ok(()) };
        let _ = rules.invalidated(&asked, status, &response);
        let judged = rules.judge(&asked, status, &response, NOW, NOW + 5);
        let fwd = Forwarded { reason: FwdReason::Miss, fwd_status: None, collapsed: false, detail: None };
        let _ = rules.forwarded(&response, judged.as_ref().ok(), &fwd);
        let Ok(head) = judged else { return Ok(()) };
        let encoding = if zipped && head.part.is_none() { Encoding::Zlib { identity_len: bytes } } else { Encoding::Identity };
        let object = Object::new(&asked, asked.key.text.clone(), head.clone(), encoding, bytes);
        let written = object.to_bytes(b"body");
        prop_assert_eq!(Object::from_bytes(&written), Some((object.clone(), written.len() - 4)));
        let (Asked::Lookup(again) | Asked::Unsafe(again)) = rules.read(again) else { return Ok(()) };
        let _ = rules.variant(&head.vary, &again);
        let _ = rules.reuse(&again, &object.head, NOW + later, zipped);
        let hit = Hit { now_ms: NOW + later, tier: Tier::Memory, source: Source::Hit, collapsed: false };
        let answer = rules.answer(&again, &object.head, StoredBody { bytes, encoding }, &hit);
        if let weir_http_cache::BodyPart::Range { from, to } = answer.body {
            prop_assert!(from < to && to <= bytes);
        }
        match rules.update(&again, &head, &confirmed, NOW + later, NOW + later) {
            Updated::Keep(head) | Updated::Once(head, _) => prop_assert_eq!(head.headers.get("age"), None),
        }
    }

    #[test]
    fn any_bytes_are_no_object_or_one(bytes: Vec<u8>, object in any::<bool>()) {
        let marked = [if object { b"WCO\x02" } else { b"WCV\x01" }, &bytes[..]].concat();
        for bytes in [&bytes, &marked] {
            let _ = VaryRule::from_bytes(bytes);
            if let Some((found, at)) = Object::from_bytes(bytes) {
                prop_assert!(at <= bytes.len());
                let _ = found.head.headers.iter().count();
            }
        }
    }

    /// Cut, or with eight bytes changed: it is refused, or read and as good as any other.
    #[test]
    fn damaged_objects_are_read_without_a_panic(
        cut: prop::sample::Index,
        at: prop::sample::Index,
        damage in prop_oneof![any::<u64>(), 0..9_u64, Just(u64::MAX)],
        range in "bytes=[0-9]{0,2}-[0-9]{0,2}",
    ) {
        let part = Part { first: 4, bytes: 6, total: 10, to_end: true };
        let head = Head {
            headers: [("etag", "\"b\""), ("date", "d")].into_iter().collect(),
            tags: vec![b"t".to_vec()],
            part: Some(part),
            ..Head::default()
        };
        let object = Object { key: b"k".to_vec(), url: b"u".to_vec(), head, encoding: Encoding::Identity };
        let mut bytes = object.to_bytes(b"");
        let whole = bytes.len();
        prop_assert_eq!(Object::from_bytes(&bytes[..cut.index(whole)]), None);
        let at = at.index(whole - 7);
        bytes[at..at + 8].copy_from_slice(&damage.to_le_bytes());
        if let Some((found, _)) = Object::from_bytes(&bytes) {
            prop_assert!(found.head.headers.iter().count() <= 2);
            let rules = ours();
            let request = lookup(rules, "a.example/", &[("range", &range)]);
            let _ = rules.reuse(&request, &found.head, NOW, false);
            let hit = Hit { now_ms: NOW, tier: Tier::Memory, source: Source::Hit, collapsed: false };
            let stored = StoredBody { bytes: damage, encoding: found.encoding };
            let _ = rules.answer(&request, &found.head, stored, &hit);
            let _ = rules.update(&request, &found.head, &Headers::new(), NOW, NOW);
            let _ = found.head.kept_until_ms();
        }
    }

    #[test]
    fn any_text_is_a_url_or_none(text: String) {
        if let Some(url) = url_of(&text) {
            let again = String::from_utf8(url.clone()).ok().and_then(|text| url_of(&text));
            prop_assert!(again.is_none_or(|again| again == url), "{:?}", text);
        }
    }

    #[test]
    fn headers_are_kept_as_they_came(pairs: Vec<(Vec<u8>, Vec<u8>)>) {
        let found: Headers = pairs.iter().map(|(name, value)| (name, value)).collect();
        let expected = pairs.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        prop_assert!(found.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).eq(expected));
    }

    /// What the origin forbids is never stored, whatever else it says.
    #[test]
    fn no_store_and_private_hold(response in fields(&RESPONSE_FIELDS), private: bool) {
        let rules = with(&[("/targets", json!([]))]);
        let mut response = response;
        response.push(b"cache-control", if private { b"private" } else { b"no-store" });
        let told = rules.judge(&lookup(&rules, "a.example/", &[]), 200, &response, NOW, NOW);
        prop_assert!(told.is_err());
        let _: Result<Head, NotStored> = told;
    }
}
