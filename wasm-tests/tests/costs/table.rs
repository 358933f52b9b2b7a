//! A filter's table, as a file in Markdown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use weir_wasm_tests::Cost;

const HEAD: &str = "| request | fuel | host calls | by function |\n| --- | ---: | ---: | --- |\n";

/// What one case costs, all its callbacks together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) fuel: u64,
    /// By host function, without its prefix `proxy_`.
    pub(crate) host_calls: BTreeMap<String, u64>,
}

impl Row {
    pub(crate) fn of(name: &str, callbacks: &BTreeMap<&str, Cost>) -> Self {
        let mut host_calls = BTreeMap::new();
        for (function, count) in callbacks.values().flat_map(|cost| &cost.host_calls) {
            let short = function.trim_start_matches("proxy_").to_owned();
            *host_calls.entry(short).or_default() += count;
        }
        Self {
            name: name.to_owned(),
            fuel: callbacks.values().map(|cost| cost.fuel).sum(),
            host_calls,
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.host_calls.values().sum()
    }

    pub(crate) fn by_function(&self) -> String {
        let counted = self
            .host_calls
            .iter()
            .map(|(name, count)| format!("{name} {count}"));
        counted.collect::<Vec<_>>().join(", ")
    }

    fn line(&self) -> String {
        let Self { name, fuel, .. } = self;
        format!(
            "| {name} | {fuel} | {} | {} |\n",
            self.calls(),
            self.by_function()
        )
    }

    /// Reads [`Row::line`]; none for a line that says something else.
    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, fuel, _, functions, _] = cells.as_slice() else {
            return None;
        };
        let count = |text: &str| {
            let (name, count) = text.rsplit_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        };
        let row = Self {
            name: (*name).to_owned(),
            fuel: fuel.parse().ok()?,
            host_calls: functions.split(", ").filter_map(count).collect(),
        };
        (row.line().trim() == line).then_some(row)
    }
}

/// Where a filter's table stands.
pub(crate) fn path(filter: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("costs/{filter}.md"))
}

/// The file's text. `command` refreshes it.
pub(crate) fn text(filter: &str, rows: &[Row], command: &str) -> String {
    let lines: String = rows.iter().map(Row::line).collect();
    format!(
        "# What {filter} costs\n\nAll callbacks of one request and its response in the wasmtime host, the response's \
         and the stream's end included; fuel\nis about one unit per WebAssembly instruction. Refresh with:\n\n```sh\n{command}\n```\n\n{HEAD}{lines}"
    )
}

/// The rows of a file's text.
pub(crate) fn parse(text: &str) -> Vec<Row> {
    text.lines().filter_map(Row::parse).collect()
}

#[test]
fn a_table_is_read_as_it_was_written() {
    let row = |name: &str, counted: &[(&str, u64)]| Row {
        name: name.to_owned(),
        fuel: 12_345,
        host_calls: counted
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect(),
    };
    let rows = [
        row("nothing called", &[]),
        row("a 400, in 3 maps: one", &[("log", 1)]),
        row("several", &[("get_property", 12), ("log", 1)]),
    ];
    assert_eq!(parse(&text("some-filter", &rows, "a | command")), rows);
}
