//! Requests that are not what was expected, and objects at the limit.

use http::Method;
use weir_cache_tier::{Settings, SetupError, Tier};
use weir_policy::cache_tier::{
    LEASE_HEADER, MAX_FIELDS, MAX_URL, REVISION_HEADER, TAGS_HEADER, TTL_HEADER, URL_HEADER, VARIANT_HEADER,
    VARY_HEADER,
};

use crate::support::client::Fill;
use crate::support::key;
use crate::support::redis::Redis;
use crate::support::tier::{ready, settings};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_has_a_largest_size() {
    let redis = Redis::start().await;
    let settings = Settings {
        max_object: 100_000,
        ..settings(&redis)
    };
    let (tier, key) = (ready(settings).await, key());
    let lease = tier.client.lookup(&key, 0).await.lease();
    let over = tier
        .client
        .put(&key, &lease, &Fill::default(), vec![b'x'; 100_001])
        .await;
    assert_eq!((over.status, &over.problem()["field"]), (413, &"body".into()));
    let most = vec![b'x'; 100_000];
    assert_eq!(
        tier.client
            .put(&key, &lease, &Fill::default(), most.clone())
            .await
            .status,
        204
    );
    assert_eq!(tier.client.lookup(&key, 0).await.body, most);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_named() {
    let redis = Redis::start().await;
    let tier = ready(settings(&redis)).await;
    let key = key();
    let at = |before: &str, after: &str| format!("{before}/default/shop/{key}{after}");
    let long = "0".repeat(129);
    for (method, path, status, field) in [
        (
            Method::POST,
            format!("/v1/lookup/default/shop/{long}"),
            400,
            "key",
        ),
        (Method::POST, "/v1/lookup/default/shop/abc".to_owned(), 400, "key"),
        (
            Method::POST,
            format!("/v1/lookup/default/Shop/{key}"),
            400,
            "policy",
        ),
        (
            Method::POST,
            format!("/v1/lookup/a.b/shop/{key}"),
            400,
            "namespace",
        ),
        (
            Method::POST,
            format!("/v1/lookup/other/shop/{key}"),
            400,
            "namespace",
        ),
        (Method::POST, at("/v1/lookup", "?wait_ms=-1"), 400, "wait_ms"),
        (Method::POST, at("/v1/lookup", "?wait_ms=30001"), 400, "wait_ms"),
        (Method::POST, at("/v1/lookup", "?refresh=1"), 400, "refresh"),
        (
            Method::POST,
            at("/v1/release", "?hit_for_miss_ms=x"),
            400,
            "hit_for_miss_ms",
        ),
        (Method::POST, at("/v1/release", ""), 400, LEASE_HEADER),
        (Method::PUT, at("/v1/objects", ""), 400, URL_HEADER),
    ] {
        let answer = tier.client.send(method, &path, &[], "").await;
        assert_eq!(
            (answer.status, &answer.problem()["field"]),
            (status, &field.into()),
            "{path}"
        );
    }
    for (method, path, status) in [
        (Method::POST, at("/v1/lookup", "?wait=1"), 400),
        (Method::POST, at("/v1/lookup", "?wait_ms=1&wait_ms=1"), 400),
        (Method::PUT, at("/v1/objects", "?ttl=1"), 400),
        (Method::GET, at("/v1/lookup", ""), 405),
        (Method::POST, "/v1/lookup/default/shop".to_owned(), 404),
        (Method::GET, "/".to_owned(), 404),
    ] {
        let answer = tier.client.send(method, &path, &[], "").await;
        assert_eq!(answer.problem()["status"], status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_header_field_is_named() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(settings(&redis)).await, key());
    let lease = tier.client.lookup(&key, 0).await.lease();
    let path = format!("/v1/objects/default/shop/{key}");
    let variant = "a".repeat(32);
    let many = "0123456789abcdef,".repeat(129);
    for (name, value, blamed) in [
        (LEASE_HEADER, None, LEASE_HEADER),
        (LEASE_HEADER, Some("x"), LEASE_HEADER),
        (LEASE_HEADER, Some("1-2-3"), LEASE_HEADER),
        (TTL_HEADER, None, TTL_HEADER),
        (TTL_HEADER, Some("0"), TTL_HEADER),
        (TTL_HEADER, Some("1s"), TTL_HEADER),
        (REVISION_HEADER, None, REVISION_HEADER),
        (REVISION_HEADER, Some("9007199254740992"), REVISION_HEADER),
        (URL_HEADER, None, URL_HEADER),
        (URL_HEADER, Some(""), URL_HEADER),
        (URL_HEADER, Some(&"u".repeat(MAX_URL + 1)), URL_HEADER),
        (TAGS_HEADER, Some("shop"), TAGS_HEADER),
        (TAGS_HEADER, Some(&many), TAGS_HEADER),
        (VARY_HEADER, Some("*"), VARY_HEADER),
        (VARY_HEADER, Some("accept"), VARIANT_HEADER),
        (VARIANT_HEADER, Some(&variant), VARIANT_HEADER),
        (VARIANT_HEADER, Some("abc"), VARIANT_HEADER),
    ] {
        let mut headers = Fill::default().headers(&lease);
        headers.retain(|(other, _)| *other != name);
        headers.extend(value.map(|value| (name, value.to_owned())));
        let answer = tier.client.send(Method::PUT, &path, &headers, "x").await;
        assert_eq!(
            (answer.status, &answer.problem()["field"]),
            (400, &blamed.into()),
            "{name} {value:?}"
        );
    }
    let mut twice = Fill::default().headers(&lease);
    twice.push((URL_HEADER, "another.example/".to_owned()));
    assert_eq!(
        tier.client.send(Method::PUT, &path, &twice, "x").await.problem()["field"],
        URL_HEADER
    );
    assert_eq!(
        tier.client.put(&key, &lease, &Fill::default(), "x").await.status,
        204,
        "the lease is untouched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookups_body_is_read_or_refused() {
    let redis = Redis::start().await;
    let tier = ready(settings(&redis)).await;
    let path = format!("/v1/lookup/default/shop/{}", key());
    for (body, status) in [
        (vec![0, 1], 400),
        (vec![0, 1, b'a', 0, 9], 400),
        (vec![0; MAX_FIELDS + 1], 413),
    ] {
        let answer = tier.client.send(Method::POST, &path, &[], body).await;
        assert_eq!(
            (answer.status, &answer.problem()["field"]),
            (status, &"body".into())
        );
    }
    assert_eq!(
        tier.client
            .send(Method::POST, &path, &[], vec![0; MAX_FIELDS])
            .await
            .status,
        404
    );
}

#[test]
fn settings_that_are_wrong_are_named() {
    let redis = |addresses: &[&str]| Settings {
        redis: addresses.iter().map(|address| (*address).to_owned()).collect(),
        ..Settings::default()
    };
    for addresses in [
        &[][..],
        &["http://a"],
        &["redis://a:x"],
        &["redis://a", "nonsense"],
    ] {
        let Err(SetupError::Redis(said)) = Tier::try_new(redis(addresses)) else {
            panic!("{addresses:?}")
        };
        assert!(!said.is_empty());
    }
    let control = Settings {
        control: Some("127.0.0.1:8600".to_owned()),
        ..Settings::default()
    };
    assert!(matches!(Tier::try_new(control), Err(SetupError::Control(_))));
}
