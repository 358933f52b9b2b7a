//! The key: which requests have the same answer.

use serde::{Deserialize, Serialize};

use crate::document::names::{check_fields, check_names};
use crate::problem::Problems;

/// Which requests have the same answer: those for the same host and path, and all of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CacheKeySpec {
    /// Clients with different keys of the Gateway's ShardMaps share answers. Else the key by which a request is sharded is
    /// part of its cache key.
    #[serde(default)]
    pub shared_across_keys: bool,
    /// Another number is another cache: what was stored under the former is gone at once.
    #[serde(default = "one")]
    pub version: u32,
    /// The parameters of the query that are part of it.
    #[serde(default)]
    pub query: QueryParameters,
    /// Parameters in another order are the same.
    #[serde(default)]
    pub sort_query: bool,
    /// Request headers that are part of it, lower-case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// For a GraphQL endpoint; absent: it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphql: Option<GraphQl>,
}

/// Which parameters of the query count. Names are compared as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum QueryParameters {
    /// All. `all`
    #[default]
    All,
    /// These. `{only: [page, size]}`
    Only(Vec<String>),
    /// All but these; a name that ends with `*` stands for all that begin so. `{except: [utm_*]}`
    Except(Vec<String>),
}

/// A GraphQL endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GraphQl {
    /// Only GET requests for a persisted query are cached: those with `extensions.persistedQuery.sha256Hash`.
    #[serde(default = "yes")]
    pub persisted_queries: bool,
}

const fn one() -> u32 {
    1
}

const fn yes() -> bool {
    true
}

impl Default for CacheKeySpec {
    fn default() -> Self {
        Self {
            shared_across_keys: false,
            version: 1,
            query: QueryParameters::All,
            sort_query: false,
            headers: Vec::new(),
            graphql: None,
        }
    }
}

impl CacheKeySpec {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.within("query", |problems| match &self.query {
            QueryParameters::All => {}
            QueryParameters::Only(names) => check_names(names, "only", problems, check_parameter),
            QueryParameters::Except(names) => check_names(names, "except", problems, |name, problems| {
                check_parameter(name.strip_suffix('*').unwrap_or(name), problems);
            }),
        });
        check_fields(&self.headers, "headers", problems);
    }
}

fn check_parameter(name: &str, problems: &mut Problems) {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"&=#*".contains(&byte);
    if name.is_empty() || !name.bytes().all(fits) {
        let detail = format!(
            "{name:?} is not a parameter's name as it stands in a query: expected visible characters but \"&\", \"=\", \"#\" \
             and, but for the end of what `except` names, \"*\""
        );
        problems.note("invalid_parameter", detail);
    }
}
