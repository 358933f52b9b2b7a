//! Over a socket, as clients come.

use axum::Router;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weir_rest::Settings;

use crate::world::{World, backend, path_of};

/// Serves on a free loopback port until the test's runtime ends.
async fn serve(router: Router) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn a_document_goes_over_http_1_and_http_2() {
    let world = World::new();
    let address = serve(world.router.clone()).await;
    for (http2, expected) in [(false, StatusCode::CREATED), (true, StatusCode::OK)] {
        let client = Client::builder(TokioExecutor::new())
            .http2_only(http2)
            .build_http();
        let document = backend("a");
        let request = Request::put(format!("http://{address}{}", path_of(&document)))
            .header("content-type", "application/json")
            .body(Full::<bytes::Bytes>::from(document.to_string()))
            .unwrap();
        let response = client.request(request).await.unwrap();
        assert_eq!(response.status(), expected);
        assert_eq!(response.headers()["etag"], "\"1\"");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let answered: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answered["metadata"]["revision"], 1);
    }
}

/// The client is answered though it has sent the head only.
#[tokio::test]
async fn a_body_that_is_announced_too_large_is_not_waited_for() {
    let world = World::with(Settings {
        max_body: 1000,
        ..Settings::default()
    });
    let address = serve(world.router.clone()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/apply HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1001\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("body-too-large") {
        let mut chunk = [0; 1024];
        let length = stream.read(&mut chunk).await.unwrap();
        assert_ne!(length, 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&chunk[..length]));
    }
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}
