//! Documents from files: YAML and JSON, several in a file, several files, folders.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, Options};

use crate::error::{LoadError, LoadErrors};
use crate::place::{Places, places};

/// The name on the command line that stands for standard input.
const STDIN: &str = "-";

/// One file as it was read.
#[derive(Debug)]
pub struct SourceFile {
    /// As it was named, or `<stdin>`.
    pub name: String,
    pub(crate) text: String,
}

/// Where a document came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The document's position among the file's documents, from 0; empty ones don't count.
    pub index: usize,
    /// JSON pointer to the document within that one: empty, unless it stands inside of another.
    pub pointer: String,
}

/// One document as it stands in a file, not checked yet.
#[derive(Clone, Debug)]
pub struct LoadedDocument {
    /// The document.
    pub value: Value,
    /// Where it came from.
    pub source: Source,
}

impl LoadedDocument {
    /// The document that stands inside of this one at `pointer`; none when nothing does.
    pub fn inner(&self, pointer: &str) -> Option<Self> {
        Some(Self {
            value: self.value.pointer(pointer)?.clone(),
            source: Source {
                pointer: format!("{}{pointer}", self.source.pointer),
                ..self.source.clone()
            },
        })
    }

    /// The places of the values of the file's document, by the pointers within that one.
    pub fn places(&self) -> Places {
        let mut all = places(&self.source.file.text);
        if self.source.index < all.len() {
            all.swap_remove(self.source.index)
        } else {
            Places::default()
        }
    }
}

/// Reads every document of `paths`: files, folders (their `*.yaml`, `*.yml` and `*.json`, by name) or `-` for
/// standard input. A path that is named twice is read once.
///
/// # Errors
/// Everything that can't be read, each with file, line and column where there is one; also a path that holds no
/// document at all.
pub fn load(paths: &[PathBuf]) -> Result<Vec<LoadedDocument>, LoadErrors> {
    let mut documents = Vec::new();
    let mut errors = Vec::new();
    for file in files(paths, &mut errors) {
        match read(&file).and_then(|file| parse(Arc::new(file))) {
            Ok(found) => documents.extend(found),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(documents)
    } else {
        Err(LoadErrors(errors))
    }
}

/// The documents' values, in their order.
pub fn values(documents: &[LoadedDocument]) -> Vec<Value> {
    documents.iter().map(|document| document.value.clone()).collect()
}

fn files(paths: &[PathBuf], errors: &mut Vec<LoadError>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        match expand(path) {
            Ok(found) => files.extend(found),
            Err(error) => errors.push(error),
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    files
}

/// A folder's documents, or the file itself.
fn expand(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    if path.as_os_str() == STDIN || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let fail = |error: std::io::Error| LoadError::unreadable(path, &error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let file = entry.map_err(fail)?.path();
        if holds_documents(&file) {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(LoadError::whole(path, "holds no *.yaml, *.yml or *.json file"));
    }
    Ok(files)
}

fn holds_documents(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json")) && file.is_file()
}

fn read(path: &Path) -> Result<SourceFile, LoadError> {
    if path.as_os_str() == STDIN {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_to_string(&mut text);
        let name = "<stdin>".to_owned();
        return match read {
            Ok(_) => Ok(SourceFile { name, text }),
            Err(error) => Err(LoadError::unreadable(Path::new(&name), &error)),
        };
    }
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(SourceFile { name, text }),
        Err(error) => Err(LoadError::unreadable(path, &error)),
    }
}

/// Reads a file's documents. JSON is read as the YAML that it is (YAML 1.2 section 1.2), so that both have the same
/// limits and the same places.
fn parse(file: Arc<SourceFile>) -> Result<Vec<LoadedDocument>, LoadError> {
    let values: Vec<Value> = serde_saphyr::from_multiple_with_options(&file.text, options())
        .map_err(|error| LoadError::malformed(&file.name, &error))?;
    if values.is_empty() {
        return Err(LoadError::whole(Path::new(&file.name), "holds no document"));
    }
    let located = |(index, value)| LoadedDocument {
        value,
        source: Source {
            file: Arc::clone(&file),
            index,
            pointer: String::new(),
        },
    };
    Ok(values.into_iter().enumerate().map(located).collect())
}

/// What documents may be: every key once, YAML 1.2 booleans, and aliases that can't blow up.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 20_000,
            max_events: 5_000_000,
            max_aliases: 10_000,
            max_depth: 100,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 200_000,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    }
}
