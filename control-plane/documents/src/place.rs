//! Where in a file the values of its documents stand.
//!
//! A second walk over the file, by the parser that read it, made only when a problem is to be shown.

use std::collections::BTreeMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};
use weir_policy::problem::escape;

/// Line and column, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// The places of one document's values, by JSON pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<String, Place>);

/// The places of every document's values, in the order of the documents; empty documents don't count.
pub(crate) fn places(text: &str) -> Vec<Places> {
    let mut documents = Vec::new();
    let mut walk = Walk::default();
    // The text was read before, so that an error can't come; if one did, what was found so far still serves.
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        match event {
            Event::DocumentStart(..) => walk = Walk::default(),
            Event::DocumentEnd if !walk.is_null => documents.push(std::mem::take(&mut walk.found)),
            _ => walk.step(&event, span),
        }
    }
    documents
}

impl Places {
    /// The place of the value at `pointer`, or of the innermost value around it that stands in the file: a field that
    /// is missing, has its default, or comes in through an alias has no place of its own.
    pub fn nearest(&self, pointer: &str) -> Option<Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.0.get(pointer) {
                return Some(*place);
            }
            pointer = pointer.rsplit_once('/')?.0;
        }
    }
}

/// A collection that the walk is inside of.
struct Open {
    pointer: String,
    inside: Inside,
}

enum Inside {
    /// The next item's index.
    Sequence(usize),
    /// The key whose value comes next; none: a key comes next.
    Mapping(Option<String>),
}

#[derive(Default)]
struct Walk {
    open: Vec<Open>,
    found: Places,
    is_null: bool,
}

impl Walk {
    fn step(&mut self, event: &Event<'_>, span: Span) {
        match event {
            Event::Scalar(text, style, _, tag) => {
                let null = match tag {
                    Some(tag) => tag.core_suffix() == Some("null"),
                    None => is_null(text, *style),
                };
                self.is_null = null && self.open.is_empty();
                self.node(span, Some(text));
            }
            Event::Alias(_) => drop(self.node(span, None)),
            Event::SequenceStart(..) => self.enter(span, Inside::Sequence(0)),
            Event::MappingStart(..) => self.enter(span, Inside::Mapping(None)),
            Event::SequenceEnd | Event::MappingEnd => drop(self.open.pop()),
            _ => {}
        }
    }

    fn enter(&mut self, span: Span, inside: Inside) {
        let pointer = self.node(span, None);
        self.open.push(Open { pointer, inside });
    }

    /// Notes the place of a value; a key is kept for the value that follows. The pointer of what comes now.
    fn node(&mut self, span: Span, key: Option<&str>) -> String {
        let pointer = match self.open.last_mut() {
            None => String::new(),
            Some(Open {
                pointer,
                inside: Inside::Sequence(next),
            }) => {
                *next += 1;
                format!("{pointer}/{}", *next - 1)
            }
            Some(Open {
                pointer,
                inside: Inside::Mapping(pending),
            }) => match pending.take() {
                Some(key) => format!("{pointer}/{key}"),
                None => {
                    *pending = Some(escape(key.unwrap_or_default()));
                    return pointer.clone();
                }
            },
        };
        let place = Place {
            line: span.start.line(),
            column: span.start.col() + 1,
        };
        self.found.0.insert(pointer.clone(), place);
        pointer
    }
}

/// What YAML 1.2's core schema takes for null.
fn is_null(text: &str, style: ScalarStyle) -> bool {
    style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL")
}
