//! Freshness, age and the directives of clients against `http-cache-semantics`, where both read RFC 9111 alike.

use std::time::{Duration, UNIX_EPOCH};

use http::{Request, Response};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use proptest::prelude::*;
use weir_http_cache::Reuse;

use crate::fixture::{NOW, date, headers, lookup, rules};

const DIRECTIVES: [&str; 8] = [
    "public",
    "private",
    "no-store",
    "no-cache",
    "must-revalidate",
    "immutable",
    "foo=bar",
    "no-transform",
];

#[derive(Clone, Debug)]
struct Exchange {
    status: u16,
    response: Vec<(&'static str, String)>,
    asked: String,
    authorized: bool,
    /// Between two seconds, since the two differ where an age is a limit to the millisecond.
    after_ms: u64,
}

prop_compose! {
    fn exchange()(
        status in prop::sample::select(vec![200_u16, 203, 204, 301, 404, 410, 302, 501]),
        flags in prop::sample::subsequence(DIRECTIVES.to_vec(), 0..3),
        (max_age, s_maxage) in (prop::option::of(0_u64..50), prop::option::of(0_u64..50)),
        (age, expires) in (prop::option::of(0_u64..40), prop::option::of(-20_i64..60)),
        asked in prop::sample::select(vec!["a", "max-age", "min-fresh", "max-stale", "no-cache"]),
        (number, authorized, after_s) in (0_u64..40, any::<bool>(), 0_u64..60),
    ) -> Exchange {
        let mut directives: Vec<String> = flags.into_iter().map(str::to_owned).collect();
        directives.extend(max_age.map(|age| format!("max-age={age}")));
        directives.extend(s_maxage.map(|age| format!("s-maxage={age}")));
        let mut response = vec![("date", date(0)), ("etag", "\"a\"".to_owned())];
        if !directives.is_empty() {
            response.push(("cache-control", directives.join(", ")));
        }
        response.extend(age.map(|age| ("age", age.to_string())));
        response.extend(expires.map(|seconds| ("expires", date(seconds))));
        let asked = if matches!(asked, "a" | "no-cache") { asked.to_owned() } else { format!("{asked}={number}") };
        Exchange { status, response, asked, authorized, after_ms: after_s * 1000 + 500 }
    }
}

fn by_oracle(exchange: &Exchange) -> bool {
    let mut request = Request::get("http://a.example/").header("cache-control", &exchange.asked);
    if exchange.authorized {
        request = request.header("authorization", "x");
    }
    let request = request.body(()).unwrap();
    let mut response = Response::builder().status(exchange.status);
    for (name, value) in &exchange.response {
        response = response.header(*name, value);
    }
    let options = CacheOptions {
        shared: true,
        cache_heuristic: 0.0,
        immutable_min_time_to_live: Duration::ZERO,
        ..CacheOptions::default()
    };
    let at = |ms: u64| UNIX_EPOCH + Duration::from_millis(ms);
    let policy = CachePolicy::new_options(&request, &response.body(()).unwrap(), at(NOW), options);
    let later = at(NOW + exchange.after_ms);
    policy.is_storable() && matches!(policy.before_request(&request, later), BeforeRequest::Fresh(_))
}

fn by_us(exchange: &Exchange) -> bool {
    let rules = rules();
    let mut asked = vec![("cache-control", exchange.asked.as_str())];
    if exchange.authorized {
        asked.push(("authorization", "x"));
    }
    let request = lookup(rules, "a.example/", &asked);
    let fields: Vec<_> = exchange
        .response
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let head = rules.judge(&request, exchange.status, &headers(&fields), NOW, NOW);
    head.is_ok_and(|head| rules.reuse(&request, &head, NOW + exchange.after_ms, false) == Reuse::Fresh)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_serve_the_same(exchange in exchange()) {
        // `max-stale` is no leave to pass over `no-cache` or `s-maxage` (RFC 9111 section 4.2.4); the oracle takes it for one.
        let cache_control = exchange.response.iter().find(|(name, _)| *name == "cache-control");
        let strict = |value: &str| value.contains("no-cache") || value.contains("s-maxage");
        prop_assume!(!exchange.asked.starts_with("max-stale") || !cache_control.is_some_and(|(_, value)| strict(value)));
        // A reload of what is immutable is answered (RFC 8246); the oracle knows nothing of that.
        prop_assume!(exchange.asked != "max-age=0" || !cache_control.is_some_and(|(_, value)| value.contains("immutable")));
        prop_assert_eq!(by_us(&exchange), by_oracle(&exchange));
    }
}
