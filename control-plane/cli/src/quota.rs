//! `weir quota`: clients of a RateLimitPolicy.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use weir_core::event::Revision;
use weir_core::lease::{Holder, SharedLimit};
use weir_core::quota::QuotaReset;
use weir_policy::name::Name;
use weir_policy::proxy::WHOLE;

use crate::client::Client;
use crate::console::Console;
use crate::documents::NamespaceOptions;
use crate::failure::{EXIT_CODES, Failure};
use crate::table;

/// What to do with quotas.
#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// Let clients that a policy holds back start anew, on every proxy
    ///
    /// Once it is acknowledged it is durable; proxies learn it within milliseconds, one that is away when it comes back.
    #[command(after_help = format!("{RESET_EXAMPLES}\n\n{EXIT_CODES}"))]
    Reset(ResetOptions),
    /// Show how the fleet's quotas are shared out: which proxy has how much of which limit
    #[command(after_help = format!("{STATUS_EXAMPLE}\n\n{EXIT_CODES}"))]
    Status,
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

const STATUS_EXAMPLE: &str = "Example:\n  weir quota status -o json";

/// `GET /v1/leases`.
#[derive(Deserialize, Serialize)]
struct SharedLimits {
    items: Vec<SharedLimit>,
}

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
        QuotaCommand::Status => {
            let limits: SharedLimits = client.get("/v1/leases").await?;
            console.answer(&limits, || rows(&limits.items))
        }
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

/// A row for each holder, and one for all of them.
fn rows(limits: &[SharedLimit]) -> String {
    let rows: Vec<_> = limits.iter().flat_map(limit_rows).collect();
    table::render(["LIMIT", "KEY", "PROXY", "SHARE", "HELD", "DEMAND/S"], &rows)
}

fn limit_rows(shared: &SharedLimit) -> Vec<[String; 6]> {
    let key = shared.key.as_deref().unwrap_or("(others)");
    let row = |proxy: &str, share: String, held: String, demand: u64| {
        [
            shared.limit.clone(),
            key.to_owned(),
            proxy.to_owned(),
            share,
            held,
            demand.to_string(),
        ]
    };
    let of = |holder: &Holder| {
        let (share, held) = (percent(holder.share.into()), percent(holder.held.into()));
        row(&holder.instance, share, held, holder.demand)
    };
    let demand = shared
        .holders
        .iter()
        .fold(0_u64, |sum, holder| sum.saturating_add(holder.demand));
    let all = row("(all)", percent(shared.outstanding), "-".to_owned(), demand);
    shared.holders.iter().map(of).chain([all]).collect()
}

/// Of parts per million.
fn percent(share: u64) -> String {
    format!("{:.2} %", share as f64 * 100.0 / f64::from(WHOLE))
}
