//! Shards that answer: one server per replica, each says who it is and what it was sent.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::server;

/// The replicas of one shard: a primary and two more.
#[derive(Clone, Debug)]
pub(crate) struct Shard {
    pub(crate) name: String,
    pub(crate) primary: SocketAddr,
    pub(crate) replicas: [SocketAddr; 2],
}

impl Shard {
    /// On free ports.
    pub(crate) async fn start(ip: IpAddr, name: &str) -> Self {
        Self::start_at(ip, name, [0, 0, 0]).await
    }

    /// The primary's port, then the replicas'.
    pub(crate) async fn start_at(ip: IpAddr, name: &str, ports: [u16; 3]) -> Self {
        let [primary, first, second] = ports;
        Self {
            name: name.to_owned(),
            primary: serve(ip, primary, name, "primary").await,
            replicas: [
                serve(ip, first, name, "replica-1").await,
                serve(ip, second, name, "replica-2").await,
            ],
        }
    }

    /// Its Backend, named `backend-<shard>`.
    pub(crate) fn backend(&self) -> Value {
        let endpoint = |address: &SocketAddr, role: &str| json!({"address": address.ip().to_string(), "port": address.port(), "role": role});
        let endpoints = json!([
            endpoint(&self.primary, "primary"),
            endpoint(&self.replicas[0], "replica"),
            endpoint(&self.replicas[1], "replica"),
        ]);
        let spec = json!({"endpoints": endpoints, "healthCheck": {"path": "/healthz"}});
        super::documents::document("Backend", &format!("backend-{}", self.name), spec)
    }
}

async fn serve(ip: IpAddr, port: u16, shard: &str, replica: &str) -> SocketAddr {
    let identity = json!({"shard": shard, "replica": replica});
    server::start(ip, port, move |request| answer(identity.clone(), request)).await
}

/// The connection becomes one that sends back what it gets.
pub(super) fn upgrade(shard: &str, request: &mut Request<Incoming>) -> Response<Full<Bytes>> {
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("x-shard", shard)
        .body(Full::default())
        .unwrap()
}

/// A request says itself how long its answer takes, and which replica takes so long: all unless it names one.
async fn answer(mut identity: Value, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.headers().contains_key("upgrade") {
        return upgrade(identity["shard"].as_str().unwrap(), &mut request);
    }
    let told = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_slow = told("x-delay-at").is_none_or(|replica| identity["replica"] == *replica);
    let delay = told("x-delay-ms")
        .filter(|_| is_slow)
        .and_then(|delay| delay.parse().ok());
    tokio::time::sleep(Duration::from_millis(delay.unwrap_or(0))).await;
    let headers: BTreeMap<String, String> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    identity["headers"] = json!(headers);
    identity["path"] = json!(request.uri().to_string());
    let _ = request.into_body().collect().await;
    Response::new(Full::new(Bytes::from(identity.to_string())))
}
