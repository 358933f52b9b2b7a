//! A sharded backend to try Weir with: one process, many replicas.
//!
//! Each `--listen SHARD/REPLICA=ADDRESS` is one replica of one shard. Any request is answered with a JSON object that
//! says who answered and what arrived, so that whoever asks can see where Weir sent the request. A replica named
//! `primary` has the role `primary`; all others are replicas. HTTP/1.1 and HTTP/2 without TLS, told apart by the
//! client's first bytes. It keeps no data: it shows routing, not storage.
//!
//! ```text
//! weir-sample-backend --listen a/primary=127.0.0.1:9101 --listen a/replica-1=127.0.0.1:9102
//! curl -s http://127.0.0.1:9102/users/7
//! {"headers":{},"method":"GET","path":"/users/7","replica":"replica-1","role":"replica","shard":"a"}
//! ```

mod answer;
mod replica;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use replica::{Listen, Replica};

/// Answers every request with who answered and what arrived.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// One replica of one shard; port 0 takes a free one. May be given many times
    #[arg(long, required = true, value_name = "SHARD/REPLICA=ADDRESS")]
    listen: Vec<Listen>,
    /// Milliseconds that every answer but /healthz waits
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
}

/// One thread: answers are cheap, and a benchmark can pin it to a core.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut bound = Vec::with_capacity(args.listen.len());
    for listen in args.listen {
        bound.push(bind(listen).await?);
    }
    announce(&bound)?;
    let delay = Duration::from_millis(args.delay_ms);
    let mut replicas: JoinSet<()> = bound
        .into_iter()
        .map(|(replica, socket)| serve(Arc::new(replica), socket, delay))
        .collect();
    while replicas.join_next().await.is_some() {}
    Ok(())
}

async fn bind(listen: Listen) -> anyhow::Result<(Replica, TcpListener)> {
    let socket = TcpListener::bind(listen.address)
        .await
        .with_context(|| format!("cannot listen on {} for {}", listen.address, listen.replica))?;
    Ok((listen.replica, socket))
}

/// Prints one line when every replica listens: `ready a/primary=127.0.0.1:9101 …`.
fn announce(bound: &[(Replica, TcpListener)]) -> anyhow::Result<()> {
    let mut line = String::from("ready");
    for (replica, socket) in bound {
        line.push_str(&format!(" {replica}={}", socket.local_addr()?));
    }
    writeln!(std::io::stdout(), "{line}").context("cannot print the ready line")
}

async fn serve(replica: Arc<Replica>, socket: TcpListener, delay: Duration) {
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(converse(Arc::clone(&replica), stream, delay));
            }
            // Out of file descriptors, mostly: wait for some to be given back.
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "{replica}: cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Answers on one connection until it ends; a client that goes away is no error.
async fn converse(replica: Arc<Replica>, stream: TcpStream, delay: Duration) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer::answer(Arc::clone(&replica), request, delay));
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
