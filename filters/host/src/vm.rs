//! What outlives a configuration in one VM.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::control::Control;
use crate::counter::Counters;

/// The state of one VM: its slots, its counters, and the filter's memory. A new configuration in the same VM finds it
/// as it was.
#[derive(Debug, Default)]
pub struct Vm<M = ()> {
    slots: RefCell<Vec<(String, Rc<Slot>)>>,
    counters: Counters,
    memory: Rc<M>,
}

/// One slot of the VM's worker.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// The worker's entry in shared data, once it has one.
    pub(crate) worker: Cell<Option<u64>>,
    /// Oldest first; the last is in force. Older ones stay while requests run under them.
    generations: RefCell<Vec<Rc<Generation>>>,
    /// The calls of the root in force.
    pub(crate) control: RefCell<Control>,
}

/// One configuration of a slot, as long as a request runs under it.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    in_flight: Cell<u64>,
}

/// Counts one request as running under its generation until dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Rc<Generation>);

impl<M> Vm<M> {
    /// The VM's counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the filter keeps in the VM.
    pub fn memory(&self) -> &Rc<M> {
        &self.memory
    }

    /// The slot `name`.
    pub(crate) fn slot(&self, name: &str) -> Rc<Slot> {
        let mut slots = self.slots.borrow_mut();
        if let Some((_, slot)) = slots.iter().find(|(known, _)| known == name) {
            return Rc::clone(slot);
        }
        let slot = Rc::<Slot>::default();
        slots.push((name.to_owned(), Rc::clone(&slot)));
        slot
    }

    /// Forgets the slot `name`.
    pub(crate) fn forget(&self, name: &str) {
        self.slots.borrow_mut().retain(|(known, _)| known != name);
    }
}

impl Slot {
    /// Puts a new generation in force.
    pub(crate) fn open(&self, number: u64) -> Rc<Generation> {
        let in_flight = Cell::new(0);
        let generation = Rc::new(Generation { number, in_flight });
        self.put_in_force(&generation);
        generation
    }

    fn put_in_force(&self, generation: &Rc<Generation>) {
        self.generations.borrow_mut().push(Rc::clone(generation));
        self.control.borrow_mut().change_hands();
    }

    /// Whether `generation` is the one in force.
    pub(crate) fn is_in_force(&self, generation: &Rc<Generation>) -> bool {
        let generations = self.generations.borrow();
        generations
            .last()
            .is_some_and(|last| Rc::ptr_eq(last, generation))
    }

    /// Puts `generation` in force again, if it is not.
    pub(crate) fn serve(&self, generation: &Rc<Generation>) {
        if !self.is_in_force(generation) {
            self.close(generation);
            self.put_in_force(generation);
        }
    }

    /// Takes `generation` out; whether none is left.
    pub(crate) fn close(&self, generation: &Rc<Generation>) -> bool {
        if self.is_in_force(generation) {
            self.control.borrow_mut().change_hands();
        }
        let mut generations = self.generations.borrow_mut();
        generations.retain(|known| !Rc::ptr_eq(known, generation));
        generations.is_empty()
    }

    /// How many requests run under generations other than `in_force`. Forgets those with none.
    pub(crate) fn draining(&self, in_force: &Rc<Generation>) -> u64 {
        let mut generations = self.generations.borrow_mut();
        generations.retain(|known| Rc::ptr_eq(known, in_force) || known.in_flight.get() > 0);
        let older = generations.iter().filter(|known| known.number != in_force.number);
        older.map(|known| known.in_flight.get()).sum()
    }
}

impl InFlight {
    pub(crate) fn new(generation: &Rc<Generation>) -> Self {
        generation
            .in_flight
            .set(generation.in_flight.get().saturating_add(1));
        Self(Rc::clone(generation))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get().saturating_sub(1));
    }
}
