//! The world: the state of the last event, and the views that proxies have of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use tokio::sync::watch;
use weir_core::event::{Event, Revision};
use weir_core::module::ModuleCatalog;
use weir_core::node::NodeKind;
use weir_core::snapshot::{Snapshot, SnapshotSource, View, view};
use weir_core::state::{ReplayError, State};
use weir_core::status::Statuses;

/// One revision of everything; immutable.
#[derive(Debug, Default)]
pub(crate) struct Edition {
    pub(crate) state: State,
    /// The states before with other documents, newest first.
    former: Vec<State>,
    statuses: Arc<OnceLock<Statuses>>,
}

impl Edition {
    /// Where each policy stands; looked up when somebody first asks, so that no push waits for it.
    pub(crate) fn statuses(&self) -> &Statuses {
        self.statuses.get_or_init(|| Statuses::of(&self.state))
    }
}

/// How many states are kept for proxies that come back from one of them, one for each request that changed documents.
const MAX_FORMER: usize = 16;
/// How many kinds of nodes have their view kept.
const MAX_VIEWS: usize = 10_000;

/// What nodes of one kind get, made once for all of them.
#[derive(Debug)]
struct Known {
    /// Of the last change of a document.
    revision: Revision,
    view: View,
    former: Option<Vec<Arc<Snapshot>>>,
}

/// The newest edition, shared by all readers; readers never wait for a writer's work, only for its last assignment.
#[derive(Debug)]
pub(crate) struct World {
    current: RwLock<Arc<Edition>>,
    views: Mutex<BTreeMap<NodeKind, Known>>,
    modules: ModuleCatalog,
    changes: watch::Sender<u64>,
}

impl World {
    /// A world without documents.
    pub(crate) fn new(modules: ModuleCatalog) -> Self {
        Self {
            current: RwLock::default(),
            views: Mutex::default(),
            modules,
            changes: watch::Sender::new(0),
        }
    }

    /// Tells of every new edition.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The newest edition.
    pub(crate) fn current(&self) -> Arc<Edition> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) const fn modules(&self) -> &ModuleCatalog {
        &self.modules
    }

    /// Takes stored events in and tells everyone. One writer at a time. The events of one request were stored at the
    /// same instant; no proxy has seen a state between them.
    pub(crate) fn take(&self, events: &[Event]) -> Result<Revision, ReplayError> {
        let current = self.current();
        let mut state = current.state.clone();
        let mut former = current.former.clone();
        for batch in events.chunk_by(|one, next| one.at_ms == next.at_ms) {
            if batch.iter().any(|event| event.change.identity().is_some()) {
                former.insert(0, state.clone());
                former.truncate(MAX_FORMER);
            }
            for event in batch {
                state.apply(event)?;
            }
        }
        let revision = state.revision();
        let statuses = if state.documents_revision() == current.state.documents_revision() {
            Arc::clone(&current.statuses)
        } else {
            Arc::default()
        };
        let edition = Edition {
            state,
            former,
            statuses,
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(edition);
        self.changes.send_replace(revision);
        Ok(revision)
    }
}

impl SnapshotSource for World {
    fn view(&self, kind: &NodeKind) -> View {
        self.with_known(kind, |_, known| known.view.clone())
    }

    fn former(&self, kind: &NodeKind) -> Vec<Arc<Snapshot>> {
        self.with_known(kind, |edition, known| {
            let look = |state| snapshot(view(state, &self.modules, kind, Some(&known.view)));
            let former = known
                .former
                .get_or_insert_with(|| edition.former.iter().filter_map(look).collect());
            former.clone()
        })
    }
}

impl World {
    /// What is known of a kind in the newest edition; made when it isn't known yet.
    fn with_known<T>(&self, kind: &NodeKind, ask: impl FnOnce(&Edition, &mut Known) -> T) -> T {
        let current = self.current();
        let revision = current.state.documents_revision();
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match views.remove(kind) {
            Some(known) if known.revision == revision => known,
            older => {
                let before = older.map(|known| known.view);
                let view = view(&current.state, &self.modules, kind, before.as_ref());
                Known {
                    revision,
                    view,
                    former: None,
                }
            }
        };
        if views.len() >= MAX_VIEWS {
            views.clear();
        }
        ask(&current, views.entry(kind.clone()).or_insert(known))
    }
}

fn snapshot(view: View) -> Option<Arc<Snapshot>> {
    match view {
        View::Assigned(snapshot) | View::Unassigned(snapshot) => Some(snapshot),
        View::Gone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_core::event::Change;
    use weir_policy::proxy::{Notice, QuotaReset};

    fn gateway(port: u16) -> Change {
        let document = serde_json::json!({
            "apiVersion": "weir.dev/v1alpha1", "kind": "Gateway", "metadata": {"name": "edge"},
            "spec": {"listeners": [{"port": port}], "routes": [{"name": "all"}]},
        });
        State::default().plan(vec![document]).unwrap().changes.remove(0)
    }

    fn notice() -> Change {
        Change::Notice {
            namespace: "default".parse().unwrap(),
            notice: Notice::QuotaReset(QuotaReset {
                policy: "default/api".to_owned(),
                limit: None,
                key: None,
            }),
        }
    }

    fn take(world: &World, change: Change) {
        let revision = world.current().state.revision() + 1;
        let event = Event {
            revision,
            at_ms: revision,
            change,
        };
        assert_eq!(world.take(&[event]).unwrap(), revision);
    }

    #[test]
    fn notices_are_told_and_leave_views_and_former_ones_alone() {
        let world = World::new(ModuleCatalog::default());
        let changes = world.changes();
        take(&world, gateway(1));
        take(&world, gateway(2));
        let kind = NodeKind {
            gateway: weir_core::node::GatewayRef::parse("default/edge"),
            modules_dir: String::new(),
        };
        let look = || match world.view(&kind) {
            View::Assigned(snapshot) => Arc::as_ptr(&snapshot),
            other => panic!("{other:?}"),
        };
        let (view, former) = (look(), world.former(&kind));
        let statuses = std::ptr::from_ref(world.current().statuses());
        for _ in 0..=MAX_FORMER {
            take(&world, notice());
        }
        assert_eq!(*changes.borrow(), 3 + MAX_FORMER as u64);
        assert_eq!(look(), view);
        assert_eq!(world.former(&kind), former);
        assert_eq!(world.current().former.len(), 2);
        assert_eq!(std::ptr::from_ref(world.current().statuses()), statuses);
        take(&world, gateway(3));
        assert_ne!(look(), view);
        assert_eq!(world.current().former.len(), 3);
    }
}
