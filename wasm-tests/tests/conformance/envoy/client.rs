//! Clients: one connection to a request.

use std::net::SocketAddr;

use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::log::ScenarioLog;
use super::message::{Script, read, texts};
use crate::scenario::{Client, Part};
use crate::trace;

const AUTHORITY: &str = "service.test";

/// What the client got, in one line.
pub(super) async fn send(server: SocketAddr, client: Client, log: ScenarioLog, shown: &[&str]) -> String {
    let mut client = client;
    let Some(text) = leaves(&mut client) else {
        return answer(server, &client, log, shown).await;
    };
    tokio::select! {
        line = answer(server, &client, log.clone(), shown) => line,
        () = log.said(text) => "left".to_owned(),
    }
}

/// When a client without a body of its own goes away.
fn leaves(client: &mut Client) -> Option<&'static str> {
    let [Part::Said(text), Part::Reset] = client.parts[..] else {
        return None;
    };
    client.parts.clear();
    Some(text)
}

async fn answer(server: SocketAddr, client: &Client, log: ScenarioLog, shown: &[&str]) -> String {
    let request = request(client, log);
    let answer = if client.http1 {
        send_http1(server, request).await
    } else {
        send_http2(server, request).await
    };
    match answer {
        Err(error) => error,
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let headers = trace::shown(&texts(&parts.headers), shown);
            format!("{} {headers}{}", parts.status.as_u16(), read(body).await)
        }
    }
}

fn request(client: &Client, log: ScenarioLog) -> Request<Script> {
    let mut request = Request::builder().method(client.method);
    request = if client.http1 {
        request.uri(client.path).header("host", AUTHORITY)
    } else {
        request.uri(format!("http://{AUTHORITY}{}", client.path))
    };
    for (name, value) in [("x-forwarded-proto", "http")].iter().chain(&client.headers) {
        request = request.header(*name, *value);
    }
    request.body(Script::new(client.parts.clone(), log)).unwrap()
}

async fn send_http1(server: SocketAddr, request: Request<Script>) -> Result<Response<Incoming>, String> {
    let stream = connect(server).await?;
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
        .send_request(request)
        .await
        .map_err(|_| "closed".to_owned())
}

async fn send_http2(server: SocketAddr, request: Request<Script>) -> Result<Response<Incoming>, String> {
    let stream = connect(server).await?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|_| "reset".to_owned())
}

async fn connect(server: SocketAddr) -> Result<TokioIo<TcpStream>, String> {
    let stream = TcpStream::connect(server).await;
    stream.map(TokioIo::new).map_err(|_| "refused".to_owned())
}

/// The body of an answer to a plain GET.
pub(super) async fn body(server: SocketAddr, path: &str) -> String {
    let stream = connect(server).await.unwrap();
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", AUTHORITY)
        .body(String::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}
