//! GCRA: against `governor`, and its bounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter};
use proptest::prelude::*;
use weir_quota::cell::{Gcra, Rate};

const EPOCH: u64 = 1_800_000_000_000_000_000;

fn rates() -> impl Strategy<Value = Rate> {
    (1_u64..200, 1_u64..100_000, 1_u64..40).prop_map(|(requests, window_us, burst)| {
        Rate::try_new(requests, 1_000_000 + window_us * 1_000, burst).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Arrivals, costs, and denials in between: the same answers as governor's, always.
    #[test]
    fn gcra_is_governors(
        rate in rates(),
        arrivals in prop::collection::vec((0_u64..4_000, 1_u32..8), 1..60),
    ) {
        let clock = FakeRelativeClock::default();
        let interval = Duration::from_nanos(rate.interval_ns());
        let burst = NonZeroU32::new(u32::try_from(rate.burst()).unwrap()).unwrap();
        let quota = Quota::with_period(interval).unwrap().allow_burst(burst);
        let oracle = RateLimiter::direct_with_clock(quota, clock.clone());
        let (mut now, mut state) = (EPOCH, None);
        for (permille, cost) in arrivals {
            let wait = rate.interval_ns() * permille / 1_000;
            clock.advance(Duration::from_nanos(wait));
            now += wait;
            let expected = matches!(oracle.check_n(NonZeroU32::new(cost).unwrap()), Ok(Ok(())));
            let (verdict, next) = Gcra::local(&rate).check(state, now, u64::from(cost));
            prop_assert_eq!(verdict.is_allow(), expected);
            state = next.or(state);
        }
    }
}
