//! What `weir cache-tier` is told.

use std::net::SocketAddr;

use clap::Args;
use weir_policy::name::Name;
use weir_policy::quantity::{ByteSize, Duration};

use crate::options::LogOptions;

/// What `weir cache-tier` is told.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct CacheTierOptions {
    /// Where proxies call it, in HTTP/2 without TLS or in HTTP/1.1; with /metrics and /healthz
    #[arg(
        long,
        env = "WEIR_CACHE_TIER_LISTEN",
        default_value = "127.0.0.1:8700",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,
    /// The Redis that keeps everything, redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]; several: nodes of one Redis Cluster
    #[arg(
        long,
        env = "WEIR_REDIS",
        hide_env_values = true,
        value_delimiter = ',',
        default_value = "redis://127.0.0.1:6379",
        value_name = "URL"
    )]
    pub redis: Vec<String>,
    /// Connections to Redis, to each node of a cluster; each carries many commands at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64), value_name = "N")]
    pub pool: u16,
    /// A command to Redis is given up after this, and lookups are answered with 503
    #[arg(long, default_value = "50ms", value_name = "DURATION")]
    pub redis_timeout: Duration,
    /// The largest object that is stored
    #[arg(long, default_value = "1MiB", value_name = "SIZE")]
    pub max_object_size: ByteSize,
    /// How long the one that fetches an object may take; then another one does, and its object is not stored
    #[arg(long, default_value = "10s", value_name = "DURATION")]
    pub lease: Duration,
    /// How many lookups may wait for another proxy's fetch at once; the others go to the origin
    #[arg(long, default_value_t = 4096, value_name = "N")]
    pub max_waiting: u32,
    /// A namespace that is served; may stand several times
    #[arg(
        long = "namespace",
        env = "WEIR_NAMESPACES",
        value_delimiter = ',',
        default_value = Name::DEFAULT_NAMESPACE,
        value_name = "NAMESPACE"
    )]
    pub namespaces: Vec<Name>,
    /// The control plane's REST address, whose purges are followed: http://127.0.0.1:8600; without it nothing is ever purged
    #[arg(long, env = "WEIR_CONTROL", value_name = "URL")]
    pub control: Option<String>,
    /// What is logged.
    #[command(flatten)]
    pub log: LogOptions,
}

const HELP: &str = "\
Examples:
  weir cache-tier --control http://127.0.0.1:8600
  weir cache-tier --redis redis://10.0.0.1:6379 --redis redis://10.0.0.2:6379 --redis redis://10.0.0.3:6379
  curl http://127.0.0.1:8700/metrics

Run any number of them on one Redis: what one stores all find, and one proxy in the fleet fetches for all. Give Redis
`maxmemory` and `maxmemory-policy volatile-ttl`: objects then make room for one another, and purges, which have no end,
stay. While Redis is down the tier answers 503 at once, and proxies do without.

It has no login: whoever reaches it can store what others are served. Keep it on loopback, or on a network of its own.

Exit codes:
  0  ended by SIGTERM or SIGINT
  1  an option is wrong, or the address can't be used
  2  the command line is wrong";
