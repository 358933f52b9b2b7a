//! What a command writes: answers on stdout, in the format asked for; messages on stderr.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

use crate::failure::Failure;

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: stable fields, nothing else on stdout.
    Json,
    /// The same as `json`, as YAML; documents can be applied again.
    Yaml,
}

/// Where a command writes.
pub struct Console<'a> {
    format: Format,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    live: bool,
}

impl<'a> Console<'a> {
    /// Answers to `out` in `format`, messages to `err`.
    pub fn new(format: Format, out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self {
            format,
            out,
            err,
            live: false,
        }
    }

    /// Whether messages go to a terminal, where progress can be shown.
    #[must_use]
    pub fn with_progress(mut self, live: bool) -> Self {
        self.live = live;
        self
    }

    /// Shows `text` in the place of what this showed last, on a terminal only. An empty text clears it.
    pub fn progress(&mut self, text: &str) {
        if self.live {
            // ECMA-48 EL: erases the line.
            let _ = write!(self.err, "\r\x1b[2K{text}").and_then(|()| self.err.flush());
        }
    }

    /// Writes an answer: `value` for programs, `table` for people.
    pub fn answer(&mut self, value: &impl Serialize, table: impl FnOnce() -> String) -> Result<(), Failure> {
        let text = match self.format {
            Format::Table => table(),
            Format::Json => json(value)?,
            Format::Yaml => yaml(value)?,
        };
        self.write(&text)
    }

    /// Writes several documents: one list in JSON, one stream in YAML.
    pub fn documents(
        &mut self,
        list: &impl Serialize,
        documents: &[serde_json::Value],
        table: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.format != Format::Yaml {
            return self.answer(list, table);
        }
        let documents: Vec<String> = documents.iter().map(yaml).collect::<Result<_, _>>()?;
        self.write(&documents.join("---\n"))
    }

    /// Writes a text as it is, whatever the format.
    pub fn write(&mut self, text: &str) -> Result<(), Failure> {
        let line_end = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        write!(self.out, "{text}{line_end}")
            .and_then(|()| self.out.flush())
            .map_err(Failure::Output)
    }

    /// Writes a message for people. A terminal that is gone is no reason to stop.
    pub fn note(&mut self, message: impl Display) {
        let _ = writeln!(self.err, "{message}");
    }

    /// Whether answers are for people.
    pub const fn is_for_people(&self) -> bool {
        matches!(self.format, Format::Table)
    }
}

/// Pretty-printed JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::Output(error.into()))
}

/// YAML.
pub(crate) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    serde_saphyr::to_string(value).map_err(|error| Failure::Output(std::io::Error::other(error)))
}
