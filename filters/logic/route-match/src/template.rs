//! Path templates, as Envoy's `uri_template` matcher reads them.

use std::fmt;

use weir_policy::matching::{is_pchar, template_variables};

/// `/users/{id}/*/**`: `{name}` and `*` take one segment that is not empty, a last `**` takes the rest.
///
/// As in Envoy, the `/` before `**` belongs to the template: `/users/**` takes `/users/` and `/users/a/b`, not `/users`.
/// What a variable, `*` or `**` takes consists of the characters of RFC 3986 `pchar`; a path with others has to
/// percent-encode them.
#[derive(Clone, Debug)]
pub struct PathTemplate {
    segments: Vec<Segment>,
    rest: bool,
}

#[derive(Clone, Debug)]
enum Segment {
    Literal(Box<[u8]>),
    Any,
    Variable(Box<str>),
}

/// Where a variable stands in its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable(usize);

/// Why a text is not a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError(String);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TemplateError {}

impl PathTemplate {
    /// Compiles `template`; refuses what Envoy would refuse.
    pub fn try_new(template: &str) -> Result<Self, TemplateError> {
        template_variables(template).map_err(TemplateError)?;
        let mut texts: Vec<&str> = template.split('/').skip(1).collect();
        let rest = texts.last() == Some(&"**");
        if rest {
            texts.pop();
        }
        let segments = texts.into_iter().map(Segment::new).collect();
        Ok(Self { segments, rest })
    }

    /// Where the variable `name` stands.
    pub fn variable(&self, name: &str) -> Option<Variable> {
        let is_it = |segment: &Segment| matches!(segment, Segment::Variable(known) if **known == *name);
        self.segments.iter().position(is_it).map(Variable)
    }

    /// Whether the template takes the whole of `path` (without query).
    pub fn matches(&self, path: &[u8]) -> bool {
        self.walk(path, None).is_some()
    }

    /// What `variable` takes of `path` (without query), not yet percent-decoded, if the template matches.
    pub fn capture<'p>(&self, path: &'p [u8], variable: Variable) -> Option<&'p [u8]> {
        self.walk(path, Some(variable))
    }

    /// The segment at `wanted` (or nothing), if the template matches.
    fn walk<'p>(&self, path: &'p [u8], wanted: Option<Variable>) -> Option<&'p [u8]> {
        let mut left = Some(path.strip_prefix(b"/")?);
        let mut found: &[u8] = &[];
        for (index, segment) in self.segments.iter().enumerate() {
            let (text, rest) = next_segment(left?);
            if !segment.takes(text) {
                return None;
            }
            if wanted == Some(Variable(index)) {
                found = text;
            }
            left = rest;
        }
        let whole = match left {
            Some(rest) => self.rest && rest.iter().all(|byte| is_pchar(*byte) || *byte == b'/'),
            None => !self.rest,
        };
        whole.then_some(found)
    }
}

impl Segment {
    /// A segment of a template that was checked.
    fn new(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Self::Variable(name.into()),
            None if text == "*" => Self::Any,
            None => Self::Literal(text.as_bytes().into()),
        }
    }

    fn takes(&self, text: &[u8]) -> bool {
        match self {
            Self::Literal(literal) => **literal == *text,
            Self::Any | Self::Variable(_) => !text.is_empty() && text.iter().copied().all(is_pchar),
        }
    }
}

/// The text up to the next `/`, and what follows that `/`.
fn next_segment(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match path.iter().position(|byte| *byte == b'/') {
        Some(slash) => {
            let (text, rest) = path.split_at(slash);
            (text, rest.get(1..))
        }
        None => (path, None),
    }
}
