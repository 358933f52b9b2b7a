//! The event store: the only thing ever written. Everything else the control plane knows is derived from its events.
//!
//! **The problem.** What the API acknowledged must survive `kill -9` and a power cut, two writers must never both
//! believe that they wrote the next event, and a reader must never see half of a request.
//!
//! **The algorithm.** An append-only table whose key is the revision, with optimistic concurrency: a writer names the
//! revision that it believes is the last, and a transaction compares and inserts (event sourcing's *expected version*,
//! Greg Young, "CQRS Documents", 2010). [`SqliteStore`] does this on SQLite in WAL mode with `synchronous=FULL`: a
//! commit returns after the log has been synced (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
//!
//! **When not to use it.** SQLite is for one control plane process per data folder, and the folder must not be on a
//! network file system (<https://www.sqlite.org/wal.html>). It is no queue and no cache: events are never deleted.
//!
//! ```
//! use weir_core::event::Change;
//! use weir_store::{EventStore, SqliteStore, StoreError};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let home = tempfile::tempdir().unwrap();
//! # let folder = home.path().join("data");
//! let store = SqliteStore::open(&folder).await?;
//! let change: Change = serde_json::from_str(
//!     r#"{"type": "delete", "identity": {"kind": "Backend", "namespace": "default", "name": "a"}}"#,
//! ).unwrap();
//! let events = store.append(0, 1_700_000_000_000, vec![change.clone()]).await?;
//! assert_eq!(events[0].revision, 1);
//! let late = store.append(0, 1_700_000_000_001, vec![change]).await;
//! assert!(matches!(late, Err(StoreError::Moved { expected: 0, found: 1 })));
//! assert_eq!(store.read_after(0, 100).await?, events);
//! store.close().await?;
//! # Ok::<_, StoreError>(())
//! # }).unwrap();
//! ```

mod error;
mod event_store;
mod sqlite;

pub use error::StoreError;
pub use event_store::EventStore;
pub use sqlite::SqliteStore;
