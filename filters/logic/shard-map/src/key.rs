//! Where a request's key stands.

use std::borrow::Cow;

use weir_policy::document::key::{KeySource, MAX_SOURCES, PathSource};
use weir_policy::matching::check_header_name;
use weir_policy::problem::{Problem, Problems};
use weir_route_match::{PathTemplate, RequestView, Variable, path_of, query_of};

use crate::percent::{Plus, decode};

/// Reads a request's key from the first source that has one. An empty value is no key.
#[derive(Clone, Debug)]
pub struct KeyReader {
    sources: Vec<Source>,
}

#[derive(Clone, Debug)]
enum Source {
    Header(Box<str>),
    Query(Box<[u8]>),
    Path(PathTemplate, Variable),
}

impl KeyReader {
    /// Compiles `sources`; a problem's pointer is relative to them.
    pub fn try_new(sources: &[KeySource]) -> Result<Self, Problem> {
        if sources.is_empty() || sources.len() > MAX_SOURCES {
            let detail = format!("{} sources: expected 1 to {MAX_SOURCES}", sources.len());
            return Err(Problem::new("invalid_sources", "", detail));
        }
        let compile = |(index, source)| {
            Source::try_new(source).map_err(|problem| Problem {
                pointer: format!("/{index}{}", problem.pointer),
                ..problem
            })
        };
        let sources = sources
            .iter()
            .enumerate()
            .map(compile)
            .collect::<Result<_, _>>()?;
        Ok(Self { sources })
    }

    /// The key of `request`, as bytes: a header's value as it is, a query parameter (the first of its name) and a
    /// path variable percent-decoded.
    pub fn key<'r>(&self, request: &'r (impl RequestView + ?Sized)) -> Option<Cow<'r, [u8]>> {
        let mut keys = self.sources.iter().filter_map(|source| source.key(request));
        keys.find(|key| !key.is_empty())
    }
}

impl Source {
    fn try_new(source: &KeySource) -> Result<Self, Problem> {
        match source {
            KeySource::Header(name) => header(name),
            KeySource::Query(name) if name.is_empty() => Err(Problem::new(
                "empty_name",
                "/query",
                "expected the name of a query parameter",
            )),
            KeySource::Query(name) => Ok(Self::Query(name.as_bytes().into())),
            KeySource::Path(path) => variable(path),
        }
    }

    fn key<'r>(&self, request: &'r (impl RequestView + ?Sized)) -> Option<Cow<'r, [u8]>> {
        match self {
            Self::Header(name) => request.header(name).map(Cow::Borrowed),
            Self::Query(name) => parameter(query_of(request.target()?)?, name),
            Self::Path(template, variable) => {
                let text = template.capture(path_of(request.target()?), *variable)?;
                Some(decode(text, Plus::Literal))
            }
        }
    }
}

fn header(name: &str) -> Result<Source, Problem> {
    let mut problems = Problems::default();
    problems.within("header", |problems| check_header_name(name, problems));
    match problems.into_vec().into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(Source::Header(name.into())),
    }
}

fn variable(path: &PathSource) -> Result<Source, Problem> {
    let invalid = |error: weir_route_match::TemplateError| {
        Problem::new("invalid_path_template", "/path/template", error.to_string())
    };
    let template = PathTemplate::try_new(&path.template).map_err(invalid)?;
    let variable = path.variable().and_then(|name| template.variable(name));
    match variable {
        Some(variable) => Ok(Source::Path(template, variable)),
        None => Err(Problem::new(
            "unknown_variable",
            "/path/variable",
            format!("expected a variable of the template {:?}", path.template),
        )),
    }
}

/// The first parameter `name` of a query, as `application/x-www-form-urlencoded` writes it
/// (WHATWG URL standard section 5.1).
pub fn parameter<'q>(query: &'q [u8], name: &[u8]) -> Option<Cow<'q, [u8]>> {
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let found = halves.next().unwrap_or_default();
        let value = halves.next().unwrap_or_default();
        (*decode(found, Plus::Space) == *name).then(|| decode(value, Plus::Space))
    })
}
