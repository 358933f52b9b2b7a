//! Runs commands as `main` does, and a loopback server for them to speak to.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use clap::Parser;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use weir_cli::console::Console;
use weir_cli::options::Cli;

/// What a command did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `weir ARGUMENTS`; the failure's message is the last line of `err`, as in `main`.
pub(crate) async fn weir(arguments: &[&str]) -> Run {
    let mut out = Vec::new();
    let run = weir_to(&mut out, arguments).await;
    let out = String::from_utf8(out).unwrap();
    Run { out, ..run }
}

/// A pipe whose reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The exit code of `weir ARGUMENTS` when nobody reads its answer.
pub(crate) async fn weir_unread(arguments: &[&str]) -> u8 {
    weir_to(&mut Closed, arguments).await.code
}

async fn weir_to(out: &mut dyn Write, arguments: &[&str]) -> Run {
    let cli = Cli::try_parse_from(std::iter::once(&"weir").chain(arguments)).unwrap();
    let mut err = Vec::new();
    let mut console = Console::new(cli.global.output, out, &mut err);
    let result = weir_cli::run_in(&cli.global, &cli.command, &mut console).await;
    let (code, message) = match result {
        Ok(()) => (0, String::new()),
        Err(failure) => (failure.code(), failure.to_string()),
    };
    Run {
        code,
        out: String::new(),
        err: String::from_utf8(err).unwrap() + &message,
    }
}

/// An answer: status and body.
pub(crate) type Reply = (u16, Vec<u8>);

pub(crate) fn json(status: u16, value: &Value) -> Reply {
    (status, value.to_string().into_bytes())
}

/// A server on a free loopback port; it ends with this value.
pub(crate) struct Server {
    pub(crate) url: String,
    /// Every request so far: method and target, body.
    pub(crate) requests: Arc<Mutex<Vec<(String, String)>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers by `answer`, which sees `METHOD /target`.
    pub(crate) async fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let task = tokio::spawn(accept(listener, Arc::clone(&requests), answer));
        Self { url, requests, task }
    }
}

async fn accept(
    listener: TcpListener,
    requests: Arc<Mutex<Vec<(String, String)>>>,
    answer: Arc<impl Fn(&str) -> Reply + Send + Sync + 'static>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
        let service = service_fn(move |request: Request<Incoming>| {
            let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
            async move {
                let line = format!("{} {}", request.method(), request.uri());
                let body = request.into_body().collect().await?.to_bytes();
                let (status, content) = answer(&line);
                requests
                    .lock()
                    .unwrap()
                    .push((line, String::from_utf8_lossy(&body).into_owned()));
                let mut response = Response::new(Full::new(Bytes::from(content)));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                Ok::<_, hyper::Error>(response)
            }
        });
        tokio::spawn(async move {
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// An address on loopback where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}
