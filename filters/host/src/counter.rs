//! Counters, kept in the VM and handed to the host on the tick: a request makes no host call for them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::error::HostError;
use crate::port::{MetricId, MetricKind, Metrics};

/// A counter of this VM. The host's value is the sum over all workers.
#[derive(Debug, Default)]
pub struct Counter {
    pending: Cell<u64>,
    metric: Cell<Option<MetricId>>,
}

/// The counters of a VM, by name. They outlive configurations. A clone is the same counters.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Sorted.
    by_name: Rc<RefCell<Vec<Named>>>,
}

/// A counter and its name.
type Named = (String, Rc<Counter>);

impl Counter {
    /// Counts one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Counts `number` more.
    pub fn add(&self, number: u64) {
        self.pending.set(self.pending.get().saturating_add(number));
    }

    fn flush(&self, name: &str, host: &impl Metrics) -> Result<(), HostError> {
        if self.pending.get() == 0 {
            return Ok(());
        }
        let metric = match self.metric.get() {
            Some(metric) => metric,
            None => host.define_metric(MetricKind::Counter, name)?,
        };
        self.metric.set(Some(metric));
        host.increment_metric(metric, self.pending.get())?;
        self.pending.set(0);
        Ok(())
    }
}

impl Counters {
    /// The counter `name`: `name.key.value.key.value…`, values without dots (see [`label`]).
    pub fn counter(&self, name: &str) -> Rc<Counter> {
        let mut by_name = self.by_name.borrow_mut();
        let place = by_name.partition_point(|(known, _)| known.as_str() < name);
        match by_name.get(place) {
            Some((known, counter)) if known == name => Rc::clone(counter),
            _ => {
                let counter = Rc::<Counter>::default();
                by_name.insert(place, (name.to_owned(), Rc::clone(&counter)));
                counter
            }
        }
    }

    /// Hands what was counted to the host, and forgets counters that no configuration holds any more.
    /// What a counter can't hand over it keeps.
    pub fn flush(&self, host: &impl Metrics) -> Result<(), HostError> {
        let mut outcome = Ok(());
        self.by_name.borrow_mut().retain(|(name, counter)| {
            let flushed = counter.flush(name, host);
            let kept = flushed.is_err() || Rc::strong_count(counter) > 1;
            outcome = outcome.and(flushed);
            kept
        });
        outcome
    }
}

/// `text` as a value in a metric's name: everything but letters, digits, `-` and `_` becomes `_`.
pub fn label(text: &str) -> String {
    let keep = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    text.chars()
        .map(|letter| if keep(letter) { letter } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Process, Worker};

    #[test]
    fn counts_reach_the_host_once_and_unused_counters_go() {
        let process = Process::new(0);
        let (counters, worker) = (Counters::default(), Worker::new(&process));
        let (one, other) = (counters.counter("b"), counters.counter("a"));
        counters.counter("b").count();
        one.count();
        other.count();
        drop(other);
        counters.flush(&worker).unwrap();
        counters.flush(&worker).unwrap();
        assert_eq!((process.metric("a"), process.metric("b")), (Some(1), Some(2)));
        assert_eq!(counters.by_name.borrow().len(), 1);
    }

    #[test]
    fn labels_have_no_dots() {
        assert_eq!(label("default/orders-2.v1"), "default_orders-2_v1");
    }
}
