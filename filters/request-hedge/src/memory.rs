//! What a VM keeps over all configurations: what it knows of routes, and what it has of budgets.

use std::cell::RefCell;
use std::rc::Rc;

use weir_hedge::budget::{Budget, Purse};
use weir_hedge::policy::Policy;
use weir_hedge::route::Route;
use weir_host::port::SharedData;
use weir_host::{HostError, VmNumber};

use crate::delays::Delays;

/// What is known, by the name of the record in shared data.
type Named<T> = RefCell<Vec<(String, Rc<RefCell<T>>)>>;

/// What a VM keeps.
#[derive(Debug, Default)]
pub struct Memory {
    number: VmNumber,
    routes: Named<Route>,
    purses: Named<Purse>,
    pub(crate) delays: Delays,
}

impl Memory {
    /// The route whose record has this name.
    pub(crate) fn route(&self, name: &str, policy: Policy) -> Rc<RefCell<Route>> {
        find(&self.routes, name).unwrap_or_else(|| put(&self.routes, name, Route::new(policy)))
    }

    /// The purse for the budget whose record has this name.
    pub(crate) fn purse(
        &self,
        name: &str,
        budget: Budget,
        host: &impl SharedData,
    ) -> Result<Rc<RefCell<Purse>>, HostError> {
        if let Some(purse) = find(&self.purses, name) {
            return Ok(purse);
        }
        let worker = self.number.get("weir.request-hedge/vms", host)?;
        Ok(put(&self.purses, name, Purse::new(budget, worker.into())))
    }

    /// Forgets what no configuration and no request asks for any more.
    pub(crate) fn forget_unused(&self) {
        self.routes
            .borrow_mut()
            .retain(|(_, route)| Rc::strong_count(route) > 1);
        self.purses
            .borrow_mut()
            .retain(|(_, purse)| Rc::strong_count(purse) > 1);
    }
}

fn find<T>(known: &Named<T>, name: &str) -> Option<Rc<RefCell<T>>> {
    let known = known.borrow();
    let found = known.iter().find(|(known, _)| known == name);
    found.map(|(_, it)| Rc::clone(it))
}

fn put<T>(known: &Named<T>, name: &str, new: T) -> Rc<RefCell<T>> {
    let new = Rc::new(RefCell::new(new));
    known.borrow_mut().push((name.to_owned(), Rc::clone(&new)));
    new
}
