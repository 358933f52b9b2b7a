//! The command line: every command, flag and environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use weir_policy::quantity::Duration;

use crate::apply::ApplyOptions;
use crate::cache::CacheCommand;
use crate::cache_tier::CacheTierOptions;
use crate::compile::CompileOptions;
use crate::completion::CompletionOptions;
use crate::console::Format;
use crate::documents::{DeleteOptions, GetOptions};
use crate::failure::EXIT_CODES;
use crate::hedge::HedgeCommand;
use crate::modules::ModulesCommand;
use crate::proxy::ProxyCommand;
use crate::purge::PurgeCommand;
use crate::quota::QuotaCommand;
use crate::ring::RingCommand;
use crate::schema::SchemaOptions;
use crate::status::StatusOptions;
use crate::test::TestOptions;
use crate::validate::ValidateOptions;

/// Tune Envoy's sharding, limits, caches and second tries, live and safely: check documents, apply them, see what every proxy made of them.
#[derive(Debug, Parser)]
#[command(name = "weir", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: GlobalOptions,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const GLOBAL: &str = "Options of every command";

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct GlobalOptions {
    /// The control plane's REST address
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        env = "WEIR_SERVER",
        default_value = "http://127.0.0.1:8600",
        value_name = "URL"
    )]
    pub server: String,
    /// How answers are written to stdout; messages go to stderr
    #[arg(short, long, global = true, help_heading = GLOBAL, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// How long an answer of the control plane may take; with --wait, how long to wait in all
    #[arg(long, global = true, help_heading = GLOBAL, default_value = "10s", value_name = "DURATION")]
    pub timeout: Duration,
}

impl GlobalOptions {
    pub(crate) const fn timeout(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.timeout.as_millis())
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
#[command(subcommand_help_heading = "Commands")]
pub enum Command {
    /// Run the control plane: documents in by REST, configuration out by xDS
    Serve(ServeOptions),
    /// Run the cache tier that all proxies share: objects, and who fetches them, in Redis
    ///
    /// Between the proxies' caches and Redis, or Redis Cluster. An object that one proxy has fetched all of them find; of
    /// those that miss at the same time one fetches, and the others wait for it.
    #[command(name = "cache-tier")]
    CacheTier(CacheTierOptions),
    /// Create or change documents, all of them or none
    ///
    /// The control plane checks every document, and how they fit one another and those that are there, before it
    /// stores anything. What it has acknowledged is durable; proxies follow within milliseconds
    /// (`weir status --wait`).
    Apply(ApplyOptions),
    /// Check documents with the control plane's own checks, without a control plane
    ///
    /// Each is checked by itself, and what it refers to must be among the documents given. With --server-side the
    /// control plane checks them against the documents that are there.
    Validate(ValidateOptions),
    /// Write the configuration that a filter reads, for use without a control plane
    ///
    /// It is what the control plane would push for these documents: the `configuration` of Envoy's Wasm filter, or
    /// the `pluginConfig` of a WasmPlugin.
    Compile(CompileOptions),
    /// Test policies: requests and expectations, run on the filters' own modules
    ///
    /// Each test has a proxy of its own: the filters' modules in a proxy-wasm host, the Gateway's routes, scripted
    /// upstreams, and a clock that moves only when a step moves it. A filter that traps fails its test.
    Test(TestOptions),
    /// Show documents
    ///
    /// With -o yaml what is shown can be applied again.
    Get(GetOptions),
    /// Delete a document
    ///
    /// One that others refer to stays, and the answer names them.
    Delete(DeleteOptions),
    /// Show what every proxy made of the documents
    ///
    /// A service's state is `ok` (the proxy took what was last sent), `pending` (it has not answered yet) or `NACK`
    /// (it refused, and keeps what it had; the reason stands below the table). Exits with 1 when a proxy refused
    /// something or is disconnected.
    Status(StatusOptions),
    /// Ask a hash ring: who owns a key, how even it is, what a change moves
    #[command(subcommand)]
    Ring(RingCommand),
    /// Second tries of slow requests: what they would do to a service
    #[command(subcommand)]
    Hedge(HedgeCommand),
    /// Quotas: let clients start anew
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Let cached answers go, on every proxy: all, or those of tags, URLs, beginnings of URLs
    ///
    /// Once it is acknowledged it is durable; proxies learn it within milliseconds (--wait), one that is away when it
    /// comes back.
    #[command(subcommand)]
    Purge(PurgeCommand),
    /// Caches: what is purged with what
    #[command(subcommand)]
    Cache(CacheCommand),
    /// The filters' modules: list, fetch, check
    #[command(subcommand)]
    Modules(ModulesCommand),
    /// Run a proxy, or print what one needs
    #[command(subcommand)]
    Proxy(ProxyCommand),
    /// Print the JSON Schema of a kind of document
    ///
    /// Draft 2020-12, for editors and validators.
    Schema(SchemaOptions),
    /// Print a completion script for a shell
    Completion(CompletionOptions),
}

/// What `weir serve` is told.
#[derive(Clone, Debug, Args)]
#[command(after_help = SERVE_HELP)]
pub struct ServeOptions {
    /// Where the store is kept; made when it is not there
    #[arg(long, env = "WEIR_DATA_DIR", default_value_os_t = default_data_dir(), value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where REST is served
    #[arg(
        long,
        env = "WEIR_LISTEN",
        default_value = "127.0.0.1:8600",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,
    /// Where xDS is served
    #[arg(
        long,
        env = "WEIR_XDS_LISTEN",
        default_value = "127.0.0.1:18000",
        value_name = "ADDRESS"
    )]
    pub xds_listen: SocketAddr,
    /// The folder with modules.json and the <sha256>.wasm files that proxies fetch
    #[arg(long, env = "WEIR_MODULES_DIR", value_name = "DIR")]
    pub modules_dir: Option<PathBuf>,
    /// Documents to apply before anything is served: a file, a folder, or - for stdin; a bad one stops the start
    #[arg(
        short,
        long = "file",
        env = "WEIR_FILES",
        value_delimiter = ',',
        value_name = "PATH"
    )]
    pub files: Vec<PathBuf>,
    /// What is logged.
    #[command(flatten)]
    pub log: LogOptions,
}

/// What a server logs.
#[derive(Clone, Debug, Args)]
pub struct LogOptions {
    /// What is logged: a level, or levels by target like `info,weir_xds=debug`
    #[arg(long = "log", env = "WEIR_LOG", default_value = "info", value_name = "FILTER")]
    pub filter: String,
    /// How log lines are written
    #[arg(long = "log-format", env = "WEIR_LOG_FORMAT", value_enum, default_value_t)]
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

const SERVE_HELP: &str = "\
Examples:
  weir serve
  weir serve --data-dir /var/lib/weir --modules-dir /usr/share/weir/modules -f documents/

Exit codes:
  0  ended by SIGTERM or SIGINT, everything stored
  1  a document is wrong, or the store or an address can't be used
  2  the command line is wrong";

/// `$XDG_STATE_HOME/weir`, by the XDG Base Directory Specification, where a home is known.
fn default_data_dir() -> PathBuf {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map_or_else(|| PathBuf::from(".weir"), |state| state.join("weir"))
}
