//! `weir schema`.

use clap::Args;
use weir_policy::document::{Kind, schema};

use crate::console::{self, Console};
use crate::failure::{EXIT_CODES, Failure};

/// What `weir schema` is told.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct SchemaOptions {
    /// ShardMap, CachePolicy, RateLimitPolicy, HedgePolicy, Gateway, Backend or EnvoyResource, in any case, singular or plural
    kind: Kind,
}

const EXAMPLES: &str = "\
Example:
  weir schema ShardMap > shardmap.schema.json";

pub(crate) fn run(options: &SchemaOptions, console: &mut Console<'_>) -> Result<(), Failure> {
    console.write(&console::json(&schema::of(options.kind))?)
}
