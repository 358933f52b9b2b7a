//! Long polls that are open: how far whoever asks has read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_core::event::Revision;
use weir_policy::name::Name;

/// Every open poll.
#[derive(Debug, Default)]
pub(crate) struct Polls {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: BTreeMap<u64, Reader>,
    next: u64,
}

/// Who asks.
#[derive(Debug)]
struct Reader {
    namespace: Name,
    filter: Name,
    /// Everything up to here has been read; nothing before the first answer that is held back.
    read: Revision,
}

/// One open poll; it ends when this is dropped.
pub(crate) struct OpenPoll {
    polls: Arc<Polls>,
    id: u64,
}

impl Polls {
    pub(crate) fn open(self: &Arc<Self>, namespace: &Name, filter: &Name) -> OpenPoll {
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        let reader = Reader {
            namespace: namespace.clone(),
            filter: filter.clone(),
            read: 0,
        };
        inner.open.insert(id, reader);
        OpenPoll {
            polls: Arc::clone(self),
            id,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().open.len()
    }

    /// How many of a filter's, in a namespace, have read everything up to `revision`.
    pub(crate) fn read_up_to(&self, namespace: &Name, filter: &str, revision: Revision) -> usize {
        let has_read = |reader: &&Reader| {
            reader.namespace == *namespace && reader.filter == *filter && reader.read >= revision
        };
        self.lock().open.values().filter(has_read).count()
    }

    /// A panic elsewhere leaves the map whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenPoll {
    /// There was nothing up to here, or it had been read before.
    pub(crate) fn has_read(&self, revision: Revision) {
        if let Some(reader) = self.polls.lock().open.get_mut(&self.id) {
            reader.read = revision;
        }
    }
}

impl Drop for OpenPoll {
    fn drop(&mut self) {
        self.polls.lock().open.remove(&self.id);
    }
}
