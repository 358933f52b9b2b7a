//! Several limits and several workers: all limits let a request pass and are charged, or none is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_limiter::Tallied::{Allowed, Failed, ShadowAllowed};
use weir_limiter::{Board, CellError, Decision, Limiter, Passed};

use crate::fixture::{MILLI, NOW, Request, SECOND, Slot, limit, limiter, policy, rate, slot};
use crate::world::World;

/// Of a user, of a tenant, of all: so many at once.
const BURSTS: [u64; 3] = [3, 5, 8];

fn three(max_keys: u32, on_error: &str) -> Value {
    let by = |name: &str, key: Value, burst: u64| {
        limit(
            &json!({"name": name, "key": key, "quota": rate(burst, burst * 1_000_000),
                      "cost": {"requestHeader": {"name": "x-cost", "max": 9}}}),
        )
    };
    let limits = [
        by("user", json!([{"header": "x-user"}]), BURSTS[0]),
        by("tenant", json!([{"header": "x-tenant"}]), BURSTS[1]),
        by("all", json!([]), BURSTS[2]),
    ];
    let more = json!({"maxKeys": max_keys, "onError": on_error});
    slot(&[("default/api", policy(&limits, &more))], &json!({}))
}

/// What a worker is asked.
#[derive(Clone, Copy, Debug)]
struct Ask {
    user: u8,
    tenant: u8,
    cost: u64,
}

impl Ask {
    fn request(self) -> Request {
        Request::new()
            .with("x-user", [b'a' + self.user])
            .with("x-tenant", [b'a' + self.tenant])
            .with("x-cost", self.cost.to_string())
    }

    /// The keys that it is counted by, with how many may pass.
    fn keys(self) -> [(String, u64); 3] {
        [
            (format!("user {}", self.user), BURSTS[0]),
            (format!("tenant {}", self.tenant), BURSTS[1]),
            ("all".to_owned(), BURSTS[2]),
        ]
    }
}

fn ask() -> impl Strategy<Value = Ask> {
    (0_u8..3, 0_u8..2, 0_u64..4).prop_map(|(user, tenant, cost)| Ask { user, tenant, cost })
}

/// One process with its workers.
#[derive(Clone)]
struct Process {
    limiter: Rc<Limiter>,
    passed: Rc<RefCell<BTreeMap<String, u64>>>,
}

impl Process {
    fn new(config: &Value) -> Self {
        Self {
            limiter: Rc::new(limiter(config)),
            passed: Rc::default(),
        }
    }

    /// A worker takes a request from end to end.
    fn serve(&self, ask: Ask, world: &World) -> Decision {
        let decision = self
            .limiter
            .on_request(&ask.request(), &Board::new(NOW), world, NOW);
        if matches!(decision, Decision::Pass(_)) {
            for (key, _) in ask.keys() {
                *self.passed.borrow_mut().entry(key).or_default() += ask.cost;
            }
        }
        decision
    }

    fn passed(&self, key: &str) -> u64 {
        self.passed.borrow().get(key).copied().unwrap_or_default()
    }

    /// Units that the state of a key holds.
    fn charged(&self, number: usize, value: &[String], burst: u64, world: &World) -> u64 {
        let limit = &self.limiter.policies()[0].limits()[number];
        let key = limit.key_of_texts(value, 0).unwrap().0.to_le_bytes();
        let buckets = world.buckets();
        let mut entries = buckets.values().flat_map(|bytes| bytes.chunks(24));
        let Some(entry) = entries.find(|entry| entry[..8] == key) else {
            return 0;
        };
        let full_at = u64::from_le_bytes(entry[8..16].try_into().unwrap());
        // One unit comes back in a thousand seconds.
        assert_eq!(full_at.saturating_sub(NOW) % (1_000 * SECOND), 0);
        let units = full_at.saturating_sub(NOW) / (1_000 * SECOND);
        assert!(units <= burst, "{units} of {burst}");
        units
    }

    /// For each key what passed, and what its state holds.
    fn accounts(&self, world: &World) -> Vec<(String, u64, u64)> {
        let mut accounts = Vec::new();
        for letter in 0_u8..3 {
            let name = ((b'a' + letter) as char).to_string();
            for (number, place) in [(0, "user"), (1, "tenant")] {
                let key = format!("{place} {letter}");
                let charged = self.charged(number, std::slice::from_ref(&name), BURSTS[number], world);
                accounts.push((key.clone(), self.passed(&key), charged));
            }
        }
        accounts.push((
            "all".to_owned(),
            self.passed("all"),
            self.charged(2, &[], BURSTS[2], world),
        ));
        accounts
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn workers_together_let_through_what_one_would_and_charge_just_that(
        asks in proptest::collection::vec(ask(), 1..8),
        others in proptest::collection::vec((0_usize..60, ask()), 0..24),
        max_keys in prop_oneof![Just(1_u32), Just(64)],
    ) {
        let (process, world) = (Process::new(&three(max_keys, "deny")), World::default());
        for (call, ask) in others {
            let other = process.clone();
            world.before(call, move |world| drop(other.serve(ask, world)));
        }
        for ask in asks {
            process.serve(ask, &world);
        }
        for (key, passed, charged) in process.accounts(&world) {
            prop_assert_eq!(charged, passed, "{}", key);
        }
    }

    #[test]
    fn failures_let_nobody_through(
        asks in proptest::collection::vec(ask(), 1..16),
        others in proptest::collection::vec((0_usize..60, ask()), 0..12),
        failures in proptest::collection::vec((0_usize..80, any::<bool>()), 1..12),
    ) {
        let (process, world) = (Process::new(&three(1, "deny")), World::default());
        for (call, ask) in others {
            let other = process.clone();
            world.before(call, move |world| drop(other.serve(ask, world)));
        }
        for (call, moved) in failures {
            world.fail(call, if moved { CellError::Moved } else { CellError::Failed });
        }
        for ask in asks {
            process.serve(ask, &world);
        }
        for (key, passed, charged) in process.accounts(&world) {
            prop_assert!(charged >= passed, "{}: {} passed, {} charged", key, passed, charged);
        }
    }

    #[test]
    fn alone_a_worker_refuses_only_what_is_too_much(
        asks in proptest::collection::vec(ask(), 1..20), max_keys in prop_oneof![Just(1_u32), Just(64)],
    ) {
        let (process, world) = (Process::new(&three(max_keys, "deny")), World::default());
        for ask in asks {
            let fits = ask.keys().iter().all(|(key, burst)| process.passed(key) + ask.cost <= *burst);
            let before = world.buckets();
            let passes = matches!(process.serve(ask, &world), Decision::Pass(_));
            prop_assert_eq!(passes, fits, "{:?}", ask);
            if !passes {
                prop_assert_eq!(world.buckets(), before, "a refused request changes nothing");
            }
        }
    }

    #[test]
    fn a_bucket_of_any_bytes_serves(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let (process, world) = (Process::new(&three(1, "deny")), World::default());
        world.put(0, &bytes);
        let decision = process.serve(Ask { user: 0, tenant: 0, cost: 1 }, &world);
        prop_assert!(matches!(decision, Decision::Pass(_)), "{:?}", decision);
    }
}

#[test]
fn a_worker_that_is_overtaken_once_looks_again() {
    let (process, world) = (Process::new(&three(1, "deny")), World::default());
    let ask = Ask {
        user: 0,
        tenant: 0,
        cost: 2,
    };
    let other = process.clone();
    // After the three looks, before the first write.
    world.before(3, move |world| {
        assert!(matches!(other.serve(ask, world), Decision::Pass(_)))
    });
    let Decision::Limited(limited) = process.serve(ask, &world) else {
        panic!()
    };
    assert_eq!(limited.violated, ["user"]);
    assert_eq!(process.accounts(&world)[0], ("user 0".to_owned(), 2, 2));
}

#[test]
fn a_limit_that_was_charged_before_another_refused_gets_it_back() {
    let (process, world) = (Process::new(&three(64, "deny")), World::default());
    let [mine, theirs] = [0, 1].map(|user| Ask {
        user,
        tenant: 0,
        cost: 3,
    });
    let other = process.clone();
    // The user is charged, then the tenant's quota is gone.
    world.before(4, move |world| {
        assert!(matches!(other.serve(theirs, world), Decision::Pass(_)))
    });
    let Decision::Limited(limited) = process.serve(mine, &world) else {
        panic!()
    };
    assert_eq!(limited.violated, ["tenant"]);
    for (key, passed, charged) in process.accounts(&world) {
        assert_eq!(charged, passed, "{key}");
    }
}

/// Another worker writes the only bucket before each of the next `calls` calls.
fn storm(world: &World, from: usize, calls: usize) {
    for call in from..from + calls {
        world.before(call, |world| {
            let bytes = world.buckets().remove(&0).unwrap_or_default();
            world.put(0, &bytes);
        });
    }
}

#[test]
fn a_worker_that_is_always_overtaken_gives_up_and_charges_nothing() {
    for from in [0, 3, 4, 5] {
        let (process, world) = (Process::new(&three(1, "deny")), World::default());
        storm(&world, from, 400);
        assert_eq!(
            process.serve(
                Ask {
                    user: 0,
                    tenant: 0,
                    cost: 1
                },
                &world
            ),
            Decision::Failed
        );
        assert!(world.calls() < 400, "{} calls", world.calls());
    }
    // A storm that passes is waited out, and what was charged on the way given back.
    let (process, world) = (Process::new(&three(1, "deny")), World::default());
    storm(&world, 4, 120);
    assert!(matches!(
        process.serve(
            Ask {
                user: 0,
                tenant: 0,
                cost: 1
            },
            &world
        ),
        Decision::Pass(_)
    ));
    for (key, passed, charged) in process.accounts(&world) {
        assert_eq!(charged, passed, "{key}");
    }
}

#[test]
fn a_failure_at_any_call_fails_the_request_and_gives_back_what_was_charged() {
    for call in 0.. {
        let (process, world) = (Process::new(&three(100_000, "deny")), World::default());
        world.fail(call, CellError::Failed);
        let decision = process.serve(
            Ask {
                user: 0,
                tenant: 0,
                cost: 1,
            },
            &world,
        );
        if matches!(decision, Decision::Pass(_)) {
            assert_eq!((call, world.calls()), (6, 6), "three looks and three writes");
            break;
        }
        assert_eq!(decision, Decision::Failed);
        assert_eq!(world.tallied(), [(0, 0, Failed), (0, 1, Failed), (0, 2, Failed)]);
        for (key, _, charged) in process.accounts(&world) {
            assert_eq!(charged, 0, "{key}");
        }
    }
}

#[test]
fn a_failure_lets_requests_pass_uncounted_where_every_policy_allows_it() {
    let by = |on_error: &str, shadow: bool| {
        policy(
            &[limit(&json!({}))],
            &json!({"onError": on_error, "shadow": shadow}),
        )
    };
    let of = |a: Value, b: Value| {
        let slot = Slot::new(&slot(&[("default/a", a), ("default/b", b)], &json!({})));
        slot.world.fail(0, CellError::Failed);
        slot.ask(&Request::new(), NOW)
    };
    assert_eq!(
        of(by("allow", false), by("allow", false)),
        Decision::Pass(Passed::default())
    );
    assert_eq!(of(by("allow", false), by("deny", false)), Decision::Failed);
    assert_eq!(of(by("deny", false), by("allow", false)), Decision::Failed);
    assert_eq!(
        of(by("allow", false), by("deny", true)),
        Decision::Pass(Passed::default())
    );
}

#[test]
fn a_shadow_that_fails_is_counted_and_changes_nothing() {
    let shadow = policy(
        &[limit(&json!({"key": []}))],
        &json!({"shadow": true, "onError": "deny"}),
    );
    let live = policy(
        &[limit(&json!({"key": [], "quota": rate(1, 3_600_000)}))],
        &json!({}),
    );
    let slot = Slot::new(&slot(&[("default/a", live), ("default/b", shadow)], &json!({})));
    slot.world.fail(2, CellError::Failed);
    assert!(slot.passed(&Request::new(), NOW).fields.is_some());
    assert_eq!(slot.world.tallied(), [(0, 0, Allowed), (1, 0, Failed)]);
}

#[test]
fn requests_under_way_that_pass_for_want_of_a_verdict_still_end_for_a_shadow() {
    let at_once = json!({"key": [], "quota": {"concurrency": {"requests": 1, "maxDurationMs": 60_000}}});
    let shadow = policy(&[limit(&at_once)], &json!({"shadow": true}));
    let live = policy(&[limit(&json!({"key": []}))], &json!({}));
    let slot = Slot::new(&slot(&[("default/a", live), ("default/b", shadow)], &json!({})));
    slot.world.fail(0, CellError::Failed);
    let pending = slot.passed(&Request::new(), NOW).pending;
    slot.limiter.on_end(&pending[0], &slot.world, NOW).unwrap();
    slot.world.tallied();
    assert!(slot.passes(&Request::new(), NOW));
    assert_eq!(slot.world.tallied(), [(0, 0, Allowed), (1, 0, ShadowAllowed)]);
}

#[test]
fn more_keys_than_fit_push_out_the_one_that_has_its_quota_back_first() {
    let slot = Slot::of(&json!({"quota": rate(1, 60_000)}));
    let user = |number: u64| Request::new().with("x-user", number.to_string());
    for number in 0..16 {
        assert!(slot.passes(&user(number), NOW + number * MILLI));
    }
    assert_eq!(slot.world.evictions(), 0);
    assert!(slot.passes(&user(16), NOW + 16 * MILLI));
    assert_eq!(slot.world.evictions(), 1);
    assert!(!slot.passes(&user(1), NOW + 17 * MILLI));
    assert!(
        slot.passes(&user(0), NOW + 17 * MILLI),
        "forgotten: it starts anew"
    );
    // What has its quota back goes for nothing.
    assert!(slot.passes(&user(17), NOW + 120 * SECOND));
    assert_eq!(slot.world.evictions(), 2);
    assert_eq!(slot.world.keys().len(), 1);
}

/// Each request has a user of its own, whose quota takes longer to come back than the tenant's, in the tenant's bucket.
#[test]
fn users_without_end_do_not_make_their_tenant_forgotten() {
    let slot = Slot::with(&[
        limit(&json!({"name": "tenant", "key": [{"header": "x-tenant"}], "quota": rate(20, 60_000)})),
        limit(&json!({"quota": rate(1, 3_600_000)})),
    ]);
    let passes = |user: &u64| {
        let request = Request::new()
            .with("x-tenant", "t")
            .with("x-user", user.to_string());
        slot.passes(&request, NOW)
    };
    assert_eq!((0..200).filter(passes).count(), 20);
    assert_eq!(slot.world.evictions(), 5, "users");
}

#[test]
fn a_clock_that_steps_back_locks_nobody_out_for_longer_than_a_burst() {
    let slot = Slot::of(&json!({"quota": rate(2, 20_000)}));
    assert_eq!(slot.count(&Request::new(), NOW + 3_600 * SECOND), 2);
    // An hour back: the bucket counts as empty from now on.
    assert!(!slot.passes(&Request::new(), NOW));
    assert!(!slot.passes(&Request::new(), NOW + 9 * SECOND));
    assert!(slot.passes(&Request::new(), NOW + 10 * SECOND));
    assert_eq!(slot.count(&Request::new(), NOW + 40 * SECOND), 2);
}
