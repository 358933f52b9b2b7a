//! Which requests a policy or a route is for: host, path, methods, headers.

use serde::{Deserialize, Serialize};

use crate::problem::Problems;

/// Conditions on one request; all that are present must hold. No condition matches every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestMatch {
    /// Host without port, compared case-insensitively: exact (`api.example.com`) or all hosts below a domain (`*.example.com`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path, without the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// Any of these methods, case-sensitive (RFC 9110 section 9.1); empty: every method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// All of these headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderMatch>,
}

/// A condition on the path, in the order of precedence of Gateway API's path match types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "value", from = "TypedPath")]
#[cfg_attr(feature = "schema", schemars(!from, deny_unknown_fields))]
pub enum PathMatch {
    /// The whole path, byte for byte.
    Exact(String),
    /// `/users/{id}/*/**`: `{name}` and `*` take one segment, a last `**` takes the rest. As in Envoy, the `/` before
    /// `**` belongs to the template: `/users/**` takes `/users/` and `/users/1`, not `/users`.
    Template(String),
    /// Whole segments: `/a` matches `/a` and `/a/b`, not `/ab`.
    Prefix(String),
    /// A regular expression over the whole path.
    RegularExpression(String),
}

/// A [`PathMatch`] as it is written. To read it so takes a tenth of the code that reading a tagged enum takes, which has
/// to keep a value that stands before its type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedPath {
    r#type: PathType,
    value: String,
}

#[derive(Deserialize)]
enum PathType {
    Exact,
    Template,
    Prefix,
    RegularExpression,
}

impl From<TypedPath> for PathMatch {
    fn from(path: TypedPath) -> Self {
        match path.r#type {
            PathType::Exact => Self::Exact(path.value),
            PathType::Template => Self::Template(path.value),
            PathType::Prefix => Self::Prefix(path.value),
            PathType::RegularExpression => Self::RegularExpression(path.value),
        }
    }
}

/// A condition on one request header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderMatch {
    /// Lower-case header name.
    pub name: String,
    /// The exact value; of a repeated header, any of its values. Absent: the header must be present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl RequestMatch {
    /// Notes everything wrong with this match.
    pub fn check(&self, problems: &mut Problems) {
        if let Some(host) = &self.host {
            problems.within("host", |problems| check_host(host, problems));
        }
        if let Some(path) = &self.path {
            problems.within("path", |problems| path.check(problems));
        }
        for (index, method) in self.methods.iter().enumerate() {
            if !is_token(method) {
                problems.within("methods", |problems| {
                    problems.note_at(
                        index,
                        "invalid_method",
                        format!("{method:?} is not an HTTP method (RFC 9110 section 9.1)"),
                    );
                });
            }
        }
        for (index, header) in self.headers.iter().enumerate() {
            problems.within("headers", |problems| {
                problems.within(index, |problems| {
                    problems.within("name", |problems| check_header_name(&header.name, problems));
                });
            });
        }
    }
}

impl PathMatch {
    fn check(&self, problems: &mut Problems) {
        match self {
            Self::Exact(path) | Self::Prefix(path) => check_path(path, problems),
            Self::Template(template) => check_template(template, problems),
            Self::RegularExpression(pattern) => check_regex(pattern, problems),
        }
    }
}

/// Notes what keeps `host` from being an exact host or `*.domain`.
fn check_host(host: &str, problems: &mut Problems) {
    let domain = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if host.len() > 253 || !domain.split('.').all(label) {
        let detail = format!(
            "{host:?} is not a host: expected a name like \"api.example.com\" or \"*.example.com\", without a port"
        );
        problems.note("invalid_host", detail);
    }
}

fn check_path(path: &str, problems: &mut Problems) {
    if !path.starts_with('/') || path.contains(['?', '#']) {
        problems.note_at(
            "value",
            "invalid_path",
            format!("{path:?} is not a path: expected a leading \"/\" and neither \"?\" nor \"#\""),
        );
    }
}

/// The largest repetition that Envoy's RE2 takes.
const MAX_REPETITION: u32 = 1_000;

/// Refuses what the filter can't compile, and what it could but Envoy's RE2 can't.
fn check_regex(pattern: &str, problems: &mut Problems) {
    let detail = if pattern.is_empty() || pattern.len() > 1_024 {
        "expected a pattern of 1 to 1024 characters".to_owned()
    } else if let Err(error) = regex_lite::Regex::new(pattern) {
        format!("not a regular expression: {error}")
    } else if largest_repetition(pattern) > MAX_REPETITION {
        format!(
            "a part is repeated {} times: expected at most {MAX_REPETITION}",
            largest_repetition(pattern)
        )
    } else if has_verbose_flag(pattern) {
        "the flag \"x\" is not known to Envoy".to_owned()
    } else {
        return;
    };
    problems.note_at("value", "invalid_regex", detail);
}

/// How often the most repeated part of a pattern stands in a row: nested repetitions multiply, as RE2 counts them.
fn largest_repetition(pattern: &str) -> u32 {
    let mut groups = vec![1_u32];
    let (mut last, mut largest) = (1_u32, 1_u32);
    let mut rest = pattern.chars();
    while let Some(next) = rest.next() {
        match next {
            '\\' => {
                rest.next();
                last = 1;
            }
            '[' => {
                skip_class(&mut rest);
                last = 1;
            }
            '(' => groups.push(1),
            ')' => last = groups.pop().unwrap_or(1),
            '{' => {
                let bounds: String = rest.by_ref().take_while(|next| *next != '}').collect();
                let bounds = bounds
                    .split(',')
                    .filter_map(|bound| bound.trim().parse::<u32>().ok());
                last = last.saturating_mul(bounds.max().unwrap_or(1).max(1));
            }
            '*' | '+' | '?' | '|' => {}
            _ => last = 1,
        }
        largest = largest.max(last);
        if let Some(group) = groups.last_mut() {
            *group = last.max(*group);
        }
    }
    largest
}

/// To the end of a character class that has begun; a `]` right at its start is literal.
fn skip_class(rest: &mut std::str::Chars<'_>) {
    let mut first = true;
    while let Some(next) = rest.next() {
        match next {
            '\\' => {
                rest.next();
            }
            '^' if first => continue,
            ']' if !first => return,
            _ => {}
        }
        first = false;
    }
}

fn has_verbose_flag(pattern: &str) -> bool {
    let flags = pattern
        .split("(?")
        .skip(1)
        .filter_map(|rest| rest.split([':', ')']).next());
    flags
        .filter(|flags| !flags.starts_with(['P', '<']))
        .any(|flags| flags.contains('x'))
}

/// `pattern`, made to match a whole text.
pub fn whole(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}

/// Notes what keeps `template` from being a path template.
fn check_template(template: &str, problems: &mut Problems) {
    if let Err(detail) = template_variables(template) {
        problems.note_at("value", "invalid_path_template", detail);
    }
}

/// The most variables of one path template (Envoy's limit).
const MAX_VARIABLES: usize = 5;

/// The variables of a path template in their order, or what is wrong with it. Taken is what Envoy's URI template
/// matcher takes too, without its operators inside braces.
pub fn template_variables(template: &str) -> Result<Vec<&str>, String> {
    let Some(rest) = template.strip_prefix('/') else {
        return Err(format!(
            "{template:?} is not a path template: expected a leading \"/\""
        ));
    };
    let segments: Vec<&str> = rest.split('/').collect();
    let last = segments.len() - 1;
    let mut variables = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        if let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            check_variable(name, &variables)?;
            variables.push(name);
        } else {
            check_segment(segment, index == last)?;
        }
    }
    if variables.len() > MAX_VARIABLES {
        return Err(format!(
            "{} variables: expected at most {MAX_VARIABLES}",
            variables.len()
        ));
    }
    Ok(variables)
}

fn check_segment(segment: &str, is_last: bool) -> Result<(), String> {
    match segment {
        "*" => Ok(()),
        "**" if is_last => Ok(()),
        "**" => Err("\"**\" may stand only at the end of a path template".to_owned()),
        "" if is_last => Ok(()),
        "" => Err("a path template has no empty segment but the last".to_owned()),
        _ if segment.bytes().all(|byte| is_pchar(byte) && byte != b'*') => Ok(()),
        _ => Err(format!(
            "segment {segment:?}: expected literal text, \"*\", \"**\" or \"{{name}}\""
        )),
    }
}

/// Whether a byte may be part of a path segment: RFC 3986 `pchar`, with the `%` of percent-encodings.
pub fn is_pchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@".contains(&byte)
}

fn check_variable(name: &str, earlier: &[&str]) -> Result<(), String> {
    let mut bytes = name.bytes();
    let valid = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.len() <= 16;
    if !valid {
        return Err(format!(
            "variable {name:?}: expected a letter, then letters, digits and \"_\", at most 16 in all"
        ));
    }
    if earlier.contains(&name) {
        return Err(format!("variable {name:?} stands twice"));
    }
    Ok(())
}

/// Notes what keeps `name` from being a lower-case header name.
pub fn check_header_name(name: &str, problems: &mut Problems) {
    if !is_token(name) || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        problems.note("invalid_header_name", format!("{name:?} is not a header name: expected lower-case letters, digits and \"-\" (RFC 9110 section 5.1)"));
    }
}

/// RFC 9110 section 5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_repetitions_multiply_and_others_do_not() {
        for (pattern, expected) in [
            ("/a", 1),
            ("/a{7}", 7),
            ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{12}", 12),
            ("([a-z]{1,64}/){1,16}end", 1_024),
            ("((a{3}b){4}c){5,}", 60),
            (r"\{900}[{]{2}[]{9}]{3}(x|y{4}){2}", 8),
            ("(a{40}|b){30}", 1_200),
        ] {
            assert_eq!(largest_repetition(pattern), expected, "{pattern}");
        }
    }
}
