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
    /// The states before, newest first.
    former: Vec<State>,
    statuses: OnceLock<Statuses>,
}

impl Edition {
    /// Where each policy stands; looked up when somebody first asks, so that no push waits for it.
    pub(crate) fn statuses(&self) -> &Statuses {
        self.statuses.get_or_init(|| Statuses::of(&self.state))
    }
}

/// How many states are kept for proxies that come back from one of them, one for each request.
const MAX_FORMER: usize = 16;
/// How many kinds of nodes have their view kept.
const MAX_VIEWS: usize = 10_000;

/// What nodes of one kind get, made once for all of them.
#[derive(Debug)]
struct Known {
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
            former.insert(0, state.clone());
            former.truncate(MAX_FORMER);
            for event in batch {
                state.apply(event)?;
            }
        }
        let revision = state.revision();
        let edition = Edition {
            state,
            former,
            statuses: OnceLock::new(),
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
        let revision = current.state.revision();
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
