//! Dependencies between tags: what is purged with a tag.
//!
//! `investigation:123` depends on `entity:456`: who purges `entity:456` purges `investigation:123` too, and what depends
//! on that. Cycles are harmless.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_policy::name::Name;
use weir_policy::problem::{Problem, Problems};

use super::text;
use crate::event::Change;
use crate::refusal::Refusal;
use crate::state::State;

/// The most tags on which one depends.
pub const MAX_DEPENDENCIES: usize = 256;
/// The most dependencies of all namespaces together.
pub const MAX_EDGES: usize = 100_000;
/// The most tags of one purge, with those that depend on them.
pub const MAX_EXPANDED: usize = 10_000;
/// The most bytes of them.
pub(super) const MAX_EXPANDED_BYTES: usize = 1 << 20;

/// On what a tag depends, and what depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagDependencies {
    /// The tag.
    pub tag: String,
    /// Whoever purges one of these purges the tag too.
    pub depends_on: Vec<String>,
    /// These are purged with the tag, and what depends on them.
    pub dependents: Vec<String>,
}

/// What is to become of a tag's dependencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyChange {
    /// Whose tag.
    pub namespace: Name,
    /// The tag.
    pub tag: String,
    /// On what it depends from now on; none: they are deleted, and must be there.
    pub depends_on: Option<Vec<String>>,
}

/// The dependencies of every namespace. A copy shares what does not change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Dependencies {
    by_namespace: BTreeMap<Name, Arc<Graph>>,
}

type Tags = BTreeSet<Arc<str>>;

/// Both ways, of one namespace. A copy shares the sets.
#[derive(Clone, Debug, Default, PartialEq)]
struct Graph {
    depends_on: BTreeMap<Arc<str>, Arc<Tags>>,
    dependents: BTreeMap<Arc<str>, Arc<Tags>>,
    edges: usize,
}

static NONE: Tags = Tags::new();

impl Graph {
    fn set(&mut self, tag: &str, depends_on: &[String]) {
        let tag: Arc<str> = tag.into();
        for former in self.depends_on.remove(&tag).unwrap_or_default().iter() {
            self.edges -= 1;
            self.leave(former, &tag);
        }
        let depends_on: Tags = depends_on.iter().map(|other| self.shared(other)).collect();
        for other in &depends_on {
            let dependents = self.dependents.entry(Arc::clone(other)).or_default();
            Arc::make_mut(dependents).insert(Arc::clone(&tag));
        }
        self.edges += depends_on.len();
        if !depends_on.is_empty() {
            self.depends_on.insert(tag, Arc::new(depends_on));
        }
    }

    /// `tag` depends on `former` no more.
    fn leave(&mut self, former: &str, tag: &str) {
        let is_last = self.dependents.get_mut(former).is_some_and(|dependents| {
            let dependents = Arc::make_mut(dependents);
            dependents.remove(tag);
            dependents.is_empty()
        });
        if is_last {
            self.dependents.remove(former);
        }
    }

    /// The text of a tag that others depend on is kept once.
    fn shared(&self, tag: &str) -> Arc<str> {
        let known = self.dependents.get_key_value(tag);
        known.map_or_else(|| tag.into(), |(tag, _)| Arc::clone(tag))
    }

    fn depends_on(&self, tag: &str) -> &Tags {
        self.depends_on.get(tag).map_or(&NONE, Arc::as_ref)
    }

    fn dependents(&self, tag: &str) -> &Tags {
        self.dependents.get(tag).map_or(&NONE, Arc::as_ref)
    }

    fn describe(&self, tag: &str) -> TagDependencies {
        let texts = |tags: &Tags| tags.iter().map(ToString::to_string).collect();
        TagDependencies {
            tag: tag.to_owned(),
            depends_on: texts(self.depends_on(tag)),
            dependents: texts(self.dependents(tag)),
        }
    }
}

impl Dependencies {
    pub(crate) fn set(&mut self, namespace: &Name, tag: &str, depends_on: &[String]) {
        let graph = self.by_namespace.entry(namespace.clone()).or_default();
        Arc::make_mut(graph).set(tag, depends_on);
        if graph.edges == 0 {
            self.by_namespace.remove(namespace);
        }
    }

    /// The tags and everything that depends on them, or none where that is too much.
    pub(super) fn expanded(&self, namespace: &Name, tags: &[String]) -> Option<Vec<String>> {
        let mut found: BTreeSet<&str> = tags.iter().map(String::as_str).collect();
        let mut bytes: usize = found.iter().map(|tag| tag.len()).sum();
        let mut next: Vec<&str> = found.iter().copied().collect();
        let graph = self.by_namespace.get(namespace);
        while let (Some(graph), Some(tag)) = (graph, next.pop()) {
            for dependent in graph.dependents(tag) {
                if found.insert(dependent) {
                    next.push(dependent);
                    bytes += dependent.len();
                }
            }
            if found.len() > MAX_EXPANDED || bytes > MAX_EXPANDED_BYTES {
                return None;
            }
        }
        Some(found.into_iter().map(str::to_owned).collect())
    }

    fn edges(&self) -> usize {
        self.by_namespace.values().map(|graph| graph.edges).sum()
    }
}

impl State {
    /// What is known of a tag's dependencies; none: nothing is.
    pub fn tag_dependencies(&self, namespace: &Name, tag: &str) -> Option<TagDependencies> {
        let known = self.dependencies.by_namespace.get(namespace)?.describe(tag);
        let is_known = !(known.depends_on.is_empty() && known.dependents.is_empty());
        is_known.then_some(known)
    }

    /// Every tag of a namespace that depends on others, in their order.
    pub fn all_dependencies(&self, namespace: &Name) -> Vec<TagDependencies> {
        let graph = self.dependencies.by_namespace.get(namespace);
        graph.map_or_else(Vec::new, |graph| {
            graph.depends_on.keys().map(|tag| graph.describe(tag)).collect()
        })
    }

    /// What a change of dependencies comes to: one event, or none where everything is so already.
    pub fn plan_dependencies(&self, change: &DependencyChange) -> Result<Vec<Change>, Refusal> {
        let DependencyChange { namespace, tag, .. } = change;
        let known = self
            .tag_dependencies(namespace, tag)
            .map(|known| known.depends_on);
        let known = known.unwrap_or_default();
        let wanted = match &change.depends_on {
            Some(wanted) => checked(tag, wanted).map_err(Refusal::Unfit)?,
            None if known.is_empty() => {
                return Err(Refusal::NoDependencies {
                    namespace: namespace.clone(),
                    tag: tag.clone(),
                });
            }
            None => Vec::new(),
        };
        let edges = self.dependencies.edges() - known.len() + wanted.len();
        if edges > MAX_EDGES {
            let detail = format!("{edges} dependencies in all: expected at most {MAX_EDGES}");
            let problem = Problem::new("too_many_dependencies", "/dependsOn", detail);
            return Err(Refusal::Unfit(vec![problem]));
        }
        let event = Change::CacheDependencies {
            namespace: namespace.clone(),
            tag: tag.clone(),
            depends_on: wanted.clone(),
        };
        Ok(if wanted == known { Vec::new() } else { vec![event] })
    }
}

/// Every tag once, in their order.
fn checked(tag: &str, depends_on: &[String]) -> Result<Vec<String>, Vec<Problem>> {
    let mut problems = Problems::default();
    if let Err(detail) = text::tag(tag) {
        problems.note("invalid_tag", detail);
    }
    let tags: BTreeSet<&String> = depends_on.iter().collect();
    problems.within("dependsOn", |problems| {
        if tags.len() > MAX_DEPENDENCIES {
            let detail = format!("{} tags: expected at most {MAX_DEPENDENCIES}", tags.len());
            return problems.note("too_many_dependencies", detail);
        }
        for (index, other) in depends_on.iter().enumerate() {
            if let Err(detail) = text::tag(other) {
                problems.note_at(index, "invalid_tag", detail);
            }
        }
    });
    match problems.into_vec() {
        found if found.is_empty() => Ok(tags.into_iter().cloned().collect()),
        found => Err(found),
    }
}
