//! A policy in shadow counts, and changes nothing.

use serde_json::{Value, json};

use crate::fixture::{Limited, Verdict, by_user, policy, rate, slot_of, user, with};

const NEVER_MS: u64 = 3_600_000;

fn enforced(burst: u64) -> Value {
    policy(&[by_user(rate(1, NEVER_MS, burst))])
}

fn shadow(burst: u64) -> Value {
    with(enforced(burst), "shadow", true.into())
}

/// What a limit `user` of this policy counted, in the order of the names.
fn counted(limited: &Limited, policy: &str) -> [u64; 4] {
    let outcomes = [
        "shadow-allowed",
        "shadow-limited",
        "shadow-only-limited",
        "shadow-only-allowed",
    ];
    outcomes.map(|outcome| limited.counted(outcome, policy, "user"))
}

#[test]
fn a_stricter_shadow_holds_nobody_back() {
    let limited = Limited::on(
        2,
        &slot_of(&json!({"default/live": enforced(5), "default/next": shadow(3)})),
    );
    let verdicts: Vec<Verdict> = (0..7)
        .map(|number| limited.ask(number % 2, &user("alice")))
        .collect();
    assert_eq!(
        verdicts,
        [[Verdict::Passed; 5].as_slice(), &[Verdict::Limited; 2]].concat()
    );
    assert_eq!(counted(&limited, "next"), [3, 2, 2, 0]);
}

#[test]
fn a_laxer_shadow_counts_what_it_would_let_pass() {
    let limited = Limited::on(
        2,
        &slot_of(&json!({"default/live": enforced(2), "default/next": shadow(4)})),
    );
    let passed = (0..6)
        .filter(|number| limited.passes(number % 2, &user("alice")))
        .count();
    assert_eq!(passed, 2);
    assert_eq!(counted(&limited, "next"), [2, 2, 0, 2]);
}

#[test]
fn a_candidate_is_compared_with_the_policy_in_whose_place_it_might_come() {
    let candidate = with(shadow(3), "candidateFor", "default/b".into());
    let policies = json!({"default/a": enforced(2), "default/b": enforced(3), "default/c": candidate});
    let limited = Limited::on(1, &slot_of(&policies));
    for _ in 0..5 {
        limited.ask(0, &user("alice"));
    }
    // `a` holds back the last three; `b` itself would have let one more pass, and held back nobody so far.
    assert_eq!(counted(&limited, "c"), [3, 0, 2, 0]);
}

#[test]
fn a_shadow_alone_lets_everything_pass_and_tells_nothing() {
    let limited = Limited::on(1, &slot_of(&json!({"default/next": shadow(1)})));
    for _ in 0..4 {
        let stream = limited.plugin.worker(0).open(user("alice")).unwrap();
        let ok = [(":status", "200")].into_iter().collect();
        assert_eq!(stream.response_headers(ok, true).unwrap().content.len(), 1);
        stream.finish().unwrap();
    }
    assert_eq!(counted(&limited, "next"), [1, 0, 3, 0]);
}

#[test]
fn a_shadow_refuses_nothing_for_want_of_a_value() {
    let limit = with(by_user(rate(1, NEVER_MS, 1)), "onMissingKey", "reject".into());
    let limited = Limited::on(
        1,
        &slot_of(&json!({"default/next": with(policy(&[limit]), "shadow", true.into())})),
    );
    assert_eq!(
        limited.ask(0, &weir_wasm_tests::Request::get("/")),
        Verdict::Passed
    );
    assert_eq!(limited.counted("key-missing", "next", "user"), 1);
}
