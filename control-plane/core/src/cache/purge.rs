//! Purges: cached answers that are to go.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use weir_http_cache::url_under;
use weir_policy::document::cache_policy::key::CacheKeySpec;
use weir_policy::document::{Identity, Kind, Spec};
use weir_policy::name::Name;
use weir_policy::problem::{Problem, Problems};
use weir_policy::proxy::{CachePurge, Notice, Purged};

use super::dependency::{MAX_EXPANDED, MAX_EXPANDED_BYTES};
use super::text;
use crate::event::{Change, Revision};
use crate::refusal::Refusal;
use crate::state::State;

/// The most tags, URLs or prefixes of one request.
pub const MAX_TARGETS: usize = 256;
/// The fields of a request of which it has one.
const FIELDS: &str = "one of all, tags, urls, prefixes";

/// Which cached answers are to go: all, or those of one list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PurgeRequest {
    /// Whose proxies.
    #[serde(default = "Name::default_namespace")]
    pub namespace: Name,
    /// One CachePolicy; absent: every one of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Name>,
    /// They are stale at once, not gone: where the policy allows it, they are served while a fresh one is fetched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub soft: bool,
    /// All.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Those with one of these tags, or with one that depends on one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Those of these URLs, all variants: `shop.example/products?page=2`; a scheme may stand before them, and makes no
    /// difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<Vec<String>>,
    /// Those whose URL begins with one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Vec<String>>,
}

/// How much a purge is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgeScope {
    /// How many tags (those that depend on them included), URLs or prefixes; 1 where it is for everything; 0: it is for
    /// nothing, and nothing was done.
    pub count: usize,
    /// It is for everything of the policy, or of the namespace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub everything: bool,
    /// Why it is for more than was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What came of a purge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgeDone {
    /// The event's revision; of a purge for nothing, the store's.
    pub revision: Revision,
    /// How much it is for.
    #[serde(flatten)]
    pub scope: PurgeScope,
    /// How many connected proxies of the namespace keep answers.
    pub proxies: usize,
}

/// How far a purge has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgeProgress {
    /// How many connected proxies of the namespace keep answers.
    pub proxies: usize,
    /// How many of them know of it, and have come back to ask for more.
    pub learned: usize,
}

impl PurgeRequest {
    /// Whether the request can be meant: one list, not too long, of texts that can be what they say they are.
    pub fn check(&self) -> Result<(), Vec<Problem>> {
        self.purged().map(drop)
    }

    /// What is purged, before dependencies.
    fn purged(&self) -> Result<Purged, Vec<Problem>> {
        let (urls, prefixes) = (&self.urls, &self.prefixes);
        let given = [
            ("all", self.all),
            ("tags", self.tags.is_some()),
            ("urls", urls.is_some()),
            ("prefixes", prefixes.is_some()),
        ];
        let mut given = given
            .iter()
            .filter(|(_, is_given)| *is_given)
            .map(|(field, _)| *field);
        let mut problems = Problems::default();
        let first = given.next();
        for second in given {
            let detail = format!("stands beside {}: expected {FIELDS}", first.unwrap_or_default());
            problems.note_at(second, "several_targets", detail);
        }
        let mut read = |field, texts: &Option<Vec<String>>, read| {
            let texts = texts.as_deref().unwrap_or_default();
            list(field, texts, read, &mut problems)
        };
        let purged = match first {
            Some("all") => Purged::All,
            Some("tags") => Purged::Tags(read("tags", &self.tags, text::tag)),
            Some("urls") => Purged::Urls(read("urls", urls, text::url)),
            Some(_) => Purged::Prefixes(read("prefixes", prefixes, text::prefix)),
            None => {
                problems.note("no_target", format!("expected {FIELDS}"));
                Purged::Tags(Vec::new())
            }
        };
        match problems.into_vec() {
            found if found.is_empty() => Ok(purged),
            found => Err(found),
        }
    }
}

/// Every text once.
fn list(
    field: &str,
    texts: &[String],
    read: fn(&str) -> Result<String, String>,
    problems: &mut Problems,
) -> Vec<String> {
    let mut good = BTreeSet::new();
    problems.within(field, |problems| {
        if texts.len() > MAX_TARGETS {
            let detail = format!("{} {field}: expected at most {MAX_TARGETS}", texts.len());
            return problems.note("too_many_targets", detail);
        }
        for (index, text) in texts.iter().enumerate() {
            match read(text) {
                Ok(text) => drop(good.insert(text)),
                Err(detail) => problems.note_at(index, "invalid_target", detail),
            }
        }
    });
    good.into_iter().collect()
}

impl State {
    /// What a purge comes to: a notice to the proxies of the namespace, or none where it is for nothing.
    pub fn plan_purge(&self, request: &PurgeRequest) -> Result<(Vec<Change>, PurgeScope), Refusal> {
        let purged = request.purged().map_err(Refusal::Unfit)?;
        let policy = request
            .policy
            .as_ref()
            .map(|policy| self.known(&request.namespace, policy));
        let (what, scope) = self.expanded(request, purged);
        let notice = Notice::CachePurge(CachePurge {
            policy: policy.transpose()?,
            soft: request.soft,
            what,
        });
        let change = Change::Notice {
            namespace: request.namespace.clone(),
            notice,
        };
        let changes = if scope.count == 0 {
            Vec::new()
        } else {
            vec![change]
        };
        Ok((changes, scope))
    }

    /// `<namespace>/<name>` of a CachePolicy that is there.
    fn known(&self, namespace: &Name, policy: &Name) -> Result<String, Refusal> {
        let identity = Identity {
            kind: Kind::CachePolicy,
            namespace: namespace.clone(),
            name: policy.clone(),
        };
        match self.get(&identity) {
            Some(_) => Ok(format!("{namespace}/{policy}")),
            None => Err(Refusal::NotFound(identity)),
        }
    }

    /// With what depends on it, and the forms that URLs have in caches. More than can be told to proxies is everything: nothing
    /// stale is left.
    fn expanded(&self, request: &PurgeRequest, purged: Purged) -> (Purged, PurgeScope) {
        let named = |list: &[String]| PurgeScope {
            count: list.len(),
            ..PurgeScope::default()
        };
        match purged {
            Purged::All => (Purged::All, everything(None)),
            Purged::Tags(tags) => match self.dependencies.expanded(&request.namespace, &tags) {
                Some(tags) => (Purged::Tags(tags.clone()), named(&tags)),
                None => (Purged::All, everything(Some(too_many()))),
            },
            Purged::Urls(urls) => {
                let scope = named(&urls);
                let forms = self.forms(request, urls);
                if forms.iter().map(String::len).sum::<usize>() > MAX_EXPANDED_BYTES {
                    return (Purged::All, everything(Some(too_many_forms())));
                }
                (Purged::Urls(forms), scope)
            }
            Purged::Prefixes(prefixes) => {
                let scope = named(&prefixes);
                (Purged::Prefixes(prefixes), scope)
            }
        }
    }

    /// The URLs, and what they are under policies that leave out parameters of a query, or sort them.
    fn forms(&self, request: &PurgeRequest, urls: Vec<String>) -> Vec<String> {
        let policies = self.of_kind(&request.namespace, Kind::CachePolicy);
        let meant = policies.filter(|(identity, _)| {
            request
                .policy
                .as_ref()
                .is_none_or(|policy| *policy == identity.name)
        });
        let keys: Vec<&CacheKeySpec> = meant
            .filter_map(|(_, stored)| match &stored.document.spec {
                Spec::CachePolicy(spec) => Some(&spec.key),
                _ => None,
            })
            .collect();
        let form = |url: &String, key: &CacheKeySpec| {
            String::from_utf8(url_under(url, &key.query, key.sort_query)).ok()
        };
        let mut forms: BTreeSet<String> = keys
            .iter()
            .flat_map(|key| urls.iter().filter_map(|url| form(url, key)))
            .collect();
        forms.extend(urls);
        forms.into_iter().collect()
    }
}

fn everything(detail: Option<String>) -> PurgeScope {
    PurgeScope {
        count: 1,
        everything: true,
        detail,
    }
}

fn too_many_forms() -> String {
    "the policies of the namespace know these URLs in too many forms: everything is purged instead".to_owned()
}

fn too_many() -> String {
    format!("more than {MAX_EXPANDED} tags, or too long ones, depend on these: everything is purged instead")
}
