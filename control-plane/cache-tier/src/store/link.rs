//! Connections to Redis, or to Redis Cluster. Each carries many commands at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{Client, Cmd, IntoConnectionInfo, RedisFuture, RedisResult, Value};

use crate::settings::{Settings, SetupError};

/// A connection takes so long at most; commands don't wait for it.
const CONNECT: Duration = Duration::from_secs(1);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Clone)]
pub(crate) enum Link {
    One(ConnectionManager),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(link) => link.req_packed_command(cmd),
            Self::Cluster(link) => link.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(link) => link.req_packed_commands(pipeline, offset, count),
            Self::Cluster(link) => link.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(link) => link.get_db(),
            Self::Cluster(link) => link.get_db(),
        }
    }
}

/// A client of one server.
pub(crate) fn client(address: &str) -> RedisResult<Client> {
    Client::open(address.into_connection_info()?.set_tcp_settings(tcp()))
}

/// A command that waits for another one's answer to be acknowledged waits for 40 ms.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

enum Server {
    One(Client),
    Cluster(Box<ClusterClient>),
}

/// Connections that take turns.
pub(crate) struct Pool {
    server: Server,
    links: Vec<OnceLock<Link>>,
    next: AtomicUsize,
    timeout: Duration,
}

impl Pool {
    /// Checks the addresses; connects to nothing.
    pub(crate) fn try_new(settings: &Settings) -> Result<Self, SetupError> {
        let refused = |error: redis::RedisError| SetupError::Redis(error.to_string());
        let server = match settings.redis.as_slice() {
            [] => return Err(SetupError::Redis("no address".to_owned())),
            [one] => Server::One(client(one).map_err(refused)?),
            nodes => {
                let builder = ClusterClient::builder(nodes.iter().map(String::as_str))
                    .retries(1)
                    .tcp_settings(tcp())
                    .connection_timeout(CONNECT)
                    .response_timeout(settings.timeout);
                Server::Cluster(Box::new(builder.build().map_err(refused)?))
            }
        };
        Ok(Self {
            server,
            links: (0..settings.pool.max(1)).map(|_| OnceLock::new()).collect(),
            next: AtomicUsize::new(0),
            timeout: settings.timeout,
        })
    }

    /// Whether the parts of a namespace lie on several nodes, which fail one by one.
    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self.server, Server::Cluster(_))
    }

    /// The connection whose turn it is, if it is there already.
    pub(crate) fn link(&self) -> Option<Link> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.links.len();
        self.links.get(turn)?.get().cloned()
    }

    /// Makes the connections, however long it takes; afterwards they renew themselves.
    pub(crate) async fn connect(&self) {
        for link in &self.links {
            while link.get().is_none() {
                match self.open().await {
                    Ok(opened) => drop(link.set(opened)),
                    Err(error) => {
                        tracing::warn!(%error, "no connection to Redis");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    }

    async fn open(&self) -> RedisResult<Link> {
        match &self.server {
            Server::One(client) => {
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(CONNECT))
                    .set_response_timeout(Some(self.timeout))
                    .set_number_of_retries(3)
                    .set_max_delay(PAUSE);
                ConnectionManager::new_lazy_with_config(client.clone(), config).map(Link::One)
            }
            Server::Cluster(client) => client.get_async_connection().await.map(Link::Cluster),
        }
    }
}
