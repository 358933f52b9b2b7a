//! An origin that a test scripts: what it answers, when, and how often it was asked.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::client::Answer;
use super::documents::document;
use super::{server, shards};

/// A part of an answer's body, or the end of the connection.
pub(crate) type Part = io::Result<Frame<Bytes>>;

/// Answers any request: fresh for an hour, with a body that tells the path, the user and how many answers the path had.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    load: Arc<Mutex<Load>>,
    open: watch::Sender<bool>,
}

/// How many requests it has now, and had at most.
#[derive(Debug, Default)]
struct Load {
    now: usize,
    most: usize,
}

#[derive(Debug, Default)]
struct Page {
    headers: Vec<(String, String)>,
    asked: Vec<Instant>,
    failures: usize,
    parts: Option<Parts>,
}

/// A body that comes in parts.
#[derive(Debug)]
struct Parts(mpsc::UnboundedReceiver<Part>);

impl Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Part>> {
        self.0.poll_recv(context)
    }
}

impl Origin {
    /// On a free port.
    pub(crate) async fn start(ip: IpAddr) -> Self {
        Self::start_at(ip, 0).await
    }

    pub(crate) async fn start_at(ip: IpAddr, port: u16) -> Self {
        let (pages, open) = (Arc::default(), watch::Sender::new(true));
        let load = Arc::<Mutex<Load>>::default();
        let (known, gate, counted) = (Arc::clone(&pages), open.clone(), Arc::clone(&load));
        let address = server::start(ip, port, move |request| {
            let counted = Arc::clone(&counted);
            let answered = answer(Arc::clone(&known), gate.subscribe(), request);
            async move {
                let _one = One::begin(counted);
                answered.await
            }
        })
        .await;
        Self {
            address,
            pages,
            load,
            open,
        }
    }

    /// The Backend of a shard that it answers for.
    pub(crate) fn backend(&self, shard: &str, protocol: &str) -> Value {
        let (ip, port) = (self.address.ip(), self.address.port());
        let endpoint = json!({"address": ip.to_string(), "port": port, "role": "primary"});
        let spec = json!({"endpoints": [endpoint], "protocol": protocol});
        document("Backend", &format!("backend-{shard}"), spec)
    }

    /// What a path is answered with from now on, instead of what every answer has.
    pub(crate) fn set(&self, path: &str, headers: &[(&str, &str)]) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.page(path, |page| page.headers = headers.iter().map(owned).collect());
    }

    /// The next answer's body has these parts.
    pub(crate) fn stream(&self, path: &str) -> mpsc::UnboundedSender<Part> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.page(path, |page| page.parts = Some(Parts(receiver)));
        sender
    }

    /// A path's next answers are errors that no cache keeps, so many of them.
    pub(crate) fn fail(&self, path: &str, times: usize) {
        self.page(path, |page| page.failures = times);
    }

    /// How often it was asked for a path, in whatever way.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.asked_at(path).len()
    }

    /// When it was.
    pub(crate) fn asked_at(&self, path: &str) -> Vec<Instant> {
        self.page(path, |page| page.asked.clone())
    }

    /// How many requests it has now.
    pub(crate) fn under_way(&self) -> usize {
        self.load.lock().unwrap().now
    }

    /// How many it had at once at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.load.lock().unwrap().most
    }

    /// How often it was asked for anything.
    pub(crate) fn asked_in_all(&self) -> usize {
        let pages = self.pages.lock().unwrap();
        pages.values().map(|page| page.asked.len()).sum()
    }

    /// From now on no answer leaves until [`Origin::release`].
    pub(crate) fn hold(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn release(&self) {
        self.open.send_replace(true);
    }

    fn page<T>(&self, path: &str, work: impl FnOnce(&mut Page) -> T) -> T {
        work(self.pages.lock().unwrap().entry(path.to_owned()).or_default())
    }
}

/// A request; it ends when it is dropped.
struct One(Arc<Mutex<Load>>);

impl One {
    fn begin(counted: Arc<Mutex<Load>>) -> Self {
        let mut load = counted.lock().unwrap();
        load.now += 1;
        load.most = load.most.max(load.now);
        drop(load);
        Self(counted)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.lock().unwrap().now -= 1;
    }
}

type AnyBody = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;

async fn answer(
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    mut gate: watch::Receiver<bool>,
    mut request: Request<Incoming>,
) -> Response<AnyBody> {
    if request.headers().contains_key("upgrade") {
        return shards::upgrade("origin", &mut request).map(whole);
    }
    let path = request.uri().path().to_owned();
    let (headers, asked, failures, parts) = {
        let mut pages = pages.lock().unwrap();
        let page = pages.entry(path.clone()).or_default();
        page.asked.push(Instant::now());
        let failures = page.failures;
        page.failures = failures.saturating_sub(1);
        (
            page.headers.clone(),
            page.asked.len(),
            failures,
            page.parts.take(),
        )
    };
    let user = request.headers().get("x-user-id").cloned();
    let user = user
        .as_ref()
        .and_then(|user| user.to_str().ok())
        .unwrap_or("nobody");
    let text = match *request.method() {
        Method::HEAD => String::new(),
        _ => format!("{path} {user} {asked}"),
    };
    let _ = request.into_body().collect().await;
    let _ = gate.wait_for(|open| *open).await;
    if failures > 0 {
        let failed = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
        return failed.body(whole("")).unwrap();
    }
    let mut response = Response::builder().status(StatusCode::OK);
    if headers.is_empty() {
        response = response.header("cache-control", "max-age=3600");
    }
    for (name, value) in &headers {
        response = response.header(name, value);
    }
    let body = match parts {
        Some(parts) => parts.boxed_unsync(),
        None => whole(text),
    };
    response.body(body).unwrap()
}

fn whole(body: impl Into<http_body_util::Full<Bytes>>) -> AnyBody {
    let never = |never| match never {};
    body.into().map_err(never).boxed_unsync()
}

/// What the cache tells of an answer.
pub(crate) fn cache_status(answer: &Answer) -> Option<&str> {
    answer
        .header("cache-status")
        .map(|told| std::str::from_utf8(told).unwrap())
}

pub(crate) fn is_hit(answer: &Answer) -> bool {
    cache_status(answer).is_some_and(|told| told.starts_with("weir; hit"))
}

/// Nothing was stored for it, and now it is.
pub(crate) fn is_fill(answer: &Answer) -> bool {
    cache_status(answer)
        .is_some_and(|told| told.starts_with("weir; fwd=uri-miss") && told.contains("; stored"))
}
