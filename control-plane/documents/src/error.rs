//! Why documents could not be read.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde_saphyr::{RenderOptions, UserMessageFormatter};

/// Why one file could not be read. Written `file:line:column: message`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadError {
    /// The file or folder.
    pub file: String,
    /// From 1; none when the whole file is meant.
    pub line: Option<u64>,
    /// From 1, in characters; none when the whole file is meant.
    pub column: Option<u64>,
    /// What is wrong.
    pub detail: String,
}

/// Everything that could not be read, one a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadErrors(pub Vec<LoadError>);

impl LoadError {
    pub(crate) fn whole(path: &Path, detail: impl Into<String>) -> Self {
        Self {
            file: path.display().to_string(),
            line: None,
            column: None,
            detail: detail.into(),
        }
    }

    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::whole(path, format!("cannot read: {error}"))
    }

    pub(crate) fn malformed(file: &str, error: &serde_saphyr::Error) -> Self {
        let location = error.location();
        Self {
            file: file.to_owned(),
            line: location.map(|location| location.line()),
            column: location.map(|location| location.column()),
            detail: message(error),
        }
    }
}

/// The parser's words, without the place that they end with.
fn message(error: &serde_saphyr::Error) -> String {
    let formatter = UserMessageFormatter;
    let message = error.render_with_options(RenderOptions::new(&formatter));
    let place = error
        .location()
        .map(|at| format!(" at line {}, column {}", at.line(), at.column()));
    let message = match &place {
        Some(place) => message.strip_suffix(place.as_str()).unwrap_or(&message),
        None => &message,
    };
    message.replace('\n', " ")
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for LoadError {}
impl std::error::Error for LoadErrors {}
