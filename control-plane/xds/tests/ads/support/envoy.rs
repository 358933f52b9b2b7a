//! A real Envoy, and a backend for it, on loopback.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::support::server::PATIENCE;

pub(crate) struct Envoy {
    _process: Child,
    folder: tempfile::TempDir,
}

/// The address of something that isn't there yet is asked for again after this long.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

fn bootstrap(ads: SocketAddr) -> String {
    format!(
        "node: {{ id: edge-1, cluster: default/edge }}
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }} }}
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services: [{{ envoy_grpc: {{ cluster_name: control }} }}]
  cds_config: {{ ads: {{}}, resource_api_version: V3 }}
  lds_config: {{ ads: {{}}, resource_api_version: V3 }}
static_resources:
  clusters:
  - name: control
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment:
      cluster_name: control
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }}
",
        port = ads.port()
    )
}

impl Envoy {
    pub(crate) fn start(ads: SocketAddr) -> Self {
        let binary = std::env::var_os("WEIR_ENVOY")
            .expect("WEIR_ENVOY names no Envoy binary: ./scripts/setup fetches one and says how to set it");
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("envoy.yaml");
        std::fs::write(&config, bootstrap(ads)).unwrap();
        let log = std::fs::File::create(folder.path().join("envoy.log")).unwrap();
        let process = Command::new(binary)
            .args([
                "--concurrency",
                "1",
                "--use-dynamic-base-id",
                "--log-level",
                "info",
                "--config-path",
            ])
            .arg(&config)
            .arg("--admin-address-path")
            .arg(folder.path().join("admin"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("WEIR_ENVOY can't be run");
        Self {
            _process: process,
            folder,
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("envoy.log")).unwrap_or_default()
    }

    /// Where the one listener listens.
    pub(crate) async fn listener(&self) -> SocketAddr {
        let find = async {
            loop {
                if let Some(address) = find_listener(self.folder.path()).await {
                    return address;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, find).await;
        found.unwrap_or_else(|_| panic!("no listener; Envoy says:\n{}", self.log()))
    }
}

/// Admin answers `http::127.0.0.1:40000`.
async fn find_listener(folder: &Path) -> Option<SocketAddr> {
    let admin = std::fs::read_to_string(folder.join("admin"))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let (_, listeners) = get(admin, "/listeners").await?;
    listeners
        .lines()
        .find_map(|line| line.split_once("::")?.1.trim().parse().ok())
}

/// Status and body of a GET; none when nobody listens.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let body = if head.contains("chunked") {
        body.lines().skip(1).collect::<Vec<_>>().join("\n")
    } else {
        body.to_owned()
    };
    Some((head.split(' ').nth(1)?.parse().ok()?, body))
}

/// Answers every connection with 200 and the text.
pub(crate) async fn backend(text: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let length = text.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}
