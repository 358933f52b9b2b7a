//! What is SQLite's own: the data folder, files that aren't ours or are damaged, and failures in the middle of a batch.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use weir_core::event::Change;
use weir_policy::document::{Identity, Kind};
use weir_store::{EventStore, SqliteStore, StoreError};

fn change(name: &str) -> Change {
    let identity = Identity {
        kind: Kind::ShardMap,
        namespace: "default".parse().unwrap(),
        name: name.parse().unwrap(),
    };
    Change::Put {
        identity,
        document: json!({"padding": "x".repeat(500)}),
    }
}

fn changes(count: usize) -> Vec<Change> {
    (0..count).map(|index| change(&format!("m-{index}"))).collect()
}

fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("var/weir");
    (home, folder)
}

/// A database with 200 events, closed.
async fn filled() -> (tempfile::TempDir, PathBuf) {
    let (home, folder) = home();
    let store = SqliteStore::open(&folder).await.unwrap();
    store.append(0, 1, changes(200)).await.unwrap();
    store.close().await.unwrap();
    (home, folder)
}

/// Another program's connection to the database.
async fn outside(folder: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(folder.join(SqliteStore::FILE))
        .create_if_missing(true)
        .connect()
        .await
        .unwrap()
}

async fn execute(folder: &Path, sql: &'static str) {
    let mut connection = outside(folder).await;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The content of every file but the lock and the log's index, which SQLite makes anew as it likes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("weir.lock") && !path.ends_with("weir.db-shm"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// Opens a folder that must be refused, and checks that nothing in it changed.
async fn refused(folder: &Path) -> StoreError {
    let before = contents(folder);
    let error = SqliteStore::open(folder).await.unwrap_err();
    assert_eq!(contents(folder), before, "{error}");
    let shown = error.to_string();
    assert!(
        shown.contains(&folder.join(SqliteStore::FILE).display().to_string()),
        "{shown}"
    );
    error
}

fn copy_database(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in ["weir.db", "weir.db-wal"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

fn overwrite(folder: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(SqliteStore::FILE);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn the_folder_and_its_files_are_for_their_owner_only() {
    let (_home, folder) = home();
    let store = SqliteStore::open(&folder).await.unwrap();
    store.append(0, 1, changes(1)).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for path in contents(&folder).keys() {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_folder_has_one_store_at_a_time() {
    let (_home, folder) = home();
    let store = SqliteStore::open(&folder).await.unwrap();
    let error = SqliteStore::open(&folder).await.unwrap_err();
    assert_eq!(error.reason(), "locked");
    assert!(
        error.to_string().contains(&folder.display().to_string()),
        "{error}"
    );
    store.append(0, 1, changes(1)).await.unwrap();
    store.close().await.unwrap();
    SqliteStore::open(&folder).await.unwrap();
}

#[tokio::test]
async fn a_path_that_can_be_no_folder_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "a").unwrap();
    for folder in [file.join("data"), file, PathBuf::from("/proc/weir")] {
        let error = SqliteStore::open(&folder).await.unwrap_err();
        assert_eq!(error.reason(), "folder");
        assert!(
            error.to_string().contains(&folder.display().to_string()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let (_home, folder) = home();
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join(SqliteStore::FILE),
        "a shopping list, long enough to be a header\n".repeat(200),
    )
    .unwrap();
    assert!(matches!(refused(&folder).await, StoreError::Foreign { .. }));
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    for sql in [
        "CREATE TABLE bookmarks (url)",
        "PRAGMA application_id = 77; CREATE TABLE bookmarks (url)",
        "PRAGMA application_id = 77",
        "PRAGMA user_version = 3",
    ] {
        let (_home, folder) = home();
        fs::create_dir_all(&folder).unwrap();
        execute(&folder, sql).await;
        let error = refused(&folder).await;
        assert!(matches!(error, StoreError::Foreign { .. }), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_later_releases_database_is_left_alone() {
    let (_home, folder) = filled().await;
    execute(&folder, "PRAGMA user_version = 2").await;
    assert!(matches!(
        refused(&folder).await,
        StoreError::Newer {
            found: 2,
            known: 1,
            ..
        }
    ));
}

/// The version stands in the log only.
#[tokio::test]
async fn a_later_releases_database_is_left_alone_with_its_log() {
    let (home, folder) = filled().await;
    let mut connection = outside(&folder).await;
    sqlx::raw_sql("PRAGMA user_version = 2")
        .execute(&mut connection)
        .await
        .unwrap();
    let copy = home.path().join("copy");
    copy_database(&folder, &copy);
    assert!(matches!(refused(&copy).await, StoreError::Newer { found: 2, .. }));
}

#[tokio::test]
async fn a_damaged_database_is_left_alone() {
    let middle: fn(&mut Vec<u8>) = |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 4096].fill(0xA5);
    };
    let truncated: fn(&mut Vec<u8>) = |bytes| bytes.truncate(bytes.len() / 2);
    for damage in [middle, truncated] {
        let (_home, folder) = filled().await;
        overwrite(&folder, damage);
        let error = refused(&folder).await;
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_named() {
    for (sql, reason, words) in [
        (
            "UPDATE events SET change = '{\"type\":\"rename\"}' WHERE revision = 17",
            "unknown_event",
            "`rename`",
        ),
        (
            "UPDATE events SET change = replace(change, '\"ShardMap\"', '\"Quota\"') WHERE revision = 17",
            "unknown_event",
            "Quota",
        ),
        (
            "UPDATE events SET change = '{\"type\":\"put\"' WHERE revision = 17",
            "corrupt",
            "EOF",
        ),
    ] {
        let (_home, folder) = filled().await;
        execute(&folder, sql).await;
        let store = SqliteStore::open(&folder).await.unwrap();
        let error = store.read_after(0, 1000).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        let said = error.to_string();
        assert!(said.contains("event 17") && said.contains(words), "{said}");
        assert_eq!(store.last_revision().await.unwrap(), 200);
    }
}

/// The folder as `kill -9` leaves it: the log not yet merged into the database.
#[tokio::test]
async fn events_that_are_still_in_the_log_only_are_found() {
    let (home, folder) = home();
    let store = SqliteStore::open(&folder).await.unwrap();
    let events = store.append(0, 1, changes(20)).await.unwrap();
    let copy = home.path().join("copy");
    copy_database(&folder, &copy);
    let reopened = SqliteStore::open(&copy).await.unwrap();
    assert_eq!(reopened.read_after(0, 100).await.unwrap(), events);
}

#[tokio::test]
async fn a_creation_that_was_cut_short_is_done_again() {
    let (_home, folder) = home();
    fs::create_dir_all(&folder).unwrap();
    execute(&folder, "PRAGMA journal_mode = WAL").await;
    let store = SqliteStore::open(&folder).await.unwrap();
    assert_eq!(store.append(0, 1, changes(1)).await.unwrap().len(), 1);
}

/// `RAISE(ROLLBACK)` ends the transaction by itself, as a full disk or a failing one does.
#[tokio::test]
async fn a_batch_that_fails_midway_leaves_nothing_and_a_store_that_works() {
    for trigger in [
        "CREATE TRIGGER fail BEFORE INSERT ON events WHEN new.name = 'm-5' BEGIN SELECT RAISE(ABORT, 'no'); END",
        "CREATE TRIGGER fail BEFORE INSERT ON events WHEN new.name = 'm-5' BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
    ] {
        let (_home, folder) = home();
        let store = SqliteStore::open(&folder).await.unwrap();
        store.append(0, 1, changes(2)).await.unwrap();
        execute(&folder, trigger).await;
        let error = store.append(2, 1, changes(9)).await.unwrap_err();
        assert_eq!(error.reason(), "database", "{error}");
        assert_eq!(store.last_revision().await.unwrap(), 2);
        execute(&folder, "DROP TRIGGER fail").await;
        let events = store.append(2, 1, changes(9)).await.unwrap();
        assert_eq!(events[0].revision, 3);
        assert_eq!(store.last_revision().await.unwrap(), 11);
    }
}

/// Seen from another connection, which shares no lock with the store's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_part_of_a_batch_is_in_the_database_before_its_end() {
    let (_home, folder) = home();
    let store = SqliteStore::open(&folder).await.unwrap();
    let mut reader = outside(&folder).await;
    let writer = tokio::spawn(async move {
        for round in 0..10 {
            store.append(round * 500, 1, changes(500)).await.unwrap();
        }
    });
    while !writer.is_finished() {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM events")
            .fetch_one(&mut reader)
            .await
            .unwrap();
        assert_eq!(count % 500, 0);
    }
    writer.await.unwrap();
}
