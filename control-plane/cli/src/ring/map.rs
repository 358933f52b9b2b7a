//! Finding the ShardMap that is asked about.

use std::path::PathBuf;

use serde_json::Value;
use weir_core::refusal::DocumentProblem;
use weir_policy::document::shard_map::ShardMapSpec;
use weir_policy::document::{Document, Identity, Kind, Spec};

use super::MapOptions;
use super::placement::Placement;
use crate::apply::{self, FileOptions};
use crate::client::Client;
use crate::console::Console;
use crate::documents;
use crate::failure::Failure;

/// The map that the options choose, from files or from the control plane.
pub(super) async fn choose(
    options: &MapOptions,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<Placement, Failure> {
    let identity = options.map.clone().map(|name| Identity {
        kind: Kind::ShardMap,
        namespace: options.namespace.namespace.clone(),
        name,
    });
    match (identity, options.files.as_slice()) {
        (None, files) => only(files, console),
        (Some(identity), []) => from_server(&identity, client).await,
        (Some(identity), files) => {
            let (_, spec) = maps(files, console)?
                .into_iter()
                .find(|(found, _)| found == &identity)
                .ok_or_else(|| Failure::NotFound(format!("{identity} is not in the files")))?;
            Placement::try_new(&spec)
        }
    }
}

/// The one ShardMap in the files.
pub(super) fn only(files: &[PathBuf], console: &mut Console<'_>) -> Result<Placement, Failure> {
    let maps = maps(files, console)?;
    match maps.as_slice() {
        [(_, spec)] => Placement::try_new(spec),
        [] => Err(Failure::NotFound(format!("no ShardMap in {}", names(files)))),
        several => {
            let found: Vec<String> = several.iter().map(|(identity, _)| identity.to_string()).collect();
            Err(Failure::Usage(format!(
                "several ShardMaps in {}: {}",
                names(files),
                found.join(", ")
            )))
        }
    }
}

async fn from_server(identity: &Identity, client: &Client) -> Result<Placement, Failure> {
    let value: Value = client.get(&documents::path(identity)).await?;
    match Document::from_value(value).map(|document| document.spec) {
        Ok(Spec::ShardMap(spec)) => Placement::try_new(&spec),
        _ => Err(Failure::Server(format!(
            "the control plane's {identity} can't be read by this release"
        ))),
    }
}

/// Every ShardMap in the files. Other documents are not looked at, wrong ShardMaps are reported.
fn maps(files: &[PathBuf], console: &mut Console<'_>) -> Result<Vec<(Identity, ShardMapSpec)>, Failure> {
    let loaded = FileOptions {
        files: files.to_vec(),
    }
    .load(console)?;
    let (mut maps, mut problems) = (Vec::new(), Vec::new());
    for (index, document) in loaded.iter().enumerate() {
        if document.value.get("kind").and_then(Value::as_str) != Some(Kind::ShardMap.as_str()) {
            continue;
        }
        match Document::from_value(document.value.clone()) {
            Ok(Document {
                metadata,
                spec: Spec::ShardMap(spec),
            }) => {
                let identity = Identity {
                    kind: Kind::ShardMap,
                    namespace: metadata.namespace,
                    name: metadata.name,
                };
                maps.push((identity, spec));
            }
            Ok(_) => {}
            Err(found) => problems.extend(found.into_iter().map(|problem| DocumentProblem {
                document: index,
                identity: None,
                problem,
            })),
        }
    }
    if problems.is_empty() {
        Ok(maps)
    } else {
        Err(apply::report_problems(&problems, &loaded, console))
    }
}

fn names(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    names.join(", ")
}
