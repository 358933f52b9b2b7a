//! The state: what all events so far amount to.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use weir_policy::document::{Document, Identity, Kind};
use weir_policy::name::Name;
use weir_policy::problem::Problem;
use weir_policy::proxy::Notice;

use crate::cache::{CdnBacklogs, CdnSettled, Dependencies, WarmRuns};
use crate::event::{Change, Event, Revision};
use crate::node::GatewayRef;
use crate::notice::Notices;

/// A document and the revision of its last change.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The document, without `metadata.revision`.
    pub document: Arc<Document>,
    /// The revision of its last change.
    pub revision: Revision,
}

/// What a change of a policy concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// One Gateway.
    Gateway(GatewayRef),
    /// Every Gateway of a namespace.
    Namespace(Name),
}

/// What all events so far amount to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    revision: Revision,
    documents: BTreeMap<Identity, Stored>,
    /// Gateways that were deleted and not created again.
    gone: BTreeMap<GatewayRef, Revision>,
    /// The revision of the last change that concerns a scope's slots. It only grows, deletions included, so that a
    /// slot's generation grows and is the same on every replica.
    touched: BTreeMap<Scope, Revision>,
    /// The revision of the last change of a document.
    documents_revision: Revision,
    pub(crate) notices: Notices,
    pub(crate) dependencies: Dependencies,
    pub(crate) cdn_backlogs: CdnBacklogs,
    pub(crate) warm_runs: WarmRuns,
}

/// A stored event that this release can't read.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The document in the event isn't valid any more.
    #[error("event {revision}: {identity} can't be read: {}", first(problems))]
    Document {
        /// The event's.
        revision: Revision,
        /// Which document.
        identity: Identity,
        /// What is wrong with it.
        problems: Vec<Problem>,
    },
    /// Events are missing or doubled.
    #[error("event {found} follows event {last}: the store is damaged")]
    Gap {
        /// The last event taken.
        last: Revision,
        /// The event that came.
        found: Revision,
    },
}

fn first(problems: &[Problem]) -> String {
    problems.first().map(ToString::to_string).unwrap_or_default()
}

impl State {
    /// The revision of the last event.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The revision of the last change of a document: what is derived from documents only is the same since.
    pub const fn documents_revision(&self) -> Revision {
        self.documents_revision
    }

    /// One document.
    pub fn get(&self, identity: &Identity) -> Option<&Stored> {
        self.documents.get(identity)
    }

    /// Every document, by kind, namespace and name.
    pub fn documents(&self) -> impl Iterator<Item = (&Identity, &Stored)> {
        self.documents.iter()
    }

    /// Every document of a namespace and kind.
    pub fn of_kind<'a>(
        &'a self,
        namespace: &'a Name,
        kind: Kind,
    ) -> impl Iterator<Item = (&'a Identity, &'a Stored)> {
        self.documents
            .iter()
            .filter(move |(identity, _)| identity.kind == kind && &identity.namespace == namespace)
    }

    /// Every Gateway.
    pub fn gateways(&self) -> impl Iterator<Item = GatewayRef> {
        self.documents.keys().filter_map(gateway_ref)
    }

    /// Whether a Gateway was deleted and not created again.
    pub fn is_gone(&self, gateway: &GatewayRef) -> bool {
        self.gone.contains_key(gateway)
    }

    /// The generation of a Gateway's slots: the revision of the last change that concerns them.
    pub fn generation(&self, gateway: &GatewayRef) -> Revision {
        let of = |scope: &Scope| self.touched.get(scope).copied().unwrap_or_default();
        of(&Scope::Gateway(gateway.clone())).max(of(&Scope::Namespace(gateway.namespace.clone())))
    }

    /// Takes the next event in.
    pub fn apply(&mut self, event: &Event) -> Result<(), ReplayError> {
        if event.revision != self.revision + 1 {
            return Err(ReplayError::Gap {
                last: self.revision,
                found: event.revision,
            });
        }
        match &event.change {
            Change::Put { identity, document } => {
                let document = read(event.revision, identity, document)?;
                self.replace(identity, Some(document), event.revision);
            }
            Change::Delete { identity } => self.replace(identity, None, event.revision),
            Change::Notice { namespace, notice } => {
                self.take_notice(event, namespace, notice);
                self.notices
                    .push(event.revision, namespace.clone(), notice.clone());
            }
            Change::CacheDependencies {
                namespace,
                tag,
                depends_on,
            } => self.dependencies.set(namespace, tag, depends_on),
            Change::CdnSettled {
                policy,
                revision,
                outcome,
            } => {
                let settled = CdnSettled::new(event, *revision, *outcome);
                self.cdn_backlogs.settle(policy, settled);
            }
        }
        self.revision = event.revision;
        Ok(())
    }

    /// What a notice is to others than proxies.
    fn take_notice(&mut self, event: &Event, namespace: &Name, notice: &Notice) {
        match notice {
            Notice::CachePurge(purge) => {
                let policies = self.cdns_of(namespace, purge);
                self.cdn_backlogs.purged(policies, event.revision, purge);
            }
            Notice::CacheWarm(warm) => self.warm_runs.warmed(event, warm),
            Notice::QuotaReset(_) => {}
        }
    }

    /// Puts a document in place, or takes it out.
    pub(crate) fn replace(&mut self, identity: &Identity, document: Option<Document>, revision: Revision) {
        self.documents_revision = revision;
        self.cdn_backlogs.replaced(identity, document.as_ref());
        if document.is_none() {
            self.warm_runs.forget(identity);
        }
        let old = self.documents.remove(identity);
        let new = document.map(|document| Stored {
            document: Arc::new(document),
            revision,
        });
        for stored in old.iter().chain(&new) {
            self.touch(&stored.document, revision);
        }
        if let Some(gateway) = gateway_ref(identity) {
            match new {
                Some(_) => self.gone.remove(&gateway),
                None => self.gone.insert(gateway, revision),
            };
        }
        if let Some(stored) = new {
            self.documents.insert(identity.clone(), stored);
        }
    }

    fn touch(&mut self, document: &Document, revision: Revision) {
        for scope in scopes(document) {
            self.touched.insert(scope, revision);
        }
    }
}

fn read(revision: Revision, identity: &Identity, document: &Value) -> Result<Document, ReplayError> {
    Document::from_value(document.clone()).map_err(|problems| ReplayError::Document {
        revision,
        identity: identity.clone(),
        problems,
    })
}

/// Whose slots a document is part of.
fn scopes(document: &Document) -> Vec<Scope> {
    let namespace = &document.metadata.namespace;
    let gateway = |name: &Name| {
        Scope::Gateway(GatewayRef {
            namespace: namespace.clone(),
            name: name.clone(),
        })
    };
    let targets = document.target_refs();
    match document.kind() {
        Kind::Gateway => vec![gateway(&document.metadata.name)],
        kind if !kind.attaches() => Vec::new(),
        _ if targets.is_empty() => vec![Scope::Namespace(namespace.clone())],
        _ => targets.iter().map(|target| gateway(&target.name)).collect(),
    }
}

fn gateway_ref(identity: &Identity) -> Option<GatewayRef> {
    (identity.kind == Kind::Gateway).then(|| GatewayRef {
        namespace: identity.namespace.clone(),
        name: identity.name.clone(),
    })
}
