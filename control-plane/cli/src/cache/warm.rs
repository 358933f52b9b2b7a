//! `weir cache warm`: what is fetched before anybody asks for it.

use clap::Args;
use weir_core::cache::{WarmDone, WarmRequest, WarmStatus};
use weir_policy::name::Name;

use crate::client::Client;
use crate::console::Console;
use crate::documents::NamespaceOptions;
use crate::failure::Failure;
use crate::table;

const PATH: &str = "/v1/cache/warm";

pub(super) const EXAMPLES: &str = "\
Examples:
  weir cache warm
  weir cache warm pages catalog
  weir cache warm pages --url /products/1 --url '/products?page=2' -n shop";

/// What to fetch.
#[derive(Debug, Args)]
pub struct WarmOptions {
    /// The CachePolicy: one with `spec.warming`
    policy: Option<Name>,
    /// One of its strategies; left out with --url: the first
    strategy: Option<Name>,
    /// A path to fetch in place of the strategy's; may come again
    #[arg(long = "url", value_name = "PATH")]
    urls: Vec<String>,
    #[command(flatten)]
    namespace: NamespaceOptions,
}

pub(super) async fn run(
    options: &WarmOptions,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let Some(policy) = &options.policy else {
        let path = format!("{PATH}?namespace={}", options.namespace.namespace);
        let status: WarmStatus = client.get(&path).await?;
        return console.answer(&status, || text(&status));
    };
    let request = WarmRequest {
        namespace: options.namespace.namespace.clone(),
        policy: policy.clone(),
        strategy: options.strategy.clone(),
        urls: (!options.urls.is_empty()).then(|| options.urls.clone()),
    };
    let done: WarmDone = client.post(PATH, &request).await?;
    console.answer(&done, || {
        let urls = table::count(done.urls, "URL");
        match &done.job {
            Some(job) => format!("{job}: {urls} on {}\n", proxies(done.proxies)),
            None => format!("nothing to do: {urls} on {}\n", proxies(done.proxies)),
        }
    })
}

fn proxies(count: usize) -> String {
    match count {
        1 => "1 proxy".to_owned(),
        count => format!("{count} proxies"),
    }
}

fn text(status: &WarmStatus) -> String {
    let strategies = status.strategies.iter().map(|strategy| {
        [
            strategy.policy.clone(),
            strategy.strategy.to_string(),
            strategy.schedule.clone(),
            strategy
                .next_ms
                .map_or_else(|| "-".to_owned(), |next| (next / 1_000).to_string()),
            strategy.failure.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let runs = status.runs.iter().map(|run| {
        [
            run.policy.clone(),
            run.run.job.clone(),
            run.standing.as_str().to_owned(),
            run.run.urls.to_string(),
            run.proxies.to_string(),
            run.requests.to_string(),
            run.fetched.to_string(),
            run.hit.to_string(),
            run.failed.to_string(),
        ]
    });
    let (strategies, runs): (Vec<_>, Vec<_>) = (strategies.collect(), runs.collect());
    let strategies = table::render(
        ["POLICY", "STRATEGY", "SCHEDULE", "NEXT (UNIX S)", "FAILURE"],
        &strategies,
    );
    let runs = table::render(
        [
            "POLICY", "RUN", "STANDING", "URLS", "PROXIES", "REQUESTS", "FETCHED", "HIT", "FAILED",
        ],
        &runs,
    );
    format!("{strategies}\n{runs}")
}
