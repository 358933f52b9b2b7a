//! `weir proxy`: Envoy beside a control plane.

mod bootstrap;
mod envoy;
mod launch;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::uri::Authority;
use weir_core::node::{DEFAULT_MODULES_DIR, GatewayRef};
use weir_policy::quantity::Duration;

use crate::client::Client;
use crate::compile::parse_gateway;
use crate::console::{self, Console};
use crate::failure::{EXIT_CODES, Failure};
use bootstrap::Bootstrap;

/// What to do with proxies.
#[derive(Debug, Subcommand)]
pub enum ProxyCommand {
    /// Print the bootstrap of a proxy that this control plane configures
    ///
    /// YAML, or JSON with -o json.
    Bootstrap(NodeOptions),
    /// Fetch the modules, write the bootstrap, run Envoy
    ///
    /// While Envoy runs, new modules are fetched as the control plane names them. SIGTERM and SIGINT go on to Envoy,
    /// SIGHUP ends it as SIGTERM does, and its exit code is the command's. When the control plane is down, the modules in the folder have to do.
    Run(RunOptions),
}

/// What tells one proxy from another.
#[derive(Clone, Debug, Args)]
#[command(after_help = format!("{BOOTSTRAP_EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct NodeOptions {
    /// The Gateway that the proxy serves, `namespace/name`
    #[arg(long, value_parser = parse_gateway, value_name = "NAMESPACE/NAME")]
    gateway: GatewayRef,
    /// The proxy's id, unique in the fleet [default: HOSTNAME-GATEWAY]
    #[arg(long, env = "WEIR_PROXY_ID")]
    id: Option<String>,
    /// The control plane's xDS address
    #[arg(long, env = "WEIR_XDS", default_value = "127.0.0.1:18000", value_parser = parse_xds, value_name = "HOST:PORT")]
    xds: Authority,
    /// The folder with the <sha256>.wasm files on the proxy's host
    #[arg(long, env = "WEIR_MODULES_DIR", default_value = DEFAULT_MODULES_DIR, value_name = "DIR")]
    modules_dir: PathBuf,
    /// Envoy's admin interface, which has no authentication: loopback only
    #[arg(long, default_value = "127.0.0.1:9901", value_parser = parse_admin, value_name = "ADDRESS")]
    admin: SocketAddr,
}

const BOOTSTRAP_EXAMPLES: &str = "\
Example:
  weir proxy bootstrap --gateway default/edge > envoy.yaml";

/// What `weir proxy run` is told.
#[derive(Clone, Debug, Args)]
#[command(after_help = format!("{RUN_EXAMPLES}\n\n{EXIT_CODES}\nOnce Envoy runs, its own exit code."))]
pub struct RunOptions {
    #[command(flatten)]
    node: NodeOptions,
    /// The Envoy binary, 1.40 or newer [default: envoy in PATH]
    #[arg(long, env = "WEIR_ENVOY", value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// Envoy's worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: Option<u32>,
    /// How long a listener that was taken away serves its connections [default: Envoy's, 10m]
    #[arg(long, value_name = "DURATION")]
    drain_time: Option<Duration>,
    /// Further arguments for Envoy, after --
    #[arg(last = true, value_name = "ENVOY ARGUMENTS")]
    extra: Vec<String>,
}

const RUN_EXAMPLES: &str = "\
Examples:
  weir proxy run --gateway default/edge
  weir proxy run --gateway default/edge --admin 127.0.0.1:9902 --concurrency 2 -- --log-level warn";

fn parse_xds(text: &str) -> Result<Authority, String> {
    let authority = text.parse::<Authority>().ok();
    authority
        .filter(|authority| {
            authority.port_u16().is_some_and(|port| port != 0) && !authority.as_str().contains('@')
        })
        .ok_or_else(|| "expected HOST:PORT, like 127.0.0.1:18000".to_owned())
}

fn parse_admin(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>().ok();
    address
        .filter(|address| address.ip().is_loopback())
        .ok_or_else(|| "expected a loopback address with a port, like 127.0.0.1:9901".to_owned())
}

const NO_WAY_BACK: &str = "warning: filters can't ask a control plane whose REST address has a path: quotas of the fleet \
    are divided evenly, and resets don't arrive; expected --server http://HOST:PORT";

impl NodeOptions {
    fn bootstrap(&self, client: &Client, console: &mut Console<'_>) -> Result<Bootstrap, Failure> {
        if client.root().is_none() {
            console.note(NO_WAY_BACK);
        }
        let modules_dir = std::path::absolute(&self.modules_dir)
            .map_err(|error| Failure::file("find", &self.modules_dir, &error))?;
        Ok(Bootstrap {
            id: self.id.clone().unwrap_or_else(|| self.default_id()),
            gateway: self.gateway.clone(),
            xds: self.xds.clone(),
            rest: client.root().cloned(),
            modules_dir,
            admin: self.admin,
        })
    }

    fn default_id(&self) -> String {
        let system = rustix::system::uname();
        format!("{}-{}", system.nodename().to_string_lossy(), self.gateway.name)
    }
}

pub(crate) async fn run(
    command: &ProxyCommand,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    match command {
        ProxyCommand::Bootstrap(options) => {
            let bootstrap = options.bootstrap(client, console)?.to_value();
            let yaml = console::yaml(&bootstrap)?;
            console.answer(&bootstrap, || yaml)
        }
        ProxyCommand::Run(options) => launch::run(options, client, console).await,
    }
}
