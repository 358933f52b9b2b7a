//! One replica.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::body;
use crate::seen::{Seen, Try};

const ATTEMPTS: &str = "x-envoy-attempt-count";
const MILLIS_PER_SECOND: f64 = 1_000.0;

/// Answers for as long as the process lives.
pub(crate) async fn serve(replica: usize, socket: TcpListener, seen: Arc<Seen>) {
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(converse(replica, stream, Arc::clone(&seen)));
            }
            // Out of file descriptors, mostly: wait for some to be given back.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Answers on one connection. The proxy closes it to reset a try.
async fn converse(replica: usize, stream: TcpStream, seen: Arc<Seen>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(replica, request, Arc::clone(&seen)));
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    replica: usize,
    request: Request<Incoming>,
    seen: Arc<Seen>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let number = number(request.uri().path());
    let mut work = Work::begin(replica, attempt(request.headers()), seen);
    let ms = work.takes_ms(number);
    tokio::time::sleep(Duration::from_secs_f64(ms / MILLIS_PER_SECOND)).await;
    work.attempt.was_reset = false;
    Ok(Response::new(Full::new(body::of(number))))
}

/// Work on one try. Dropped before its end, it was reset.
struct Work {
    attempt: Try,
    seen: Arc<Seen>,
}

impl Work {
    fn begin(replica: usize, attempt: usize, seen: Arc<Seen>) -> Self {
        let attempt = Try {
            at_s: seen.now_s(),
            replica,
            attempt,
            was_reset: true,
        };
        Self { attempt, seen }
    }

    fn takes_ms(&self, request: usize) -> f64 {
        let Try {
            at_s,
            replica,
            attempt,
            ..
        } = self.attempt;
        self.seen.scenario.takes_ms(replica, request, attempt, at_s)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.seen.note(self.attempt);
    }
}

/// The number at the end of a path.
fn number(path: &str) -> usize {
    let last = path.rsplit('/').next();
    last.and_then(|last| last.parse().ok()).unwrap_or_default()
}

/// Envoy counts from 1.
fn attempt(headers: &HeaderMap) -> usize {
    let count = headers.get(ATTEMPTS).and_then(|count| count.to_str().ok());
    let count = count.and_then(|count| count.parse::<usize>().ok());
    count.unwrap_or(1).saturating_sub(1)
}
