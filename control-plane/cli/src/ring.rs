//! `weir ring`: questions to a ShardMap's hash ring, answered by the code that the filter runs.

mod map;
mod placement;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::client::Client;
use crate::console::Console;
use crate::documents::NamespaceOptions;
use crate::failure::{EXIT_CODES, Failure};
use crate::table;
use placement::Placement;

/// A question to a hash ring.
#[derive(Debug, Subcommand)]
pub enum RingCommand {
    /// Which shard owns a key
    #[command(after_help = format!("{OWNER_EXAMPLES}\n\n{EXIT_CODES}"))]
    Owner(OwnerOptions),
    /// The shards, their weights and their shares of the ring
    #[command(after_help = format!("{SHOW_EXAMPLE}\n\n{EXIT_CODES}"))]
    Show(MapOptions),
    /// Which keys move when one map takes the place of another
    #[command(after_help = format!("{DIFF_EXAMPLE}\n\n{EXIT_CODES}"))]
    Diff(DiffOptions),
}

const OWNER_EXAMPLES: &str = "\
Examples:
  weir ring owner -f orders.yaml user-42 user-43
  weir ring owner --map orders user-42";
const SHOW_EXAMPLE: &str = "Example:\n  weir ring show --map orders";
const DIFF_EXAMPLE: &str = "Example:\n  weir ring diff -f orders.yaml -f orders-with-a-fifth-shard.yaml";

/// Which ShardMap.
#[derive(Debug, Args)]
pub struct MapOptions {
    /// Files with the ShardMap; left out: the control plane's
    #[arg(short, long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// The ShardMap's name; may be left out when the files hold only one
    #[arg(long, value_name = "NAME", required_unless_present = "files")]
    map: Option<weir_policy::name::Name>,
    #[command(flatten)]
    namespace: NamespaceOptions,
}

/// Which keys of which map.
#[derive(Debug, Args)]
pub struct OwnerOptions {
    #[command(flatten)]
    map: MapOptions,
    /// The keys
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
}

/// Two maps and how many keys to compare them by.
#[derive(Debug, Args)]
pub struct DiffOptions {
    /// The old map's file, then the new one's
    #[arg(short, long = "file", required = true, value_name = "PATH")]
    files: Vec<PathBuf>,
    /// How many keys to try: key-0, key-1, …
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000), value_name = "N")]
    keys: u32,
}

/// A key and its shard.
#[derive(Debug, Serialize)]
struct Owned<'a> {
    key: &'a str,
    shard: &'a str,
}

/// What a change of maps moves.
#[derive(Debug, Serialize)]
struct Moves {
    keys: u32,
    moved: u32,
    moves: Vec<Move>,
}

/// Keys that move from one shard to another.
#[derive(Debug, Serialize)]
struct Move {
    from: String,
    to: String,
    keys: u32,
}

pub(crate) async fn run(
    command: &RingCommand,
    client: &Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    match command {
        RingCommand::Owner(options) => {
            let placement = map::choose(&options.map, client, console).await?;
            owner(&placement, &options.keys, console)
        }
        RingCommand::Show(options) => show(&map::choose(options, client, console).await?, console),
        RingCommand::Diff(options) => diff(options, console),
    }
}

fn owner(placement: &Placement, keys: &[String], console: &mut Console<'_>) -> Result<(), Failure> {
    let own = |key| Owned {
        key,
        shard: placement.owner(key),
    };
    let owned: Vec<Owned<'_>> = keys.iter().map(|key| own(key.as_str())).collect();
    let rows: Vec<_> = owned
        .iter()
        .map(|owned| [owned.key.to_owned(), owned.shard.to_owned()])
        .collect();
    console.answer(&owned, || table::render(["KEY", "SHARD"], &rows))
}

fn show(placement: &Placement, console: &mut Console<'_>) -> Result<(), Failure> {
    let shares = placement.shares();
    let row = |share: &placement::Share| {
        [
            share.shard.clone(),
            share.weight.to_string(),
            percent(share.share),
        ]
    };
    let rows: Vec<_> = shares.iter().map(row).collect();
    console.answer(&shares, || table::render(["SHARD", "WEIGHT", "SHARE"], &rows))
}

fn diff(options: &DiffOptions, console: &mut Console<'_>) -> Result<(), Failure> {
    let [old, new] = options.files.as_slice() else {
        return Err(Failure::Usage(
            "expected -f OLD -f NEW, each with one ShardMap".to_owned(),
        ));
    };
    let old = map::only(std::slice::from_ref(old), console)?;
    let new = map::only(std::slice::from_ref(new), console)?;
    let moves = compare(&old, &new, options.keys);
    console.answer(&moves, || render(&moves))
}

fn compare(old: &Placement, new: &Placement, keys: u32) -> Moves {
    let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for index in 0..keys {
        let key = format!("key-{index}");
        let (from, to) = (old.owner(&key), new.owner(&key));
        if from != to {
            *counts.entry((from, to)).or_default() += 1;
        }
    }
    let to_move = |((from, to), keys): ((&str, &str), u32)| Move {
        from: from.to_owned(),
        to: to.to_owned(),
        keys,
    };
    Moves {
        keys,
        moved: counts.values().sum(),
        moves: counts.into_iter().map(to_move).collect(),
    }
}

fn render(moves: &Moves) -> String {
    let share = |part: u32| percent(f64::from(part) / f64::from(moves.keys));
    let head = format!(
        "{} of {} keys move ({})\n",
        moves.moved,
        moves.keys,
        share(moves.moved)
    );
    if moves.moves.is_empty() {
        return head;
    }
    let row = |a_move: &Move| {
        [
            a_move.from.clone(),
            a_move.to.clone(),
            a_move.keys.to_string(),
            share(a_move.keys),
        ]
    };
    let rows: Vec<_> = moves.moves.iter().map(row).collect();
    format!(
        "{head}\n{}",
        table::render(["FROM", "TO", "KEYS", "SHARE"], &rows)
    )
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}
