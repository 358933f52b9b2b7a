//! What is kept of a request until it is answered.

use std::cell::RefCell;
use std::rc::Rc;

use weir_hedge::route::Route;

use crate::armed::Armed;
use crate::policy::Policy;

/// What is kept of a request until it is answered: nothing where it may not be sent twice.
#[derive(Debug, Default)]
pub struct Exchange(Option<Box<Sent>>);

/// A request that went on.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) policy: Rc<Policy>,
    pub(crate) route: Rc<RefCell<Route>>,
    /// Unix nanoseconds.
    pub(crate) started: u64,
    /// A second try may leave.
    pub(crate) armed: Option<Armed>,
}

impl Exchange {
    pub(crate) fn put(&mut self, sent: Sent) {
        self.0 = Some(Box::new(sent));
    }

    pub(crate) fn take(&mut self) -> Option<Box<Sent>> {
        self.0.take()
    }
}
