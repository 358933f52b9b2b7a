//! Serves HTTP, with a bound on how long a request's head may take.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

/// A client that takes longer for a request's head is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests under way at the end have this long.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests at once on one connection of HTTP/2; most of them wait.
const MAX_STREAMS: u32 = 1_024;
/// After a failed accept (no file descriptors left, say) others get a chance to close theirs.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Which versions of HTTP are spoken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Versions {
    /// HTTP/1.1.
    One,
    /// HTTP/1.1, and HTTP/2 without TLS for clients that begin with it.
    OneAndTwo,
}

/// Serves until `stop` is done, then lets requests under way end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    versions: Versions,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connection(stream, router.clone(), versions, &graceful),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    if tokio::time::timeout(END_TIMEOUT, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests under way were cut off");
    }
    Ok(())
}

fn connection(stream: TcpStream, router: Router, versions: Versions, graceful: &GracefulShutdown) {
    // An answer in two packets would wait for the first one's acknowledgement. Without this it is slower, no more.
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new(TokioExecutor::new());
    if matches!(versions, Versions::One) {
        builder = builder.http1_only();
    }
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS);
    let served = builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .into_owned();
    let watched = graceful.watch(served);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(error, "a connection ended early");
        }
    });
}
