//! One request that a policy is for.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use weir_host::port::StreamId;
use weir_http_cache::CacheRequest;

use crate::answer::Answered;
use crate::forwarded::Forwarded;
use crate::policy::Policy;

/// What is kept of a request until its stream ends: nothing where no policy is for it.
#[derive(Debug, Default)]
pub struct Exchange(pub(crate) Option<Rc<Visit>>);

/// A request that may be answered from the cache.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) stream: StreamId,
    pub(crate) policy: Rc<Policy>,
    pub(crate) request: CacheRequest,
    /// Unix milliseconds.
    pub(crate) arrived_ms: u64,
    /// The tier that all proxies share had its answer.
    pub(crate) from_tier2: Cell<bool>,
    pub(crate) state: RefCell<State>,
    /// The cluster that it goes to, looked up while it is at hand.
    pub(crate) cluster: OnceCell<Option<String>>,
}

/// Where a request stands.
#[derive(Debug, Default)]
pub(crate) enum State {
    /// It has just come.
    #[default]
    New,
    /// It waits for an answer that another request, or one of the filter's own, fetches.
    Held,
    /// It was answered here.
    Answered(Answered),
    /// It went on, and its answer may be kept.
    Forwarded(Box<Forwarded>),
    /// It may have changed what is stored.
    Unsafe,
    /// Nothing more happens.
    Over,
}

impl Visit {
    /// The same for another request, which nobody waits for.
    pub(crate) fn about(&self, request: CacheRequest) -> Self {
        Self {
            stream: self.stream,
            policy: Rc::clone(&self.policy),
            request,
            arrived_ms: self.arrived_ms,
            from_tier2: Cell::new(false),
            state: State::Over.into(),
            cluster: OnceCell::new(),
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(*self.state.borrow(), State::Held)
    }

    pub(crate) fn set(&self, state: State) {
        *self.state.borrow_mut() = state;
    }

    /// Takes the state, and leaves `Over`.
    pub(crate) fn take(&self) -> State {
        self.state.replace(State::Over)
    }
}
