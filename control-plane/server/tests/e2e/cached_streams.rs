//! What is no answer to keep passes a cache untouched, and what ends too early is not kept.

use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::cached::{Cached, CachingProxy, USUAL, policy};
use crate::support::origin::{cache_status, is_hit};
use crate::support::wait::until;

const PAGE: &str = "/pages/1";

async fn one_proxy(protocol: &str) -> Cached {
    Cached::speaking(protocol, 1, 2, vec![policy(json!({"ttl": {"default": "1h"}}))]).await
}

/// An answer as it comes in; `http2`: asked for as gRPC does.
async fn open(
    proxy: &CachingProxy,
    path: &str,
    http2: bool,
    headers: &[(&str, &str)],
) -> http::Response<Incoming> {
    let client = HyperClient::builder(TokioExecutor::new())
        .http2_only(http2)
        .build_http();
    let uri = format!("http://{}{path}", proxy.address);
    let mut request = Request::builder().uri(uri).header("x-user-id", "alice");
    request = match http2 {
        true => request.method("POST"),
        false => request.header("host", "shop.example"),
    };
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if http2 { "sent" } else { "" };
    let request = request.body(Full::<Bytes>::from(body)).unwrap();
    client.request(request).await.unwrap()
}

async fn next(body: &mut Incoming) -> Frame<Bytes> {
    body.frame().await.unwrap().unwrap()
}

fn part(text: &'static str) -> io::Result<Frame<Bytes>> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_pass() {
    let cached = one_proxy("http1").await;
    for _ in 0..3 {
        let client = cached.proxy().client();
        let (answer, connection) = client.upgrade(PAGE, &USUAL).await;
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        let mut connection = TokioIo::new(connection.unwrap());
        connection.write_all(b"hello\xff").await.unwrap();
        let mut back = [0; 6];
        connection.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"hello\xff");
    }
    cached.proxy().comes_to(3, "requests", "bypass-upgrade").await;
    assert_eq!(cached.proxy().count("fills", "").await, 0);
}

/// Each event arrives before the next one is sent.
#[tokio::test(flavor = "multi_thread")]
async fn events_pass_one_by_one() {
    let cached = one_proxy("http1").await;
    cached.origin.set(PAGE, &[("content-type", "text/event-stream")]);
    for accept in [&[("accept", "text/event-stream")][..], &[]] {
        let sender = cached.origin.stream(PAGE);
        let mut answer = open(cached.proxy(), PAGE, false, accept).await;
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            sender.send(part(event)).unwrap();
            let frame = next(answer.body_mut()).await;
            assert_eq!(frame.into_data().unwrap(), event);
        }
        drop(sender);
        assert!(answer.body_mut().frame().await.is_none());
    }
    assert_eq!(cached.origin.asked(PAGE), 2);
    assert_eq!(cached.proxy().count("fills", "stored").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_passes_with_its_trailers() {
    let cached = one_proxy("http2").await;
    let method = "/shop.Products/Watch";
    cached.origin.set(method, &[("content-type", "application/grpc")]);
    for _ in 0..2 {
        let sender = cached.origin.stream(method);
        let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
        let mut answer = open(cached.proxy(), method, true, &grpc).await;
        assert_eq!(answer.headers().get("cache-status"), None);
        sender.send(part("\0\0\0\0\x01a")).unwrap();
        let message = next(answer.body_mut()).await.into_data().unwrap();
        assert_eq!(&message[..], b"\0\0\0\0\x01a");
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        sender.send(Ok(Frame::trailers(trailers.clone()))).unwrap();
        drop(sender);
        assert_eq!(next(answer.body_mut()).await.into_trailers().unwrap(), trailers);
    }
    cached.proxy().comes_to(2, "requests", "bypass-grpc").await;
}

/// Whoever waits for the answer gets one, and it is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_while_it_leads_takes_nobody_along() {
    let cached = one_proxy("http1").await;
    let proxy = cached.proxy();
    cached.origin.hold();
    let client = proxy.client();
    let leader = tokio::spawn(async move { client.get(PAGE, &USUAL).await });
    until("the origin is asked", async || {
        (cached.origin.asked(PAGE) == 1).then_some(())
    })
    .await;
    let followers: Vec<_> = (0..20)
        .map(|_| {
            let client = proxy.client();
            tokio::spawn(async move { client.get(PAGE, &USUAL).await })
        })
        .collect();
    proxy.under_way(21).await;
    leader.abort();
    until("another leads", async || {
        (cached.origin.asked(PAGE) == 2).then_some(())
    })
    .await;
    cached.origin.release();
    for answer in followers {
        assert_eq!(answer.await.unwrap().text(), format!("{PAGE} alice 2"));
    }
    assert!(is_hit(&proxy.get(PAGE).await));
    assert_eq!(cached.origin.asked(PAGE), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_not_kept() {
    let cached = one_proxy("http1").await;
    let proxy = cached.proxy();
    let sender = cached.origin.stream(PAGE);
    let mut answer = open(proxy, PAGE, false, &[]).await;
    sender.send(part("half of ")).unwrap();
    next(answer.body_mut()).await;
    let client = proxy.client();
    let follower = tokio::spawn(async move { client.get(PAGE, &USUAL).await });
    proxy.under_way(2).await;
    sender.send(Err(io::Error::other("the origin dies"))).unwrap();
    assert!(answer.body_mut().frame().await.unwrap().is_err());
    let follower = follower.await.unwrap();
    assert_eq!(follower.text(), format!("{PAGE} alice 2"));
    let again = proxy.get(PAGE).await;
    assert!(is_hit(&again), "{:?}", cache_status(&again));
    assert_eq!(again.body, follower.body);
    proxy.comes_to(1, "fills", "cut").await;
}
