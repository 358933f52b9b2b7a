//! What every event store must do. A further store joins by one more line at the end of this file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use serde_json::json;
use weir_core::event::{Change, Event, Revision};
use weir_policy::document::{Identity, Kind};
use weir_policy::proxy::{CachePurge, Notice, Purged, QuotaReset};
use weir_store::{EventStore, SqliteStore, StoreError};

/// How the suite gets at a store.
trait Open: EventStore + Sized + 'static {
    /// Opens the store that is kept at `home`: the same one each time.
    fn open_at(home: &Path) -> impl Future<Output = Self> + Send;
}

impl Open for SqliteStore {
    async fn open_at(home: &Path) -> Self {
        // A store that was dropped without `close` lets go of the folder at once.
        Self::open(&home.join("data")).await.unwrap()
    }
}

const AT_MS: u64 = 1_800_000_000_123;

fn put(name: &str) -> Change {
    let identity = identity(name);
    let document = json!({
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "Backend",
        "metadata": {"namespace": "default", "name": name, "labels": {"note": "ä \" \\ \u{0} \u{1F980}"}},
        "spec": {"endpoints": [{"address": "127.0.0.1", "port": 8080}], "large": u64::MAX, "small": i64::MIN},
    });
    Change::Put { identity, document }
}

fn delete(name: &str) -> Change {
    Change::Delete {
        identity: identity(name),
    }
}

fn notice(key: &str) -> Change {
    Change::Notice {
        namespace: "default".parse().unwrap(),
        notice: Notice::QuotaReset(QuotaReset {
            policy: "default/api".to_owned(),
            limit: Some("per-user".to_owned()),
            key: Some(vec![key.to_owned(), String::new()]),
        }),
    }
}

fn purge(tag: &str) -> Change {
    Change::Notice {
        namespace: "default".parse().unwrap(),
        notice: Notice::CachePurge(CachePurge {
            policy: None,
            soft: true,
            what: Purged::Tags(vec![tag.to_owned(), "b".to_owned()]),
        }),
    }
}

fn dependencies(tag: &str) -> Change {
    Change::CacheDependencies {
        namespace: "default".parse().unwrap(),
        tag: tag.to_owned(),
        depends_on: vec!["entity:456".to_owned(), tag.to_owned()],
    }
}

fn identity(name: &str) -> Identity {
    Identity {
        kind: Kind::Backend,
        namespace: "default".parse().unwrap(),
        name: name.parse().unwrap(),
    }
}

fn batch(size: usize) -> Vec<Change> {
    (0..size).map(|index| put(&format!("b-{index}"))).collect()
}

async fn read_all<S: EventStore>(store: &S, page: usize) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let after = events.last().map_or(0, |event: &Event| event.revision);
        let next = store.read_after(after, page).await.unwrap();
        assert!(next.len() <= page);
        if next.is_empty() {
            return events;
        }
        events.extend(next);
    }
}

fn assert_gapless(events: &[Event]) {
    for (event, revision) in events.iter().zip(1..) {
        assert_eq!(event.revision, revision);
    }
}

async fn gives_back_what_was_appended<S: Open>(home: &Path) {
    let store = S::open_at(home).await;
    assert_eq!(store.last_revision().await.unwrap(), 0);
    assert_eq!(store.read_after(0, 10).await.unwrap(), []);

    let first = store.append(0, AT_MS, vec![put("a"), put("b")]).await.unwrap();
    let second = store
        .append(2, u64::MAX, vec![delete("a"), notice("ä \" \u{0}")])
        .await
        .unwrap();
    let third = store
        .append(4, AT_MS, vec![purge("ä"), dependencies("ä")])
        .await
        .unwrap();
    let expected = [
        Event {
            revision: 1,
            at_ms: AT_MS,
            change: put("a"),
        },
        Event {
            revision: 2,
            at_ms: AT_MS,
            change: put("b"),
        },
        Event {
            revision: 3,
            at_ms: u64::MAX,
            change: delete("a"),
        },
        Event {
            revision: 4,
            at_ms: u64::MAX,
            change: notice("ä \" \u{0}"),
        },
        Event {
            revision: 5,
            at_ms: AT_MS,
            change: purge("ä"),
        },
        Event {
            revision: 6,
            at_ms: AT_MS,
            change: dependencies("ä"),
        },
    ];
    assert_eq!([first, second, third].concat(), expected);
    assert_eq!(store.read_after(0, usize::MAX).await.unwrap(), expected);
    assert_eq!(store.read_after(1, 1).await.unwrap(), expected[1..2]);
    assert_eq!(store.read_after(0, 0).await.unwrap(), []);
    assert_eq!(store.read_after(3, 10).await.unwrap(), expected[3..]);
    assert_eq!(store.read_after(6, 10).await.unwrap(), []);
    assert_eq!(store.read_after(Revision::MAX, 10).await.unwrap(), []);
    assert_eq!(store.last_revision().await.unwrap(), 6);
}

async fn refuses_any_other_revision<S: Open>(home: &Path) {
    let store = S::open_at(home).await;
    store.append(0, AT_MS, batch(2)).await.unwrap();
    for wrong in [0, 1, 3, Revision::MAX] {
        for changes in [vec![put("late")], Vec::new()] {
            let error = store.append(wrong, AT_MS, changes).await.unwrap_err();
            assert_eq!(error.reason(), "moved");
            assert!(
                matches!(error, StoreError::Moved { expected, found: 2 } if expected == wrong),
                "{error}"
            );
        }
    }
    assert_eq!(store.append(2, AT_MS, Vec::new()).await.unwrap(), []);
    assert_eq!(store.last_revision().await.unwrap(), 2);
    assert_eq!(
        store.append(2, AT_MS, vec![put("c")]).await.unwrap()[0].revision,
        3
    );
}

async fn keeps_everything_over_a_drop_without_close<S: Open>(home: &Path) {
    let mut expected = Vec::new();
    for round in 0..5 {
        let store = S::open_at(home).await;
        assert_eq!(read_all(&store, 100).await, expected);
        expected.extend(store.append(round * 3, AT_MS, batch(3)).await.unwrap());
    }
    assert_eq!(read_all(&S::open_at(home).await, 100).await, expected);
}

async fn refuses_calls_after_close<S: Open>(home: &Path) {
    let store = S::open_at(home).await;
    store.append(0, AT_MS, batch(1)).await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(
        store.append(1, AT_MS, batch(1)).await,
        Err(StoreError::Closed)
    ));
    assert!(matches!(store.read_after(0, 1).await, Err(StoreError::Closed)));
    assert!(matches!(store.last_revision().await, Err(StoreError::Closed)));
    store.close().await.unwrap();
    assert_eq!(S::open_at(home).await.last_revision().await.unwrap(), 1);
}

async fn lets_one_of_many_writers_win<S: Open>(home: &Path) {
    let store = Arc::new(S::open_at(home).await);
    for round in 0..20 {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let store = Arc::clone(&store);
                let changes = vec![put(&format!("w-{writer}")), put(&format!("x-{writer}"))];
                tokio::spawn(async move { store.append(round * 2, AT_MS, changes).await })
            })
            .collect();
        let mut winners = Vec::new();
        for writer in writers {
            match writer.await.unwrap() {
                Ok(events) => winners.push(events),
                Err(StoreError::Moved { expected, found }) => {
                    assert_eq!((expected, found), (round * 2, round * 2 + 2));
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(store.read_after(round * 2, 10).await.unwrap(), winners[0]);
    }
}

async fn never_shows_a_part_of_a_batch<S: Open>(home: &Path) {
    const BATCH: u64 = 7;
    let store = Arc::new(S::open_at(home).await);
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        async move {
            while !done.load(Ordering::Acquire) {
                assert_eq!(store.last_revision().await.unwrap() % BATCH, 0);
                let seen = store.read_after(0, usize::MAX).await.unwrap().len() as u64;
                assert_eq!(seen % BATCH, 0);
            }
        }
    });
    for round in 0..40 {
        store
            .append(round * BATCH, AT_MS, batch(BATCH as usize))
            .await
            .unwrap();
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::Release);
    reader.await.unwrap();
}

/// A caller that gives up at any point leaves all of its batch or nothing, and a store that works.
async fn survives_callers_that_give_up<S: Open>(home: &Path) {
    const BATCH: u64 = 3;
    let store = S::open_at(home).await;
    for polls in 0..60 {
        let before = store.last_revision().await.unwrap();
        {
            let mut append = pin!(store.append(before, AT_MS, batch(BATCH as usize)));
            for _ in 0..polls {
                let poll = append.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                if poll.is_ready() {
                    break;
                }
                std::thread::yield_now();
            }
        }
        let found = loop {
            let last = store.last_revision().await.unwrap();
            match store.append(last, AT_MS, batch(BATCH as usize)).await {
                Ok(events) => break events[0].revision - 1,
                // What was given up on came through after all.
                Err(StoreError::Moved { .. }) => {}
                Err(error) => panic!("after {polls} polls: {error}"),
            }
        };
        assert!(
            found == before || found == before + BATCH,
            "after {polls} polls: {before} -> {found}"
        );
    }
    let events = read_all(&store, 100).await;
    assert_eq!(events.len() as u64, store.last_revision().await.unwrap());
    assert_gapless(&events);
}

async fn takes_a_large_batch_and_pages_it_back<S: Open>(home: &Path) {
    let store = S::open_at(home).await;
    let appended = store.append(0, AT_MS, batch(10_000)).await.unwrap();
    assert_eq!(appended.len(), 10_000);
    assert_gapless(&appended);
    for page in [1_000, 3_333] {
        assert_eq!(read_all(&store, page).await, appended);
    }
}

macro_rules! contract {
    ($store:ty, $($name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let home = tempfile::tempdir().unwrap();
                super::$name::<$store>(home.path()).await;
            }
        )+
    };
}

macro_rules! stores {
    ($($module:ident: $store:ty),+ $(,)?) => {
        $(
            mod $module {
                contract!(
                    $store,
                    gives_back_what_was_appended,
                    refuses_any_other_revision,
                    keeps_everything_over_a_drop_without_close,
                    refuses_calls_after_close,
                    lets_one_of_many_writers_win,
                    never_shows_a_part_of_a_batch,
                    survives_callers_that_give_up,
                    takes_a_large_batch_and_pages_it_back,
                );
            }
        )+
    };
}

stores!(sqlite: super::SqliteStore);
