//! Panes: against sorted vectors, `sketches-ddsketch`, and the product-limit estimator as its authors write it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use sketches_ddsketch::{Config, DDSketch};
use weir_hedge::pane::{Pane, PaneError, Reading, Sample};

/// The relative error of a pane's times, and a nanosecond's worth of rounding.
const ERROR: f64 = 1.0 / 64.0 + 1e-5;
const SHORTEST: u64 = 64_000;
const LONGEST: u64 = (1 << 26) * 1_000 - 1;

/// Times that a pane tells apart, even on a logarithmic scale.
fn times() -> impl Strategy<Value = u64> {
    let (low, high) = ((SHORTEST as f64).ln(), (LONGEST as f64).ln());
    (low..high).prop_map(|at| (at.exp() as u64).clamp(SHORTEST, LONGEST))
}

fn samples() -> impl Strategy<Value = Sample> {
    prop_oneof![
        3 => times().prop_map(|took_ns| Sample::Complete { took_ns }),
        1 => (times(), times()).prop_map(|(known_ns, more)| Sample::Censored { known_ns, took_ns: known_ns + more }),
        1 => any::<u64>().prop_map(|took_ns| Sample::Complete { took_ns }),
    ]
}

fn pane(samples: &[Sample]) -> Pane {
    let mut pane = Pane::default();
    samples.iter().for_each(|sample| pane.add(*sample));
    pane
}

fn complete(times: &[u64]) -> Pane {
    let samples: Vec<_> = times
        .iter()
        .map(|took_ns| Sample::Complete { took_ns: *took_ns })
        .collect();
    pane(&samples)
}

/// A time as a pane tells it.
fn told(ns: u64) -> u64 {
    complete(&[ns]).quantile(500_000).unwrap().least_ns()
}

fn close(found: u64, wanted: u64) -> bool {
    (found as f64 - wanted as f64).abs() <= wanted as f64 * ERROR
}

/// The estimator by its definition, in floating point: events before censorings of the same time.
fn product_limit(samples: &[Sample], parts: u32) -> Option<u64> {
    let mut events: Vec<(u64, bool)> = samples
        .iter()
        .map(|sample| match *sample {
            Sample::Complete { took_ns } => (told(took_ns), false),
            Sample::Censored { known_ns, .. } => (told(known_ns), true),
        })
        .collect();
    events.sort_unstable();
    let mut survival = 1.0;
    for (at, (time, censored)) in events.iter().enumerate() {
        if !censored {
            let at_risk = (events.len() - at) as f64;
            survival *= (at_risk - 1.0) / at_risk;
            if survival <= 1.0 - f64::from(parts) / 1e6 + 1e-7 {
                return Some(*time);
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_quantile_is_within_the_error_of_the_exact_one(
        mut times in prop::collection::vec(times(), 1..400),
        parts in 1_u32..=1_000_000,
    ) {
        let pane = complete(&times);
        times.sort_unstable();
        let rank = (times.len() as u64 * u64::from(parts)).div_ceil(1_000_000) as usize;
        let Some(Reading::Is(found)) = pane.quantile(parts) else { panic!("nothing is censored") };
        prop_assert!(close(found, times[rank - 1]), "{found} {}", times[rank - 1]);
        prop_assert_eq!(pane.with_hedges(parts), Some(found));
    }

    /// Of 100 n + 1 samples both take the same one for a quantile of whole percents.
    #[test]
    fn a_quantile_is_that_of_ddsketch(
        hundred in prop::collection::vec(times(), 101..102),
        more in prop::collection::vec(times(), 200..201),
        percent in 1_u32..100,
    ) {
        for times in [hundred.clone(), [hundred, more].concat()] {
            let mut oracle = DDSketch::new(Config::new(0.001, 32_768, 1.0));
            times.iter().for_each(|time| oracle.add(*time as f64));
            // A little more, for the product of n and the quantile is cut to a whole number.
            let wanted = oracle.quantile((f64::from(percent) + 0.001) / 100.0).unwrap().unwrap();
            let found = complete(&times).quantile(percent * 10_000).unwrap().least_ns() as f64;
            prop_assert!((found - wanted).abs() <= wanted * (ERROR + 0.002), "{found} {wanted}");
        }
    }

    #[test]
    fn censored_samples_count_as_kaplan_and_meier_say(
        samples in prop::collection::vec(samples(), 1..200),
        percent in 1_u32..100,
    ) {
        let parts = percent * 10_000;
        let (found, wanted) = (pane(&samples).quantile(parts).unwrap(), product_limit(&samples, parts));
        match found {
            Reading::Is(found) => prop_assert_eq!(Some(found), wanted),
            Reading::AtLeast(_) => prop_assert_eq!(wanted, None),
        }
    }

    /// First tries of which some were hedged: the quantile is never below that of what the requests took.
    #[test]
    fn a_lower_bound_is_one(
        tries in prop::collection::vec((times(), times()), 1..200),
        delay in times(),
        parts in 1_u32..1_000_000,
    ) {
        let samples: Vec<_> = tries.iter().map(|(first, second)| {
            let took_ns = *first.min(&(delay + second));
            if *first > delay { Sample::Censored { known_ns: delay, took_ns } } else { Sample::Complete { took_ns } }
        }).collect();
        let mut firsts: Vec<_> = tries.iter().map(|(first, _)| told(*first)).collect();
        firsts.sort_unstable();
        let rank = (firsts.len() as u64 * u64::from(parts)).div_ceil(1_000_000) as usize;
        match pane(&samples).quantile(parts).unwrap() {
            Reading::Is(found) => prop_assert_eq!(found, firsts[rank - 1]),
            Reading::AtLeast(found) => prop_assert!(found <= firsts[rank - 1]),
        }
    }

    #[test]
    fn panes_merge_as_if_they_had_been_one(
        all in prop::collection::vec((samples(), 0_usize..4), 0..200),
    ) {
        let one = pane(&all.iter().map(|(sample, _)| *sample).collect::<Vec<_>>());
        let parts = (0..4).map(|part| {
            pane(&all.iter().filter(|(_, of)| *of == part).map(|(sample, _)| *sample).collect::<Vec<_>>())
        });
        let mut merged = Pane::default();
        parts.for_each(|part| merged.merge(&part));
        prop_assert_eq!(&merged, &one);
        prop_assert_eq!(one.samples() as usize, all.len());
    }

    #[test]
    fn bytes_give_the_pane_back(samples in prop::collection::vec(samples(), 0..400)) {
        let pane = pane(&samples);
        let bytes = pane.to_bytes();
        prop_assert!(bytes.len() <= 11 << 10);
        prop_assert_eq!(Pane::from_bytes(&bytes), Ok(pane));
    }

    #[test]
    fn any_bytes_are_a_pane_or_an_error(
        bytes in prop::collection::vec(prop_oneof![6 => 0_u8..16, 1 => any::<u8>()], 0..100),
        parts in any::<u32>(),
    ) {
        let with_format = [&[1][..], &bytes].concat();
        for bytes in [bytes, with_format] {
            if let Ok(pane) = Pane::from_bytes(&bytes) {
                pane.quantile(parts);
                prop_assert_eq!(Pane::from_bytes(&pane.to_bytes()), Ok(pane));
            }
        }
    }

    /// A pane of which some bytes are others: mostly it still reads, so what comes of it is looked at.
    #[test]
    fn a_damaged_pane_is_a_pane_or_an_error(
        samples in prop::collection::vec(samples(), 1..60),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        parts in any::<u32>(),
    ) {
        let mut bytes = pane(&samples).to_bytes();
        for (at, byte) in damage {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Ok(mut pane) = Pane::from_bytes(&bytes) {
            pane.quantile(parts);
            pane.with_hedges(parts);
            pane.merge(&pane.clone());
            pane.add(Sample::Complete { took_ns: 1 });
        }
    }
}

#[test]
fn what_is_beyond_the_range_counts_as_its_end() {
    assert_eq!(told(0), told(63_999));
    assert_eq!(told(u64::MAX), told(LONGEST));
    assert!(close(told(SHORTEST), SHORTEST) && close(told(LONGEST), LONGEST));
}

#[test]
fn winners_of_hedged_requests_do_not_make_the_quantile_shorter() {
    // 1,000 first tries of 1 to 1,000 ms; what takes longer than 900 ms is hedged, and over at once. Every other one is not.
    let sample = |ms: u64| match ms {
        901.. if ms.is_multiple_of(2) => Sample::Censored {
            known_ns: 900_000_000,
            took_ns: 901_000_000,
        },
        _ => Sample::Complete {
            took_ns: ms * 1_000_000,
        },
    };
    let all = pane(&(1..=1_000).map(sample).collect::<Vec<_>>());
    assert!(close(all.quantile(950_000).unwrap().least_ns(), 950_000_000));
    assert!(close(all.with_hedges(950_000).unwrap(), 901_000_000));
}

#[test]
fn errors_name_what_is_wrong() {
    let cases: [(&[u8], PaneError); 8] = [
        (&[], PaneError::Format),
        (&[2], PaneError::Format),
        (&[1, 0x81], PaneError::Number),
        (&[1, 1], PaneError::Number),
        (&[1, 1, 0xff, 0xff, 0xff, 0xff, 0x1f], PaneError::Number),
        (&[1, 0xff, 0xff, 0x03, 1], PaneError::Bucket),
        (&[1, 1, 0], PaneError::Count),
        (&[1, 2, 1], PaneError::Count),
    ];
    for (bytes, error) in cases {
        assert_eq!(Pane::from_bytes(bytes), Err(error), "{bytes:?}");
    }
}
