//! Problems of documents, with the places in the files that they were read from.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use weir_core::refusal::DocumentProblem;

use crate::load::{LoadedDocument, SourceFile};
use crate::place::{self, Places};

/// A problem and where it stands. Written `file:line:column: /pointer: detail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocatedProblem {
    /// The file; none when the problem is not about a document of a file.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    /// What and where in the document.
    #[serde(flatten)]
    pub problem: DocumentProblem,
}

impl fmt::Display for LocatedProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(f, "{line}:{column}:")?;
            }
            write!(f, " ")?;
        }
        write!(f, "{}", self.problem.problem)
    }
}

/// Finds each problem's place. `problems[].document` counts through `loaded`.
pub fn locate(problems: &[DocumentProblem], loaded: &[LoadedDocument]) -> Vec<LocatedProblem> {
    let mut files = Files::default();
    problems
        .iter()
        .map(|problem| files.locate(problem, loaded))
        .collect()
}

/// Each problem with its place, one a line.
pub fn describe(problems: &[DocumentProblem], loaded: &[LoadedDocument]) -> String {
    let lines: Vec<String> = locate(problems, loaded).iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The places of files, each walked once.
#[derive(Default)]
struct Files {
    walked: HashMap<*const SourceFile, Vec<Places>>,
}

impl Files {
    fn locate(&mut self, problem: &DocumentProblem, loaded: &[LoadedDocument]) -> LocatedProblem {
        let source = loaded.get(problem.document).map(|document| &document.source);
        let place = source.and_then(|source| {
            let walked = self
                .walked
                .entry(Arc::as_ptr(&source.file))
                .or_insert_with(|| place::places(&source.file.text));
            let pointer = format!("{}{}", source.pointer, problem.problem.pointer);
            walked.get(source.index)?.nearest(&pointer)
        });
        LocatedProblem {
            file: source.map(|source| source.file.name.clone()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            problem: problem.clone(),
        }
    }
}
