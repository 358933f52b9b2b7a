//! What the control plane asks of others: over HTTP/1.1, or HTTPS with the certificate authorities of the machine.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// Asks others. A clone shares the connections.
pub(crate) type Outbound = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The machine's certificate authorities: those of the files that `SSL_CERT_FILE` or `SSL_CERT_DIR` names, else those of the system.
/// Without any, whatever is asked over HTTPS fails.
pub(crate) fn authorities() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "certificate authorities could not be read");
    }
    let mut roots = RootCertStore::empty();
    let (known, unusable) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(known, unusable, "certificate authorities");
    roots
}

/// A client that trusts `authorities`.
pub(crate) fn client(authorities: RootCertStore) -> Result<Outbound, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let mut client = Client::builder(TokioExecutor::new());
    Ok(client.pool_timer(TokioTimer::new()).build(connector))
}
