//! `weir get` and `weir delete`.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_policy::document::{Identity, Kind};
use weir_policy::name::Name;

use crate::client::Client;
use crate::console::Console;
use crate::failure::{EXIT_CODES, Failure};
use crate::table;

/// What `weir get` is told.
#[derive(Debug, Args)]
#[command(after_help = format!("{GET_EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct GetOptions {
    /// ShardMap, CachePolicy, RateLimitPolicy, HedgePolicy, Gateway, Backend, EnvoyResource (in any case, singular or plural), or all
    kind: KindOrAll,
    /// One document; left out: every document of the kind
    name: Option<Name>,
    #[command(flatten)]
    namespace: NamespaceOptions,
    /// Every namespace
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "name"])]
    all_namespaces: bool,
}

const GET_EXAMPLES: &str = "\
Examples:
  weir get shardmaps
  weir get ShardMap orders -o yaml
  weir get all -A -o json";

/// What `weir delete` is told.
#[derive(Debug, Args)]
#[command(after_help = format!("{DELETE_EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct DeleteOptions {
    /// ShardMap, CachePolicy, RateLimitPolicy, HedgePolicy, Gateway, Backend or EnvoyResource, in any case, singular or plural
    kind: Kind,
    /// Which
    name: Name,
    #[command(flatten)]
    namespace: NamespaceOptions,
    /// Check whether it could be deleted, change nothing
    #[arg(long)]
    dry_run: bool,
}

const DELETE_EXAMPLES: &str = "\
Examples:
  weir delete ShardMap orders
  weir delete backend orders-a -n shop --dry-run";

/// The namespace that a command is about.
#[derive(Debug, Args)]
pub struct NamespaceOptions {
    /// The namespace
    #[arg(short, long, default_value = Name::DEFAULT_NAMESPACE, value_name = "NAMESPACE")]
    pub(crate) namespace: Name,
}

/// A kind of documents, or all of them.
#[derive(Clone, Copy, Debug)]
enum KindOrAll {
    One(Kind),
    All,
}

impl std::str::FromStr for KindOrAll {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        text.parse()
            .map(Self::One)
            .map_err(|error| format!("{error}, all"))
    }
}

/// A list of documents as it is answered.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct DocumentList {
    pub(crate) revision: u64,
    pub(crate) items: Vec<Value>,
}

/// Where a document stands in the API.
pub(crate) fn path(identity: &Identity) -> String {
    format!(
        "/v1/namespaces/{}/{}/{}",
        identity.namespace,
        identity.kind.plural(),
        identity.name
    )
}

pub(crate) async fn get(
    options: &GetOptions,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    match (options.kind, &options.name) {
        (KindOrAll::One(kind), Some(name)) => {
            let identity = Identity {
                kind,
                namespace: options.namespace.namespace.clone(),
                name: name.clone(),
            };
            let document: Value = client.get(&path(&identity)).await?;
            console.answer(&document, || rows(std::slice::from_ref(&document)))
        }
        (KindOrAll::All, Some(_)) => Err(Failure::Usage("a NAME needs a KIND, not \"all\"".to_owned())),
        (kind, None) => {
            let list = list(kind, options, client).await?;
            console.documents(&list, &list.items, || rows(&list.items))
        }
    }
}

async fn list(kind: KindOrAll, options: &GetOptions, client: &Client) -> Result<DocumentList, Failure> {
    let namespace = &options.namespace.namespace;
    let path = match kind {
        KindOrAll::All => "/v1/documents".to_owned(),
        KindOrAll::One(kind) if options.all_namespaces => format!("/v1/{}", kind.plural()),
        KindOrAll::One(kind) => format!("/v1/namespaces/{namespace}/{}", kind.plural()),
    };
    let mut list: DocumentList = client.get(&path).await?;
    if !options.all_namespaces {
        list.items
            .retain(|document| text(document, "/metadata/namespace") == namespace.as_str());
    }
    Ok(list)
}

pub(crate) async fn delete(
    options: &DeleteOptions,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let identity = Identity {
        kind: options.kind,
        namespace: options.namespace.namespace.clone(),
        name: options.name.clone(),
    };
    client.delete(&path(&identity), options.dry_run).await?;
    let suffix = if options.dry_run { " (dry run)" } else { "" };
    let answer = json!({"deleted": identity, "dryRun": options.dry_run});
    console.answer(&answer, || format!("{identity}: deleted{suffix}\n"))
}

fn rows(documents: &[Value]) -> String {
    if documents.is_empty() {
        return "no documents\n".to_owned();
    }
    let row = |document: &Value| {
        [
            text(document, "/kind").to_owned(),
            text(document, "/metadata/namespace").to_owned(),
            text(document, "/metadata/name").to_owned(),
            document
                .pointer("/metadata/revision")
                .map(Value::to_string)
                .unwrap_or_default(),
            detail(document),
        ]
    };
    let rows: Vec<_> = documents.iter().map(row).collect();
    table::render(["KIND", "NAMESPACE", "NAME", "REVISION", "DETAIL"], &rows)
}

/// What tells documents of one kind apart at a glance.
fn detail(document: &Value) -> String {
    let counted = |field: &str, noun: &str| {
        let items = document
            .pointer(&format!("/spec/{field}"))
            .and_then(Value::as_array);
        table::count(items.map_or(0, Vec::len), noun)
    };
    match text(document, "/kind") {
        "CachePolicy" | "HedgePolicy" => text(document, "/spec/mode").to_owned(),
        "RateLimitPolicy" => format!("{}, {}", text(document, "/spec/mode"), counted("limits", "limit")),
        "ShardMap" => counted("shards", "shard"),
        "Backend" => counted("endpoints", "endpoint"),
        "Gateway" => format!(
            "{}, {}",
            counted("listeners", "listener"),
            counted("routes", "route")
        ),
        "EnvoyResource" => text(document, "/spec/resource/@type")
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    }
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
