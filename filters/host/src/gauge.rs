//! Gauges that a filter sets on its tick.

use std::cell::Cell;

use crate::error::HostError;
use crate::port::{MetricId, MetricKind, Metrics};

/// A gauge: one value for the whole process, so that the last worker to set it wins. What is set is best something that all
/// workers agree on.
#[derive(Debug)]
pub struct Gauge {
    name: String,
    metric: Cell<Option<MetricId>>,
}

impl Gauge {
    /// The gauge `name`: `name.key.value.key.value…`, values without dots (see [`crate::label`]). The host hears of it
    /// when it is first set.
    pub fn new(name: String) -> Self {
        let metric = Cell::new(None);
        Self { name, metric }
    }

    /// Sets the gauge.
    pub fn set(&self, value: u64, host: &impl Metrics) -> Result<(), HostError> {
        let metric = match self.metric.get() {
            Some(metric) => metric,
            None => host.define_metric(MetricKind::Gauge, &self.name)?,
        };
        self.metric.set(Some(metric));
        host.record_metric(metric, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Process, Worker};

    #[test]
    fn the_last_worker_to_set_a_gauge_wins() {
        let process = Process::new(0);
        let (one, other) = (Gauge::new("g".to_owned()), Gauge::new("g".to_owned()));
        assert_eq!(process.metric("g"), None);
        one.set(7, &Worker::new(&process)).unwrap();
        other.set(5, &Worker::new(&process)).unwrap();
        assert_eq!((process.metric("g"), process.metrics().len()), (Some(5), 1));
    }
}
