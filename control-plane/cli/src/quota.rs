//! `weir quota`: clients of a RateLimitPolicy.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use weir_core::event::Revision;
use weir_core::quota::QuotaReset;
use weir_policy::name::Name;

use crate::client::Client;
use crate::console::Console;
use crate::documents::NamespaceOptions;
use crate::failure::{EXIT_CODES, Failure};

/// What to do with quotas.
#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// Let clients that a policy holds back start anew, on every proxy
    ///
    /// Once it is acknowledged it is durable; proxies learn it within milliseconds, one that is away when it comes back.
    #[command(after_help = format!("{RESET_EXAMPLES}\n\n{EXIT_CODES}"))]
    Reset(ResetOptions),
}

/// Whose count starts anew.
#[derive(Debug, Args)]
pub struct ResetOptions {
    /// The RateLimitPolicy
    policy: Name,
    /// One of its limits; left out: all of them
    #[arg(long, value_name = "NAME")]
    limit: Option<Name>,
    /// A value of the limit's key; to be repeated for a key of several values, in their order; left out: every key
    #[arg(long, value_name = "VALUE")]
    key: Vec<String>,
    #[command(flatten)]
    namespace: NamespaceOptions,
}

const RESET_EXAMPLES: &str = "\
Examples:
  weir quota reset api --limit per-user --key alice
  weir quota reset api -n shop";

/// What the control plane answers.
#[derive(Deserialize, Serialize)]
struct Done {
    revision: Revision,
}

pub(crate) async fn run(
    command: &QuotaCommand,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    match command {
        QuotaCommand::Reset(options) => reset(options, client, console).await,
    }
}

async fn reset(options: &ResetOptions, client: &Client, console: &mut Console<'_>) -> Result<(), Failure> {
    let reset = QuotaReset {
        namespace: options.namespace.namespace.clone(),
        policy: options.policy.clone(),
        limit: options.limit.clone(),
        key: (!options.key.is_empty()).then(|| options.key.clone()),
    };
    reset.check().map_err(Failure::Refused)?;
    let done: Done = client.post("/v1/quota/reset", &reset).await?;
    console.answer(&done, || {
        format!("RateLimitPolicy {}/{}: reset\n", reset.namespace, reset.policy)
    })
}
