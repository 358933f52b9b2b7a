//! `weir purge`: cached answers that are to go.

use std::time::Duration;

use clap::{Args, Subcommand};
use tokio::time::Instant;
use weir_core::cache::{PurgeDone, PurgeProgress, PurgeRequest};
use weir_policy::name::Name;
use weir_policy::problem::Problem;

use crate::client::Client;
use crate::console::Console;
use crate::documents::NamespaceOptions;
use crate::failure::{EXIT_CODES, Failure};
use crate::table;

/// Which cached answers are to go.
#[derive(Debug, Subcommand)]
pub enum PurgeCommand {
    /// Everything
    #[command(after_help = format!("{ALL_EXAMPLES}\n\n{EXIT_CODES}"))]
    All(PurgeOptions),
    /// Answers with one of these tags, or with a tag that depends on one (`weir cache deps`)
    ///
    /// Origins name tags in Surrogate-Key or Cache-Tag, or as the CachePolicy says.
    #[command(after_help = format!("{TAG_EXAMPLES}\n\n{EXIT_CODES}"))]
    Tag(ListOptions),
    /// Answers of these URLs: all variants, whosever key they are for
    #[command(after_help = format!("{URL_EXAMPLES}\n\n{EXIT_CODES}"))]
    Url(ListOptions),
    /// Answers whose URL begins with one of these
    #[command(after_help = format!("{PREFIX_EXAMPLES}\n\n{EXIT_CODES}"))]
    Prefix(ListOptions),
}

/// Of what, and how.
#[derive(Debug, Args)]
pub struct ListOptions {
    /// Tags; URLs and their beginnings have a host and a path, with or without a scheme
    #[arg(required = true, value_name = "TEXT")]
    texts: Vec<String>,
    #[command(flatten)]
    purge: PurgeOptions,
}

/// How to purge.
#[derive(Debug, Args)]
pub struct PurgeOptions {
    /// Of this CachePolicy only; left out: of every one of the namespace
    #[arg(long, value_name = "NAME")]
    policy: Option<Name>,
    /// Answers are stale at once, not gone: where the policy or the origin allows it (stale-while-revalidate,
    /// stale-if-error), clients get them while a fresh one is fetched
    #[arg(long)]
    soft: bool,
    /// Wait until every connected proxy knows of it, at most as long as --timeout says
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    namespace: NamespaceOptions,
}

const ALL_EXAMPLES: &str = "\
Examples:
  weir purge all
  weir purge all --policy pages --soft --wait";

const TAG_EXAMPLES: &str = "\
Examples:
  weir purge tag entity:456
  weir purge tag entity:456 entity:457 -n shop --wait -o json";

const URL_EXAMPLES: &str = "\
Examples:
  weir purge url 'https://shop.example/products?page=2'
  weir purge url shop.example/ shop.example/products --soft";

const PREFIX_EXAMPLES: &str = "\
Examples:
  weir purge prefix shop.example/products/
  weir purge prefix shop.example --policy pages";

/// The time between two looks at proxies that are waited for.
const POLL: Duration = Duration::from_millis(20);

impl PurgeCommand {
    const fn options(&self) -> &PurgeOptions {
        match self {
            Self::All(options) => options,
            Self::Tag(list) | Self::Url(list) | Self::Prefix(list) => &list.purge,
        }
    }

    fn request(&self) -> PurgeRequest {
        let options = self.options();
        let mut request = PurgeRequest {
            namespace: options.namespace.namespace.clone(),
            policy: options.policy.clone(),
            soft: options.soft,
            all: false,
            tags: None,
            urls: None,
            prefixes: None,
        };
        match self {
            Self::All(_) => request.all = true,
            Self::Tag(list) => request.tags = Some(list.texts.clone()),
            Self::Url(list) => request.urls = Some(list.texts.clone()),
            Self::Prefix(list) => request.prefixes = Some(list.texts.clone()),
        }
        request
    }

    /// What `count` counts.
    const fn noun(&self) -> &'static str {
        match self {
            Self::All(_) | Self::Tag(_) => "tag",
            Self::Url(_) => "URL",
            Self::Prefix(_) => "prefix",
        }
    }
}

pub(crate) async fn run(
    command: &PurgeCommand,
    timeout: Duration,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let request = command.request();
    request.check().map_err(refused)?;
    let deadline = Instant::now() + timeout;
    let done: PurgeDone = client.post("/v1/cache/purge", &request).await?;
    let shown = console.answer(&done, || text(command, &done));
    if command.options().wait {
        wait(&done, &request.namespace, deadline, client).await?;
    }
    shown
}

async fn wait(done: &PurgeDone, namespace: &Name, deadline: Instant, client: &Client) -> Result<(), Failure> {
    let path = format!("/v1/cache/purge/{}?namespace={namespace}", done.revision);
    loop {
        let PurgeProgress { proxies, learned } = client.get(&path).await?;
        if learned >= proxies {
            return Ok(());
        }
        if Instant::now() + POLL >= deadline {
            return Err(Failure::Refused(format!(
                "{learned} of {proxies} proxies know of it so far; the others will when they ask next"
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn refused(problems: Vec<Problem>) -> Failure {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Failure::Refused(texts.join("; "))
}

fn text(command: &PurgeCommand, done: &PurgeDone) -> String {
    let options = command.options();
    let namespace = &options.namespace.namespace;
    let whose = match &options.policy {
        Some(policy) => format!("CachePolicy {namespace}/{policy}"),
        None => format!("namespace {namespace}"),
    };
    let what = if done.scope.everything {
        "everything".to_owned()
    } else {
        table::count(done.scope.count, command.noun())
    };
    let how = if options.soft { "stale at once" } else { "purged" };
    let why = done.scope.detail.as_deref().map(|detail| format!(" ({detail})"));
    let proxies = match done.proxies {
        1 => "1 proxy".to_owned(),
        count => format!("{count} proxies"),
    };
    format!("{whose}: {what} {how} on {proxies}{}\n", why.unwrap_or_default())
}
