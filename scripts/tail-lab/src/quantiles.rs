//! Quantiles by nearest rank.

use serde::Serialize;

/// Quantiles of some times, milliseconds; of no times, 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) p99_9: f64,
    pub(crate) max: f64,
}

impl Quantiles {
    pub(crate) fn of(times: impl Iterator<Item = f64>) -> Self {
        let mut times: Vec<f64> = times.collect();
        times.sort_unstable_by(f64::total_cmp);
        let rank = |permille: usize| {
            let place = (times.len() * permille).div_ceil(1_000).saturating_sub(1);
            let time = times.get(place).copied().unwrap_or_default();
            (time * 100.0).round() / 100.0
        };
        Self {
            count: times.len(),
            p50: rank(500),
            p95: rank(950),
            p99: rank(990),
            p99_9: rank(999),
            max: rank(1_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let found = Quantiles::of((1..=1_000).rev().map(f64::from));
        let expected = Quantiles {
            count: 1_000,
            p50: 500.0,
            p95: 950.0,
            p99: 990.0,
            p99_9: 999.0,
            max: 1_000.0,
        };
        assert_eq!(found, expected);
        assert_eq!(Quantiles::of([].into_iter()), Quantiles::default());
    }
}
