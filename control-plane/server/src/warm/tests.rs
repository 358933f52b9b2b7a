use serde_json::{Value, json};
use weir_core::cache::{WarmRunStatus, WarmStanding, WarmTotals};
use weir_core::event::{Change, Event};
use weir_core::module::ModuleCatalog;
use weir_policy::document::{Identity, Kind};
use weir_policy::name::Name;
use weir_policy::proxy::{CacheReport, WarmCounts};

use super::*;
use crate::world::World;

const MINUTE_MS: u64 = 60_000;
const AGES_MS: u64 = 21 * MINUTE_MS;

/// A book, and the world that it is about: a CachePolicy with one strategy.
struct Plane {
    world: World,
    book: WarmBook,
}

fn namespace() -> Name {
    Name::default_namespace()
}

impl Plane {
    fn new(spec: Value) -> Self {
        let mut policy =
            json!({"warming": [{"name": "a", "schedule": "0 0 1 1 *", "host": "a", "urls": ["/"]}]});
        policy
            .as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        let backend = json!({"endpoints": [{"address": "10.0.0.1", "port": 80}]});
        let document = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "weir.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let plane = Self {
            world: World::new(ModuleCatalog::default()),
            book: WarmBook::default(),
        };
        let documents = vec![
            document("Backend", "tier", backend),
            document("CachePolicy", "pages", policy),
        ];
        let planned = plane.world.current().state.plan(documents).unwrap();
        plane.take(planned.changes);
        plane
    }

    fn take(&self, changes: Vec<Change>) {
        let revision = self.world.current().state.revision();
        let events: Vec<Event> = (revision + 1..)
            .zip(changes)
            .map(|(revision, change)| Event {
                revision,
                at_ms: 0,
                change,
            })
            .collect();
        self.world.take(&events).unwrap();
    }

    /// A run of so many URLs is in the world.
    fn stored(&self, urls: usize, proxies: &[&str]) -> WarmDone {
        let urls: Vec<String> = (0..urls).map(|index| format!("/{index}")).collect();
        let proxies: Vec<String> = proxies.iter().map(ToString::to_string).collect();
        let request = json!({"policy": "pages", "urls": urls});
        let request: WarmRequest = serde_json::from_value(request).unwrap();
        let state = &self.world.current().state;
        let job = state.warm_job(&request).unwrap();
        let (changes, done) = state.plan_warm(&job, job.source().unwrap(), &proxies);
        self.take(changes);
        done
    }

    /// The same, and the book knows it.
    fn run(&self, urls: usize, proxies: &[&str], now_ms: u64) -> String {
        let done = self.stored(urls, proxies);
        self.book.durable(&namespace(), &done, now_ms);
        done.job.unwrap_or_default()
    }

    /// A proxy says what it has done: of each run how many URLs it has, and how many it fetched, hit and failed.
    fn told(&self, node: &str, jobs: &[(&str, [u32; 4])], now_ms: u64) {
        let counts = |(job, [urls, fetched, hit, failed]): &(&str, [u32; 4])| WarmCounts {
            job: (*job).to_owned(),
            urls: *urls,
            fetched: *fetched,
            hit: *hit,
            failed: *failed,
        };
        let report = CacheReport {
            slot: "weir/default/edge/edge-cache".to_owned(),
            node: node.to_owned(),
            jobs: jobs.iter().map(counts).collect(),
        };
        self.book.report(report, &self.world, now_ms);
    }

    fn status(&self, job: &str, now_ms: u64) -> WarmRunStatus {
        let status = self.book.status(&self.world, &namespace(), now_ms);
        status.runs.into_iter().find(|run| run.run.job == job).unwrap()
    }

    fn standing(&self, job: &str, now_ms: u64) -> WarmStanding {
        self.status(job, now_ms).standing
    }

    /// What became of runs, and how many are under way.
    fn runs(&self, now_ms: u64) -> (Vec<(WarmOutcome, u64)>, usize) {
        let totals = self.book.totals(&self.world, now_ms);
        (totals.runs.into_iter().collect(), totals.under_way)
    }

    /// Fetched, hit, failed, left out.
    fn urls(&self, now_ms: u64) -> [u64; 4] {
        let WarmTotals {
            fetched,
            hit,
            failed,
            left_out,
            ..
        } = self.book.totals(&self.world, now_ms);
        [fetched, hit, failed, left_out]
    }
}

#[test]
fn a_run_is_done_when_every_proxy_has_made_every_request() {
    let plane = Plane::new(json!({}));
    let job = plane.run(300, &["one", "two"], 0);
    assert_eq!(plane.standing(&job, 0), WarmStanding::UnderWay);
    assert_eq!(plane.runs(0), (vec![], 1));
    // The second part of the run has not come yet.
    plane.told("one", &[(&job, [256, 200, 56, 0])], 0);
    plane.told("two", &[(&job, [300, 300, 0, 0])], 0);
    assert_eq!(plane.standing(&job, 0), WarmStanding::UnderWay);
    assert_eq!(plane.urls(0), [500, 56, 0, 0]);
    plane.told("one", &[(&job, [300, 244, 56, 0])], 0);
    let status = plane.status(&job, 0);
    assert_eq!((status.standing, status.proxies), (WarmStanding::Done, 2));
    assert_eq!(
        (status.requests, status.fetched, status.hit, status.failed),
        (600, 544, 56, 0)
    );
    assert_eq!(plane.runs(AGES_MS), (vec![(WarmOutcome::Done, 1)], 0));
    assert_eq!(plane.urls(0), [544, 56, 0, 0]);
}

#[test]
fn proxies_that_share_a_tier_make_each_request_once() {
    let plane = Plane::new(json!({"tier2": {"backend": "tier"}}));
    let done = plane.stored(10, &["one", "two"]);
    plane.book.durable(&namespace(), &done, 0);
    let job = done.job.unwrap();
    let [one, two] = ["one", "two"].map(|node| u32::try_from(done.shares[node]).unwrap());
    assert!(one + two == 10 && two > 3, "{one}, {two}");
    plane.told("one", &[(&job, [one, one, 0, 0])], 0);
    assert_eq!(plane.standing(&job, 0), WarmStanding::UnderWay);
    plane.told("two", &[(&job, [two, two - 3, 2, 1])], 0);
    assert_eq!(plane.standing(&job, 0), WarmStanding::Failed);
    assert_eq!(plane.runs(0), (vec![(WarmOutcome::Failed, 1)], 0));
    assert_eq!(plane.urls(0), [7, 2, 1, 0]);
}

#[test]
fn a_proxy_that_comes_back_makes_the_requests_too() {
    let plane = Plane::new(json!({}));
    let job = plane.run(4, &["one"], 0);
    plane.told("one", &[(&job, [4, 1, 0, 0])], 0);
    plane.told("two", &[(&job, [4, 4, 0, 0])], 0);
    assert_eq!(plane.standing(&job, 0), WarmStanding::UnderWay);
    plane.told("one", &[(&job, [4, 4, 0, 0])], 0);
    assert_eq!(plane.standing(&job, 0), WarmStanding::Done);
}

#[test]
fn what_a_proxy_makes_that_was_away_does_not_count_for_another() {
    let plane = Plane::new(json!({}));
    let job = plane.run(4, &["one"], 0);
    plane.told("two", &[(&job, [4, 4, 0, 0])], 0);
    assert_eq!(
        plane.standing(&job, 0),
        WarmStanding::UnderWay,
        "one has said nothing"
    );
    plane.told("one", &[(&job, [4, 3, 0, 0])], 0);
    assert_eq!(plane.standing(&job, 0), WarmStanding::UnderWay);
    plane.told("one", &[(&job, [4, 4, 0, 0])], 0);
    assert_eq!(plane.standing(&job, 0), WarmStanding::Done);
}

#[test]
fn a_run_that_nobody_speaks_of_any_more_is_incomplete() {
    let plane = Plane::new(json!({}));
    let (lost, next) = (plane.run(4, &["one"], 0), plane.run(2, &["one"], 0));
    plane.told("one", &[(&lost, [4, 1, 0, 0]), (&next, [2, 0, 0, 0])], 0);
    // The same again is no news; what comes after a run that goes on waits for it.
    let half = AGES_MS / 2;
    plane.told("one", &[(&lost, [4, 2, 0, 0]), (&next, [2, 0, 0, 0])], half);
    assert_eq!(plane.runs(AGES_MS), (vec![], 2));
    plane.told("one", &[(&lost, [4, 2, 0, 0]), (&next, [2, 1, 0, 0])], AGES_MS);
    assert_eq!(plane.standing(&next, half + AGES_MS), WarmStanding::UnderWay);
    assert_eq!(plane.standing(&lost, half + AGES_MS), WarmStanding::Incomplete);
    assert_eq!(
        plane.runs(half + AGES_MS),
        (vec![(WarmOutcome::Incomplete, 1)], 1)
    );
    assert_eq!(plane.urls(half + AGES_MS), [3, 0, 0, 2]);
}

#[test]
fn a_run_that_is_forgotten_is_incomplete() {
    let plane = Plane::new(json!({}));
    let job = plane.run(4, &["one"], 0);
    plane.told("one", &[(&job, [4, 1, 0, 0])], 0);
    let policy = Identity {
        kind: Kind::CachePolicy,
        namespace: namespace(),
        name: "pages".parse().unwrap(),
    };
    let deleted = plane.world.current().state.plan_delete(&policy, None).unwrap();
    plane.take(vec![deleted]);
    assert_eq!(plane.runs(0), (vec![(WarmOutcome::Incomplete, 1)], 0));
    assert_eq!(plane.urls(0), [1, 0, 0, 3]);
}

#[test]
fn what_a_proxy_says_before_the_run_is_noted_counts() {
    let plane = Plane::new(json!({}));
    let done = plane.stored(2, &["one"]);
    let job = done.job.clone().unwrap();
    plane.told("one", &[(&job, [2, 1, 1, 0])], 0);
    // So it looks where the run began before the control plane started.
    assert_eq!(plane.standing(&job, 0), WarmStanding::Unknown);
    assert_eq!((plane.runs(AGES_MS), plane.urls(0)), ((vec![], 0), [0; 4]));
    plane.book.durable(&namespace(), &done, 0);
    assert_eq!(plane.standing(&job, 0), WarmStanding::Done);
    assert_eq!(plane.urls(0), [1, 1, 0, 0]);
}

#[test]
fn a_run_for_nobody_is_empty_and_what_did_not_begin_is_counted() {
    let plane = Plane::new(json!({}));
    assert_eq!(plane.run(3, &[], 0), "");
    plane.book.ended(WarmOutcome::NotBegun);
    let ended = vec![(WarmOutcome::Empty, 1), (WarmOutcome::NotBegun, 1)];
    assert_eq!((plane.runs(0), plane.urls(0)), ((ended, 0), [0, 0, 0, 3]));
}
