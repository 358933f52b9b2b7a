//! What a stored response is good for (RFC 9111 sections 4.2.4 and 5.2.1, RFC 5861, RFC 8246).

use serde_json::json;
use weir_http_cache::{Encoding, Head, Object, Reuse, Unusable};

use crate::fixture::{NOW, get, headers, rules, with};

const ETAG: (&str, &str) = ("etag", "\"a\"");
const ASK: Reuse = Reuse::Validate {
    stale_if_error: false,
};
const ASK_OR_STALE: Reuse = Reuse::Validate { stale_if_error: true };

fn stored(fields: &[(&str, &str)]) -> Head {
    rules().judge(&get(&[]), 200, &headers(fields), NOW, NOW).unwrap()
}

fn after(seconds: u64, asked: &str, head: &Head) -> Reuse {
    let request = get(&[("cache-control", asked)]);
    rules().reuse(&request, head, NOW + seconds * 1000, false)
}

#[test]
fn it_is_fresh_until_its_lifetime_has_passed() {
    let head = stored(&[("cache-control", "max-age=60"), ("age", "10")]);
    assert_eq!(after(0, "a", &head), Reuse::Fresh);
    assert_eq!(after(49, "a", &head), Reuse::Fresh);
    assert_eq!(after(50, "a", &head), Reuse::Unusable(Unusable::Expired));
    let head = stored(&[("cache-control", "max-age=60"), ETAG]);
    assert_eq!(after(60, "a", &head), ASK);
    assert_eq!(rules().reuse(&get(&[]), &head, NOW - 9000, false), Reuse::Fresh);
}

#[test]
fn stale_windows_follow_on_one_another() {
    let head = stored(&[
        (
            "cache-control",
            "max-age=10, stale-while-revalidate=5, stale-if-error=20",
        ),
        ETAG,
    ]);
    assert_eq!(after(9, "a", &head), Reuse::Fresh);
    assert_eq!(after(10, "a", &head), Reuse::StaleWhileRevalidate);
    assert_eq!(after(14, "a", &head), Reuse::StaleWhileRevalidate);
    assert_eq!(after(15, "a", &head), ASK_OR_STALE);
    assert_eq!(after(29, "a", &head), ASK_OR_STALE);
    assert_eq!(after(30, "a", &head), ASK);
    assert_eq!(head.kept_until_ms(), NOW + 30_000);
    let without_validator = stored(&[("cache-control", "max-age=10, stale-if-error=20")]);
    assert_eq!(after(10, "a", &without_validator), ASK_OR_STALE);
    assert_eq!(
        after(30, "a", &without_validator),
        Reuse::Unusable(Unusable::Expired)
    );
}

#[test]
fn no_cache_asks_always() {
    let head = stored(&[("cache-control", "no-cache, max-age=60"), ETAG]);
    assert_eq!(after(0, "a", &head), ASK);
    let head = stored(&[("cache-control", "max-age=60, stale-if-error=60"), ETAG]);
    assert_eq!(after(0, "no-cache", &head), ASK);
    let without_validator = stored(&[("cache-control", "max-age=60")]);
    assert_eq!(
        after(0, "no-cache", &without_validator),
        Reuse::Unusable(Unusable::Expired)
    );
}

#[test]
fn clients_say_how_old_it_may_be() {
    let head = stored(&[("cache-control", "max-age=60, stale-while-revalidate=60"), ETAG]);
    assert_eq!(after(3, "max-age=3", &head), Reuse::Fresh);
    assert_eq!(after(3, "max-age=2", &head), ASK);
    assert_eq!(after(3, "max-age=0", &head), ASK);
    assert_eq!(after(3, "min-fresh=57", &head), Reuse::Fresh);
    assert_eq!(after(3, "min-fresh=58", &head), ASK);
    assert_eq!(after(61, "min-fresh=0", &head), ASK);
    let head = stored(&[("cache-control", "max-age=60"), ETAG]);
    assert_eq!(after(63, "max-stale=3", &head), Reuse::Fresh);
    assert_eq!(after(64, "max-stale=3", &head), ASK);
    assert_eq!(after(6400, "max-stale", &head), Reuse::Fresh);
    for strict in [
        "max-age=60, must-revalidate",
        "max-age=60, proxy-revalidate",
        "s-maxage=60",
    ] {
        assert_eq!(
            after(61, "max-stale", &stored(&[("cache-control", strict), ETAG])),
            ASK,
            "{strict}"
        );
    }
}

#[test]
fn a_reload_of_what_is_immutable_is_answered() {
    let head = stored(&[("cache-control", "max-age=60, immutable"), ETAG]);
    assert_eq!(after(3, "max-age=0", &head), Reuse::Fresh);
    assert_eq!(after(3, "max-age=1", &head), ASK);
    assert_eq!(after(3, "no-cache", &head), ASK);
    assert_eq!(after(60, "max-age=0", &head), ASK);
}

#[test]
fn a_soft_purge_makes_it_stale_at_once() {
    let purged = |cache_control: &str, asked: &str| {
        let head = stored(&[("cache-control", cache_control), ETAG]);
        rules().reuse(&get(&[("cache-control", asked)]), &head, NOW + 1000, true)
    };
    assert_eq!(purged("max-age=60", "a"), ASK);
    assert_eq!(purged("max-age=60", "max-stale"), ASK);
    assert_eq!(
        purged("max-age=60, stale-while-revalidate=5", "a"),
        Reuse::StaleWhileRevalidate
    );
    assert_eq!(purged("max-age=60, stale-if-error=5", "a"), ASK_OR_STALE);
    assert_eq!(purged("max-age=60, immutable", "max-age=0"), ASK);
}

#[test]
fn credentials_need_leave() {
    let reuse = |cache_control: &str| {
        let request = get(&[("authorization", "x")]);
        rules().reuse(&request, &stored(&[("cache-control", cache_control)]), NOW, false)
    };
    assert_eq!(reuse("max-age=60"), Reuse::Unusable(Unusable::Authorization));
    assert_eq!(reuse("max-age=60, public"), Reuse::Fresh);
}

#[test]
fn a_part_answers_for_ranges_within_it() {
    let range = get(&[("range", "bytes=4-8")]);
    let part = [
        ("cache-control", "max-age=60"),
        ("content-range", "bytes 4-9/12"),
        ETAG,
        ("last-modified", "x"),
    ];
    let head = rules().judge(&range, 206, &headers(&part), NOW, NOW).unwrap();
    let reuse = |fields: &[(&str, &str)]| rules().reuse(&get(fields), &head, NOW, false);
    let not = Reuse::Unusable(Unusable::Part);
    assert_eq!(reuse(&[("range", "bytes=5-9")]), Reuse::Fresh);
    assert_eq!(reuse(&[("range", "bytes=5-10")]), not);
    assert_eq!(reuse(&[("range", "bytes=5-")]), not);
    assert_eq!(reuse(&[]), not);
    assert_eq!(
        reuse(&[("range", "bytes=5-9"), ("if-range", "\"a\"")]),
        Reuse::Fresh
    );
    assert_eq!(reuse(&[("range", "bytes=5-9"), ("if-range", "\"b\"")]), not);
    // The body is shorter than its `Content-Range` says: what there is counts.
    let short = Object::new(&range, Vec::new(), head.clone(), Encoding::Identity, 5).head;
    let asked = get(&[("range", "bytes=5-9")]);
    assert_eq!(rules().reuse(&asked, &short, NOW, false), not);
    let unsized_part = [("cache-control", "max-age=60"), ("content-range", "bytes 4-9/*")];
    assert!(
        rules()
            .judge(&range, 206, &headers(&unsized_part), NOW, NOW)
            .is_err()
    );
    assert!(rules().judge(&get(&[]), 206, &headers(&part), NOW, NOW).is_err());
}

#[test]
fn the_policys_windows_serve_where_the_origin_is_silent() {
    let rules = with(&[("/stale", json!({"whileRevalidateMs": 5000, "ifErrorMs": 9000}))]);
    let head = rules
        .judge(
            &get(&[]),
            200,
            &headers(&[("cache-control", "max-age=1")]),
            NOW,
            NOW,
        )
        .unwrap();
    let after = |ms| rules.reuse(&get(&[]), &head, NOW + ms, false);
    assert_eq!(after(5999), Reuse::StaleWhileRevalidate);
    assert_eq!(after(6000), ASK_OR_STALE);
    assert_eq!(after(10_000), Reuse::Unusable(Unusable::Expired));
}
