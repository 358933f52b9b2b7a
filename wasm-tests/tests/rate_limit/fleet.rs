//! One limit for several processes, each with a share.

use std::time::Duration;

use serde_json::{Value, json};
use weir_policy::proxy::WHOLE;
use weir_quota::lease::LeaseSettings;
use weir_wasm_tests::Fleet;

use crate::control::{CLUSTER, Control, empty_page, reset_page};
use crate::fixture::{Limited, Verdict, by_user, controlled, rate, slot, user, with};

/// A hundred a second and ten at once, in the whole fleet of so many proxies.
fn hundred(proxies: u32, when_lost: &str) -> Value {
    let fleet = json!({"proxies": proxies, "whenLost": when_lost});
    controlled(slot(&[with(by_user(rate(100, 1_000, 10)), "fleet", fleet)]))
}

fn process(control: &Control, configuration: &Value) -> Limited {
    let limited = Limited::on(2, configuration);
    limited.process.cluster(CLUSTER, control.cluster());
    limited
}

impl Limited {
    /// How many pass in so many milliseconds, when there are always more to come.
    fn pour(&self, milliseconds: u64) -> u64 {
        let step = |_| {
            self.advance(1);
            self.drain(&user("alice"))
        };
        (0..milliseconds).map(step).sum()
    }

    /// As long as that later, and nothing is left over.
    fn skip(&self, milliseconds: u64) {
        self.advance(milliseconds);
        self.drain(&user("alice"));
    }
}

#[test]
fn before_any_answer_a_process_has_its_part_of_the_rate_and_nothing_to_begin_with() {
    for proxies in [1, 2, 5] {
        let limited = process(&Control::default(), &hundred(proxies, "deny"));
        limited.advance(10);
        assert_eq!(limited.drain(&user("alice")), 0);
        assert_eq!(limited.pour(2_000), 200 / u64::from(proxies), "{proxies} proxies");
        limited.advance(60_000);
        assert_eq!(
            limited.drain(&user("alice")),
            10 / u64::from(proxies),
            "a part of the burst"
        );
    }
}

#[test]
fn a_grant_changes_what_passes_and_mints_nothing() {
    let control = Control::default();
    let limited = process(&control, &hundred(2, "deny"));
    for (share, expected) in [
        (WHOLE, 100),
        (WHOLE / 5, 20),
        (WHOLE / 2, 50),
        (0, 0),
        (WHOLE, 100),
    ] {
        control.grant(share, 2, 3_000);
        // Until the next report, and until each worker has read the board.
        let change = limited.pour(500);
        assert!(change <= 50 + 10, "{change}");
        assert_eq!(limited.pour(1_000), expected, "{share}");
    }
}

#[test]
fn a_lease_that_is_renewed_does_not_end() {
    let control = Control::default();
    let limited = process(&control, &hundred(2, "deny"));
    control.grant(WHOLE / 5, 10, 1_000);
    limited.skip(500);
    for _ in 0..5 {
        assert_eq!(limited.pour(1_000), 20);
    }
}

#[test]
fn at_the_end_of_a_lease_a_process_has_an_equal_part_at_most_then_what_the_policy_says() {
    // Of what was granted, during one more lease, after it.
    let cases = [
        ("equalShare", WHOLE / 5 * 4, [80, 25, 25]),
        ("equalShare", WHOLE / 10, [10, 10, 25]),
        ("deny", WHOLE / 5 * 4, [80, 25, 0]),
        ("deny", WHOLE / 10, [10, 10, 0]),
    ];
    for (when_lost, share, expected) in cases {
        let control = Control::default();
        let limited = process(&control, &hundred(2, when_lost));
        control.grant(share, 4, 4_000);
        limited.skip(1_000);
        control.go_down();
        let before = limited.pour(1_000);
        limited.skip(3_500);
        let during = limited.pour(1_000);
        limited.skip(3_000);
        let after = limited.pour(1_000);
        assert_eq!([before, during, after], expected, "{when_lost}, {share}");
        let verdict = if when_lost == "deny" {
            Verdict::Unavailable
        } else {
            Verdict::Limited
        };
        assert_eq!(limited.ask(0, &user("alice")), verdict);
    }
}

#[test]
fn a_process_that_is_heard_again_has_its_share_again() {
    let control = Control::default();
    let limited = process(&control, &hundred(2, "deny"));
    control.grant(WHOLE, 1, 1_000);
    limited.skip(1_000);
    control.go_down();
    limited.skip(4_000);
    assert_eq!(limited.ask(0, &user("alice")), Verdict::Unavailable);
    control.grant(WHOLE, 1, 1_000);
    limited.skip(7_000);
    assert_eq!(limited.pour(1_000), 100);
}

#[test]
fn no_share_is_not_the_clients_fault() {
    let control = Control::default();
    control.grant(0, 2, 3_000);
    let limited = process(&control, &hundred(2, "deny"));
    limited.advance(1_000);
    let refused = limited.outcome(0, &user("alice")).local_response.unwrap();
    let problem: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(refused.status, 503);
    assert_eq!(
        problem["type"],
        "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
    );
}

/// What the fleet lets through at `times` (nanoseconds, in order) is at most `rate × time + burst` in any window: the
/// virtual scheduling algorithm of ITU-T I.371 on all of it.
fn assert_bounded(times: &[u64], interval: u64, burst: u64) {
    let mut tat = 0;
    for time in times {
        tat = tat.max(*time) + interval;
        assert!(tat - time <= interval * burst, "too many at {time}");
    }
}

/// Three processes with a real book of leases, under load that moves from one to the next, with losses on the way. Each
/// asks for `load` requests in five milliseconds.
fn storm(when_lost: &str, loads: &[[u64; 3]], mishap: impl Fn(usize, &Control, &[Limited])) -> Vec<u64> {
    let fleet = Fleet::new();
    let control = Control::default();
    control.keep_a_book(LeaseSettings {
        lease_ms: 1_000,
        max_keys: 256,
        floor_ppm: 10_000,
    });
    let join = |_| {
        let limited = Limited::of(&fleet, fleet.process(2), &hundred(3, when_lost));
        limited.process.cluster(CLUSTER, control.cluster());
        limited
    };
    let processes: Vec<Limited> = (0..3).map(join).collect();
    let mut times = Vec::new();
    for (phase, load) in loads.iter().enumerate() {
        mishap(phase, &control, &processes);
        for step in 0..PHASE_STEPS {
            fleet.advance(Duration::from_millis(5)).unwrap();
            for (limited, asks) in processes.iter().zip(load) {
                let passed = (0..*asks).filter(|_| limited.passes(step % 2, &user("alice")));
                let now = u64::try_from(fleet.now().as_nanos()).unwrap();
                times.extend(passed.map(|_| now));
            }
        }
    }
    for limited in &processes {
        assert!(limited.process.traps().is_empty());
    }
    times
}

/// Of five milliseconds: a lease, and some more.
const PHASE_STEPS: usize = 240;

const MOVING: [[u64; 3]; 8] = [
    [2, 2, 2],
    [3, 0, 0],
    [3, 0, 0],
    [0, 3, 0],
    [0, 3, 0],
    [1, 1, 3],
    [0, 0, 0],
    [3, 3, 3],
];

#[test]
fn the_fleet_never_lets_more_through_than_one_proxy_would() {
    let times = storm("deny", &MOVING, |_, _, _| {});
    assert_bounded(&times, 10_000_000, 10);
    assert!(times.len() >= 450, "{} of about 840", times.len());
}

#[test]
fn lost_leaders_new_configurations_and_outages_mint_nothing() {
    let times = storm("deny", &MOVING, |phase, control, processes| match phase {
        1 | 4 => processes[0].plugin.worker(0).lose().unwrap(),
        2 => processes[1].configure(&with(hundred(3, "deny"), "generation", 2.into())),
        3 => processes[2].plugin.worker(0).stall(),
        5 => processes[2].plugin.worker(0).resume().unwrap(),
        6 => processes[1]
            .process
            .cluster(CLUSTER, weir_wasm_tests::Cluster::empty()),
        7 => processes[1].process.cluster(CLUSTER, control.cluster()),
        _ => {}
    });
    assert_bounded(&times, 10_000_000, 10);
}

#[test]
fn a_control_plane_that_comes_back_mints_nothing() {
    for silent in [1..2, 1..3, 2..5] {
        let times = storm("deny", &MOVING, |phase, control, _| {
            control.be_silent(silent.contains(&phase))
        });
        assert_bounded(&times, 10_000_000, 10);
    }
}

/// Shares of keys are dealt out by the key's fingerprint: processes that know another number of resets must still mean
/// the same key.
#[test]
fn processes_call_a_client_the_same_whatever_resets_they_have_seen() {
    let fleet = Fleet::new();
    let keys = |pages: Vec<Value>| {
        let control = Control::default();
        control.grant(WHOLE / 2, 2, 3_000);
        for page in pages {
            control.tell(Duration::from_millis(100), page);
        }
        let limited = Limited::of(&fleet, fleet.process(1), &hundred(2, "deny"));
        limited.process.cluster(CLUSTER, control.cluster());
        limited.advance(2_000);
        limited.drain(&user("alice"));
        limited.advance(1_000);
        control.keys_reported().into_values().next().unwrap()
    };
    let old = keys(vec![empty_page(7), reset_page(8, Value::Null)]);
    let young = keys(vec![empty_page(8)]);
    assert_eq!(old.len(), 1);
    assert_eq!(old, young);
}
