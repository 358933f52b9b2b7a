//! `weir cache`: what is purged with what, and what is fetched before anybody asks for it.

mod warm;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_core::cache::TagDependencies;
use weir_core::event::Revision;
use weir_core::percent::percent_encoded;

use crate::client::Client;
use crate::console::Console;
use crate::documents::NamespaceOptions;
use crate::failure::{EXIT_CODES, Failure};
use crate::table;
use warm::WarmOptions;

/// What to do with caches.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Dependencies between tags: what is purged with a tag
    ///
    /// A page about an investigation shows an entity: once `investigation:123` depends on `entity:456`, `weir purge tag
    /// entity:456` purges both, and whatever depends on the investigation. Cycles are harmless. The control plane keeps
    /// them durably, up to 256 of a tag and 100000 in all; a purge that came to more than 10000 tags purges everything.
    #[command(subcommand)]
    Deps(DepsCommand),
    /// Fetch answers before anybody asks for them, now; without a policy: show when strategies run, and what came of runs
    ///
    /// Each proxy asks its own listener, as a client would; proxies with a common tier share the work.
    #[command(after_help = format!("{}\n\n{EXIT_CODES}", warm::EXAMPLES))]
    Warm(WarmOptions),
}

/// What to do with dependencies.
#[derive(Debug, Subcommand)]
pub enum DepsCommand {
    /// Say on which tags a tag depends, in place of all it depended on before
    #[command(after_help = format!("{SET_EXAMPLES}\n\n{EXIT_CODES}"))]
    Set(SetOptions),
    /// Show on which tags a tag depends, and which depend on it
    #[command(after_help = format!("{GET_EXAMPLE}\n\n{EXIT_CODES}"))]
    Get(TagOptions),
    /// Show every tag of a namespace that depends on others
    #[command(after_help = format!("{LIST_EXAMPLE}\n\n{EXIT_CODES}"))]
    List(NamespaceOptions),
    /// Let a tag depend on no other
    #[command(after_help = format!("{DELETE_EXAMPLE}\n\n{EXIT_CODES}"))]
    Delete(TagOptions),
}

/// On what a tag depends.
#[derive(Debug, Args)]
pub struct SetOptions {
    #[command(flatten)]
    tag: TagOptions,
    /// Whoever purges one of these purges TAG too
    #[arg(required = true, value_name = "ON")]
    depends_on: Vec<String>,
}

/// A tag.
#[derive(Debug, Args)]
pub struct TagOptions {
    /// The tag
    tag: String,
    #[command(flatten)]
    namespace: NamespaceOptions,
}

const SET_EXAMPLES: &str = "\
Examples:
  weir cache deps set investigation:123 entity:456 entity:457
  weir cache deps set page:home products -n shop";

const GET_EXAMPLE: &str = "Example:\n  weir cache deps get entity:456 -o json";

const LIST_EXAMPLE: &str = "Example:\n  weir cache deps list -n shop";

const DELETE_EXAMPLE: &str = "Example:\n  weir cache deps delete investigation:123";

/// `GET /v1/cache/dependencies`.
#[derive(Deserialize, Serialize)]
struct AllDependencies {
    revision: Revision,
    items: Vec<TagDependencies>,
}

const PATH: &str = "/v1/cache/dependencies";

pub(crate) async fn run(
    command: &CacheCommand,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let command = match command {
        CacheCommand::Deps(command) => command,
        CacheCommand::Warm(options) => return warm::run(options, client, console).await,
    };
    match command {
        DepsCommand::Set(options) => set(options, client, console).await,
        DepsCommand::Get(options) => {
            let known: TagDependencies = client.get(&path(options)).await?;
            console.answer(&known, || rows(std::slice::from_ref(&known)))
        }
        DepsCommand::List(options) => {
            let path = format!("{PATH}?namespace={}", options.namespace);
            let all: AllDependencies = client.get(&path).await?;
            console.answer(&all, || rows(&all.items))
        }
        DepsCommand::Delete(options) => {
            client.delete(&path(options), false).await?;
            let done = json!({"tag": options.tag, "outcome": "deleted"});
            console.answer(&done, || format!("{}: depends on nothing\n", options.tag))
        }
    }
}

async fn set(options: &SetOptions, client: &Client, console: &mut Console<'_>) -> Result<(), Failure> {
    let body = json!({"dependsOn": options.depends_on});
    let done: Value = client.put(&path(&options.tag), &body).await?;
    console.answer(&done, || {
        format!(
            "{}: depends on {}\n",
            options.tag.tag,
            options.depends_on.join(", ")
        )
    })
}

fn path(options: &TagOptions) -> String {
    let tag = percent_encoded(&options.tag);
    format!("{PATH}/{tag}?namespace={}", options.namespace.namespace)
}

fn rows(items: &[TagDependencies]) -> String {
    let list = |tags: &[String]| match tags {
        [] => "-".to_owned(),
        tags => tags.join(", "),
    };
    let row = |item: &TagDependencies| [item.tag.clone(), list(&item.depends_on), list(&item.dependents)];
    let rows: Vec<_> = items.iter().map(row).collect();
    table::render(["TAG", "DEPENDS ON", "PURGED WITH IT"], &rows)
}
