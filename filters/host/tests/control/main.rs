//! The way back: workers that share one voice, and a control plane that comes and goes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod fixture;

use fixture::{CURSOR, LEADER, Proxy, TICK, is_poll};
use proptest::prelude::*;
use weir_host::HostError;

#[test]
fn one_of_four_workers_speaks_for_all() {
    let mut proxy = Proxy::new(4);
    proxy.run(30 * TICK);
    assert_eq!(proxy.polling().len(), 1);
    let leader = proxy.polling()[0];
    let poll = proxy.workers[leader]
        .open
        .iter()
        .find(|call| is_poll(call))
        .unwrap();
    assert_eq!(poll.header(":authority"), Some("weir-control"));
    assert_eq!((poll.timeout_ms, poll.body.len()), (28_000, 0));
    proxy.run(20_000);
    assert_eq!(proxy.polling(), [leader]);
    // The first poll asked where things stand, and the second waits.
    assert_eq!(proxy.polls_since(0).len(), 2);
    proxy.publish(3);
    proxy.run(300);
    assert_eq!(proxy.heard(), [1, 2, 3]);
    assert_eq!(proxy.count("poll", "failed"), 0);
}

#[test]
fn what_happened_before_the_process_is_not_told_and_nothing_after_is_left_out() {
    let mut proxy = Proxy::new(2);
    proxy.publish(7);
    proxy.run(200);
    proxy.publish(5);
    proxy.run(500);
    assert_eq!(proxy.heard(), [8, 9, 10, 11, 12]);
}

#[test]
fn a_dead_leader_is_followed_after_five_seconds_where_it_stopped() {
    let mut proxy = Proxy::new(3);
    proxy.publish(1);
    proxy.run(1_000);
    proxy.publish(1);
    proxy.run(1_000);
    let (leader, died) = (proxy.polling()[0], proxy.now_ms());
    proxy.workers.remove(leader);
    proxy.publish(4);
    proxy.run(10_000);
    assert_eq!(proxy.heard(), [2, 3, 4, 5, 6]);
    let first = proxy.polls_since(died)[0];
    assert!((4_000..=5_100).contains(&first), "{first}");
    // The dead leader's last report might still arrive.
    assert_eq!(proxy.reports_since(died)[0], first + 2_000);
}

#[test]
fn a_leader_that_leaves_is_followed_at_once() {
    let mut proxy = Proxy::new(3);
    proxy.run(1_000);
    let left = proxy.now_ms();
    let leader = proxy.polling()[0];
    let mut leaving = proxy.workers.remove(leader);
    leaving.root.on_close(&leaving.host);
    proxy.publish(2);
    proxy.run(TICK);
    assert_eq!(proxy.heard(), [1, 2]);
    proxy.run(3_000);
    assert_eq!(proxy.reports_since(left)[0], TICK + 2_000);
}

#[test]
fn events_come_again_when_the_leader_dies_before_it_noted_them() {
    let mut proxy = Proxy::new(2);
    proxy.run(1_000);
    let leader = proxy.polling()[0];
    proxy.workers[leader].host.fail_store(CURSOR);
    proxy.publish(1);
    proxy.run(TICK);
    assert_eq!(proxy.heard(), [1]);
    let cursor = proxy.process.shared(CURSOR);
    let dead = proxy.workers.remove(leader);
    assert!(
        dead.host
            .log_lines()
            .last()
            .unwrap()
            .1
            .contains("asked for again")
    );
    proxy.publish(2);
    proxy.run(6_000);
    assert_eq!(proxy.heard(), [1, 2, 3]);
    assert_ne!(proxy.process.shared(CURSOR), cursor);
}

#[test]
fn a_control_plane_that_is_gone_is_asked_ever_less_often_until_it_is_back() {
    for (broken, outcome) in [
        (None, "failed"),
        (Some(503), "failed"),
        (Some(504), "timeout"),
        (Some(200), "failed"),
    ] {
        let mut proxy = Proxy::new(2);
        proxy.run(1_000);
        let start = proxy.now_ms();
        proxy.plane.broken.set(Some(broken));
        proxy.run(20_000);
        proxy.publish(3);
        let polls = proxy.polls_since(start);
        assert!((300..=500).contains(&polls[0]), "{polls:?}");
        let waits: Vec<u64> = polls.windows(2).map(|pair| pair[1] - pair[0]).collect();
        for (wait, least) in waits.iter().zip([500, 1_000, 2_000, 4_000, 5_000]) {
            assert!((least..=least + least / 4 + TICK).contains(wait), "{waits:?}");
        }
        assert!(waits.len() >= 5, "{waits:?}");
        proxy.plane.broken.set(None);
        proxy.run(7_000);
        assert_eq!(proxy.heard(), [1, 2, 3]);
        assert!(proxy.count("poll", outcome) >= 5, "{outcome}");
    }
}

#[test]
fn a_poll_that_is_refused_waits_five_seconds() {
    let mut proxy = Proxy::new(1);
    let start = proxy.now_ms();
    proxy.plane.broken.set(Some(Some(404)));
    proxy.run(20_000);
    let polls = proxy.polls_since(start);
    assert!((3..=4).contains(&polls.len()), "{polls:?}");
    assert_eq!(proxy.count("poll", "refused"), polls.len() as u64);
}

#[test]
fn calls_that_the_host_does_not_send_are_tried_again() {
    let mut proxy = Proxy::new(1);
    let host = &proxy.workers[0].host;
    host.send_no_calls(Some(HostError::BadArgument));
    proxy.run(3_000);
    proxy.workers[0].host.send_no_calls(None);
    proxy.publish(1);
    proxy.run(5_000);
    proxy.publish(1);
    proxy.run(5_000);
    assert_eq!(proxy.heard(), [2]);
    assert!(proxy.count("poll", "failed") >= 3 && proxy.count("report", "failed") >= 3);
}

#[test]
fn a_poll_without_end_is_given_up_after_thirty_seconds() {
    let mut proxy = Proxy::new(1);
    proxy.run(200);
    let start = proxy.now_ms();
    proxy.run(32_000);
    let polls = proxy.polls_since(start);
    assert_eq!(polls.len(), 1, "{polls:?}");
    assert!((30_100..=30_600).contains(&polls[0]), "{polls:?}");
    assert_eq!(proxy.count("poll", "timeout"), 1);
    // The answer to the first comes after all.
    assert_eq!(
        proxy.workers[0].open.iter().filter(|call| is_poll(call)).count(),
        2
    );
    proxy.publish(1);
    proxy.run(TICK);
    assert_eq!(proxy.heard(), [1]);
}

#[test]
fn a_control_plane_that_lost_count_or_forgot_says_so() {
    for (last, oldest) in [(2, 0), (50, 40)] {
        let mut proxy = Proxy::new(2);
        proxy.publish(5);
        proxy.run(500);
        proxy.plane.broken.set(Some(None));
        proxy.run(500);
        proxy.plane.broken.set(None);
        proxy.plane.last.set(last);
        proxy.plane.oldest.set(oldest);
        proxy.run(6_000);
        proxy.publish(1);
        proxy.run(500);
        assert_eq!(proxy.heard(), [0, last + 1]);
    }
}

#[test]
fn a_cursor_that_nobody_can_read_is_a_reset() {
    let mut proxy = Proxy::new(1);
    proxy.process.set_shared(CURSOR, b"of another release");
    proxy.publish(3);
    proxy.run(300);
    proxy.publish(1);
    proxy.run(300);
    assert_eq!(proxy.heard(), [4]);
}

/// As when a leader of before was slow: what the one of now noted stays.
#[test]
fn a_cursor_that_moved_in_the_meantime_is_left_alone() {
    let mut proxy = Proxy::new(1);
    proxy.run(300);
    proxy.publish(1);
    let moved = [*b"weirevt1", 9_u64.to_le_bytes()].concat();
    proxy.process.set_shared(CURSOR, &moved);
    proxy.answer(0);
    assert_eq!(proxy.process.shared(CURSOR), Some(moved));
}

#[test]
fn reports_go_out_one_at_a_time_and_what_they_are_told_is_heard() {
    let mut proxy = Proxy::new(4);
    let start = proxy.now_ms();
    proxy.run(10_000);
    let reports = proxy.reports_since(start);
    assert!((30..=41).contains(&reports.len()), "{}", reports.len());
    assert_eq!(proxy.told().len(), reports.len());
    proxy.plane.silent.set(true);
    proxy.run(500);
    let start = proxy.now_ms();
    proxy.run(2_000);
    assert!(proxy.reports_since(start).len() <= 1);
    proxy.run(10_000);
    // The timeouts are handed over once a second.
    proxy.plane.silent.set(false);
    proxy.run(3_000);
    let timeouts = usize::try_from(proxy.count("report", "timeout")).unwrap();
    assert!(timeouts >= 2);
    assert_eq!(proxy.told().len() + timeouts, proxy.reports_since(0).len());
}

#[test]
fn an_answer_that_comes_after_two_seconds_is_not_heard() {
    for (late, heard) in [(2_000, 1), (2_001, 0)] {
        let mut proxy = Proxy::new(1);
        proxy.plane.silent.set(true);
        proxy.run(TICK);
        proxy.plane.silent.set(false);
        proxy.process.set_now_ms(proxy.now_ms() + late);
        proxy.answer(0);
        assert_eq!(proxy.told().len(), heard);
    }
}

/// A report is under way when the lead changes; then its answer comes, in good time.
#[test]
fn the_answer_to_a_report_of_another_term_is_not_heard() {
    for next in [0, 1] {
        let mut proxy = Proxy::new(2);
        proxy.plane.silent.set(true);
        proxy.run(1_000);
        assert_eq!(proxy.polling(), [0]);
        proxy.process.set_shared(LEADER, b"?");
        proxy.tick(next);
        proxy.plane.silent.set(false);
        proxy.answer(0);
        assert!(proxy.told().is_empty(), "{next}");
    }
}

#[test]
fn a_page_that_came_to_a_leader_of_before_is_left_to_the_one_of_now() {
    let mut proxy = Proxy::new(2);
    proxy.run(1_000);
    assert_eq!(proxy.polling(), [0]);
    proxy.process.set_shared(LEADER, b"?");
    proxy.tick(1);
    proxy.publish(1);
    proxy.answer(0);
    assert!(proxy.heard().is_empty());
    proxy.answer(1);
    assert_eq!(proxy.heard(), [1]);
}

#[test]
fn a_clock_that_steps_holds_nothing_up_for_long() {
    for step in [-3_600_000, -4_000, -1_000, 4_000, 3_600_000] {
        let mut proxy = Proxy::new(3);
        proxy.process.set_now_ms(7_200_000);
        proxy.run(2_000);
        proxy
            .process
            .set_now_ms(proxy.now_ms().checked_add_signed(step).unwrap());
        proxy.publish(1);
        let told = proxy.told().len();
        proxy.run(9_000);
        proxy.publish(1);
        proxy.run(1_000);
        assert_eq!(proxy.heard(), [1, 2], "{step}");
        assert_eq!(proxy.polling().len(), 1, "{step}");
        assert!(proxy.told().len() > told + 5, "{step}");
    }
}

#[test]
fn a_new_root_asks_anew_and_reports_when_the_old_ones_report_is_over() {
    let mut proxy = Proxy::new(1);
    proxy.plane.silent.set(true);
    proxy.run(300);
    let start = proxy.now_ms();
    assert_eq!(proxy.reports_since(0).len(), 1);
    let mut old = proxy.configure(0);
    let calls = std::mem::take(&mut proxy.workers[0].open);
    proxy.plane.silent.set(false);
    proxy.publish(1);
    proxy.tick(0);
    // Envoy keeps the old root while requests run under it, and so its calls.
    let host = &proxy.workers[0].host;
    for call in calls {
        host.answer_with(None);
        old.on_call_end(call.call, host);
    }
    old.on_tick(host);
    proxy.run(3_000);
    assert_eq!(proxy.heard(), [1]);
    assert_eq!(proxy.reports_since(start)[0], 1_800);
    assert!(proxy.process.shared(LEADER).is_some());
}

#[derive(Clone, Debug)]
enum Step {
    Run(u64),
    Publish(u64),
    Break(Option<u16>),
    Mend,
    Silence(bool),
    Die(usize),
    Leave(usize),
    Join,
    Configure(usize),
    Unwritable(usize),
    Clock(i64),
    Garbage(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..80_u64).prop_map(|ticks| Step::Run(ticks * TICK)),
        4 => (1..6_u64).prop_map(Step::Publish),
        1 => prop::sample::select(vec![None, Some(503), Some(404), Some(200)]).prop_map(Step::Break),
        2 => Just(Step::Mend),
        1 => any::<bool>().prop_map(Step::Silence),
        1 => any::<usize>().prop_map(Step::Die),
        1 => any::<usize>().prop_map(Step::Leave),
        2 => Just(Step::Join),
        1 => any::<usize>().prop_map(Step::Configure),
        1 => any::<usize>().prop_map(Step::Unwritable),
        1 => (-100_000..100_000_i64).prop_map(Step::Clock),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Garbage),
    ]
}

/// Takes a worker out, if there is one.
fn take(proxy: &mut Proxy, worker: usize) -> Option<fixture::Vms> {
    let place = worker.checked_rem(proxy.workers.len())?;
    Some(proxy.workers.remove(place))
}

fn act(proxy: &mut Proxy, step: Step) {
    match step {
        Step::Run(ms) => proxy.run(ms),
        Step::Publish(events) => proxy.publish(events),
        Step::Break(status) => proxy.plane.broken.set(Some(status)),
        Step::Mend => proxy.plane.broken.set(None),
        Step::Silence(silent) => proxy.plane.silent.set(silent),
        Step::Die(worker) => drop(take(proxy, worker)),
        Step::Leave(worker) => {
            if let Some(mut worker) = take(proxy, worker) {
                worker.root.on_close(&worker.host);
            }
        }
        Step::Join => proxy.add_worker(),
        Step::Configure(worker) => {
            if let Some(place) = worker.checked_rem(proxy.workers.len()) {
                let mut old = proxy.configure(place);
                proxy.workers[place].open.clear();
                old.on_close(&proxy.workers[place].host);
            }
        }
        Step::Unwritable(worker) => {
            if let Some(worker) = take(proxy, worker) {
                worker.host.fail_store(CURSOR);
                proxy.workers.push(worker);
            }
        }
        Step::Clock(ms) => proxy.process.set_now_ms(proxy.now_ms().saturating_add_signed(ms)),
        Step::Garbage(bytes) => proxy.process.set_shared(LEADER, &bytes),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn whatever_happens_every_event_is_heard_once_and_in_order(steps in prop::collection::vec(step(), 0..40)) {
        let mut proxy = Proxy::new(2);
        proxy.run(TICK);
        for step in steps {
            act(&mut proxy, step);
        }
        proxy.workers.clear();
        proxy.add_worker();
        proxy.plane.broken.set(None);
        proxy.plane.silent.set(false);
        proxy.run(30_000);
        let expected: Vec<u64> = (1..=proxy.plane.last.get()).collect();
        prop_assert_eq!(proxy.heard(), expected);
        prop_assert_eq!(proxy.polling().len(), 1);
        prop_assert!(proxy.told().last().is_some_and(|made| made / 1_000_000 + 1_000 > proxy.now_ms()));
    }
}
