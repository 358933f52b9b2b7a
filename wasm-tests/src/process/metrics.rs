//! Metrics: one value per process and name, whoever defines it.

use std::collections::BTreeMap;

use crate::abi::Status;

/// What kind of metric; the numbers are the ABI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

impl TryFrom<u32> for MetricKind {
    type Error = Status;

    fn try_from(value: u32) -> Result<Self, Status> {
        match value {
            0 => Ok(Self::Counter),
            1 => Ok(Self::Gauge),
            2 => Ok(Self::Histogram),
            _ => Err(Status::BadArgument),
        }
    }
}

/// A metric's name and kind: the same name can stand for one of each kind, as in Envoy.
pub(crate) type MetricKey = (MetricKind, String);

/// All metrics of a process. Counters and gauges hold a number, histograms what was recorded.
#[derive(Default)]
pub(crate) struct Metrics {
    numbers: BTreeMap<MetricKey, u64>,
    recorded: BTreeMap<String, Vec<u64>>,
}

impl Metrics {
    pub(crate) fn define(&mut self, key: &MetricKey) {
        match key.0 {
            MetricKind::Histogram => drop(self.recorded.entry(key.1.clone()).or_default()),
            _ => drop(self.numbers.entry(key.clone()).or_default()),
        }
    }

    pub(crate) fn number(&self, kind: MetricKind, name: &str) -> Option<u64> {
        self.numbers.get(&(kind, name.to_owned())).copied()
    }

    pub(crate) fn recorded(&self, name: &str) -> Vec<u64> {
        self.recorded.get(name).cloned().unwrap_or_default()
    }

    /// A counter takes positive steps only; a gauge wraps below zero, as Envoy's does.
    pub(crate) fn increment(&mut self, key: &MetricKey, offset: i64) -> Result<(), Status> {
        if key.0 == MetricKind::Histogram || (key.0 == MetricKind::Counter && offset <= 0) {
            return Err(Status::BadArgument);
        }
        let number = self.numbers.get_mut(key).ok_or(Status::NotFound)?;
        *number = number.wrapping_add_signed(offset);
        Ok(())
    }

    /// Adds to a counter, sets a gauge, records in a histogram.
    pub(crate) fn record(&mut self, key: &MetricKey, value: u64) -> Result<(), Status> {
        if key.0 == MetricKind::Histogram {
            self.recorded.get_mut(&key.1).ok_or(Status::NotFound)?.push(value);
            return Ok(());
        }
        let number = self.numbers.get_mut(key).ok_or(Status::NotFound)?;
        *number = match key.0 {
            MetricKind::Counter => number.wrapping_add(value),
            _ => value,
        };
        Ok(())
    }

    pub(crate) fn get(&self, key: &MetricKey) -> Result<u64, Status> {
        match key.0 {
            MetricKind::Histogram => Err(Status::BadArgument),
            _ => self.numbers.get(key).copied().ok_or(Status::NotFound),
        }
    }
}
