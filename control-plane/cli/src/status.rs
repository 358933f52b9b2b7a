//! `weir status`.

mod fleet;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::time::Instant;

use crate::client::Client;
use crate::console::Console;
use crate::documents::DocumentList;
use crate::failure::{EXIT_CODES, Failure};
use crate::table;
use fleet::{Fleet, Proxy};

/// What `weir status` is told.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct StatusOptions {
    /// Wait until every proxy is connected and has taken everything, at most as long as --timeout says
    #[arg(long)]
    wait: bool,
    /// With --wait: also wait until this many proxies are connected
    #[arg(long, requires = "wait", default_value_t = 0, value_name = "N")]
    proxies: usize,
}

const EXAMPLES: &str = "\
Examples:
  weir status
  weir apply -f orders.yaml && weir status --wait --timeout 30s
  weir status -o json";

/// The time between two looks at a fleet that is waited for.
const POLL: Duration = Duration::from_millis(100);

/// All that `weir status` knows.
#[derive(Debug, Serialize)]
struct Status {
    revision: u64,
    documents: BTreeMap<String, usize>,
    proxies: Vec<Proxy>,
}

pub(crate) async fn run(
    options: &StatusOptions,
    timeout: Duration,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    let fleet = loop {
        let fleet: Fleet = client.get("/v1/proxies").await?;
        let settled = fleet.is_in_sync() && fleet.connected() >= options.proxies;
        if settled || !options.wait || Instant::now() + POLL >= deadline {
            break fleet;
        }
        tokio::time::sleep(POLL).await;
    };
    let verdict = verdict(&fleet, options);
    let list: DocumentList = client.get("/v1/documents").await?;
    let status = Status {
        revision: list.revision,
        documents: count_kinds(&list),
        proxies: fleet.items,
    };
    let shown = console.answer(&status, || render(&status));
    // What was found counts more than whether somebody read it to its end.
    verdict?;
    shown
}

fn verdict(fleet: &Fleet, options: &StatusOptions) -> Result<(), Failure> {
    let refused = |what: String| Err(Failure::Refused(what));
    if options.wait && fleet.connected() < options.proxies {
        return refused(format!(
            "proxies: {} connected of {} waited for",
            fleet.connected(),
            options.proxies
        ));
    }
    let bad: Vec<&str> = fleet
        .items
        .iter()
        .filter(|proxy| proxy.is_bad())
        .map(|proxy| proxy.id.as_str())
        .collect();
    if !bad.is_empty() {
        return refused(format!("refused something or disconnected: {}", bad.join(", ")));
    }
    if options.wait && !fleet.is_in_sync() {
        return refused("not every proxy has answered in time".to_owned());
    }
    Ok(())
}

fn count_kinds(list: &DocumentList) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for document in &list.items {
        let kind = document
            .get("kind")
            .and_then(|kind| kind.as_str())
            .unwrap_or_default();
        *counts.entry(kind.to_owned()).or_default() += 1;
    }
    counts
}

fn render(status: &Status) -> String {
    let counts: Vec<String> = status
        .documents
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    let documents = if counts.is_empty() {
        "none".to_owned()
    } else {
        counts.join(", ")
    };
    let head = format!("revision:  {}\ndocuments: {documents}\n\n", status.revision);
    if status.proxies.is_empty() {
        return format!("{head}no proxy has connected yet\n");
    }
    let rows: Vec<_> = status.proxies.iter().map(Proxy::row).collect();
    let nacks: String = status.proxies.iter().flat_map(Proxy::nacks).collect();
    let gap = if nacks.is_empty() { "" } else { "\n" };
    format!("{head}{}{gap}{nacks}", table::render(fleet::HEAD, &rows))
}
