//! The store on SQLite.

mod failure;
mod folder;
mod schema;

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Mutex;
use weir_core::event::{Change, Event, Revision};

use crate::{EventStore, StoreError};
use failure::failure;

/// Events in the file `weir.db` of a data folder, which it holds exclusively as long as it lives.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    session: Mutex<Option<Session>>,
}

/// What an open store has and a closed one hasn't.
#[derive(Debug)]
struct Session {
    /// Taken out while it is used: one that failed, or whose caller gave up, is in an unknown state (SQLite may have
    /// ended the transaction or not) and is never used again.
    idle: Option<SqliteConnection>,
    _lock: File,
}

impl SqliteStore {
    /// The file in the data folder.
    pub const FILE: &'static str = "weir.db";

    /// Opens the store in `folder`, creating both (folder 0700, file 0600) when they are not there, and brings its
    /// schema up to date.
    ///
    /// Errors: [`StoreError::Folder`], [`StoreError::Locked`], [`StoreError::Foreign`], [`StoreError::Newer`],
    /// [`StoreError::Corrupt`], [`StoreError::Database`]. On each of them the database is what it was before.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let lock = folder::claim(folder)?;
        let path = folder.join(Self::FILE);
        folder::create_file(folder, &path)?;
        let version = schema::inspect(&path).await?;
        let mut connection = connect(&path).await?;
        schema::migrate(&mut connection, version)
            .await
            .map_err(|error| failure(&path, &error))?;
        let session = Session {
            idle: Some(connection),
            _lock: lock,
        };
        tracing::info!(path = %path.display(), "event store opened");
        Ok(Self {
            path,
            session: Mutex::new(Some(session)),
        })
    }
}

impl EventStore for SqliteStore {
    async fn append(
        &self,
        expected: Revision,
        at_ms: u64,
        changes: Vec<Change>,
    ) -> Result<Vec<Event>, StoreError> {
        let mut guard = self.session.lock().await;
        let session = guard.as_mut().ok_or(StoreError::Closed)?;
        let mut connection = session.connection(&self.path).await?;
        let written = write(&mut connection, expected, at_ms, changes).await;
        match written {
            Ok(Written::Events(events)) => {
                session.idle = Some(connection);
                Ok(events)
            }
            Ok(Written::Moved { found }) => {
                session.idle = Some(connection);
                Err(StoreError::Moved { expected, found })
            }
            Err(error) => Err(failure(&self.path, &error)),
        }
    }

    async fn read_after(&self, after: Revision, limit: usize) -> Result<Vec<Event>, StoreError> {
        let mut guard = self.session.lock().await;
        let session = guard.as_mut().ok_or(StoreError::Closed)?;
        let mut connection = session.connection(&self.path).await?;
        let rows = read(&mut connection, after, limit)
            .await
            .map_err(|error| failure(&self.path, &error))?;
        session.idle = Some(connection);
        rows.into_iter().map(|row| self.event(row)).collect()
    }

    async fn last_revision(&self) -> Result<Revision, StoreError> {
        let mut guard = self.session.lock().await;
        let session = guard.as_mut().ok_or(StoreError::Closed)?;
        let mut connection = session.connection(&self.path).await?;
        let last = last(&mut connection)
            .await
            .map_err(|error| failure(&self.path, &error))?;
        session.idle = Some(connection);
        Ok(last)
    }

    async fn close(&self) -> Result<(), StoreError> {
        let mut guard = self.session.lock().await;
        let Some(connection) = guard.take().and_then(|session| session.idle) else {
            return Ok(());
        };
        connection
            .close()
            .await
            .map_err(|error| failure(&self.path, &error))
    }
}

impl Session {
    async fn connection(&mut self, path: &Path) -> Result<SqliteConnection, StoreError> {
        match self.idle.take() {
            Some(connection) => Ok(connection),
            None => connect(path).await,
        }
    }
}

/// `(revision, at_ms, change)`
type Row = (i64, i64, String);

enum Written {
    Events(Vec<Event>),
    Moved { found: Revision },
}

impl SqliteStore {
    fn event(&self, (revision, at_ms, change): Row) -> Result<Event, StoreError> {
        let change = serde_json::from_str(&change)
            .map_err(|error| unreadable(&self.path, revision.cast_unsigned(), &change, &error))?;
        Ok(Event {
            revision: revision.cast_unsigned(),
            at_ms: at_ms.cast_unsigned(),
            change,
        })
    }
}

/// The database is whole, so that an event of another shape was written by a release that knows more.
fn unreadable(path: &Path, revision: Revision, change: &str, error: &serde_json::Error) -> StoreError {
    let path = path.to_owned();
    if serde_json::from_str::<IgnoredAny>(change).is_ok() {
        return StoreError::UnknownEvent {
            path,
            revision,
            detail: error.to_string(),
        };
    }
    StoreError::Corrupt {
        path,
        detail: format!("event {revision} can't be read: {error}"),
    }
}

async fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|error| failure(path, &error))
}

async fn write(
    connection: &mut SqliteConnection,
    expected: Revision,
    at_ms: u64,
    changes: Vec<Change>,
) -> sqlx::Result<Written> {
    // Takes the write lock at once, so that what is compared is what is appended to.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found = last(&mut transaction).await?;
    if found != expected {
        transaction.rollback().await?;
        return Ok(Written::Moved { found });
    }
    let mut events = Vec::with_capacity(changes.len());
    for (revision, change) in (expected + 1..).zip(changes) {
        let event = Event {
            revision,
            at_ms,
            change,
        };
        insert(&mut transaction, &event).await?;
        events.push(event);
    }
    transaction.commit().await?;
    Ok(Written::Events(events))
}

/// Kind, namespace and name, for people who look into the database.
fn subject(change: &Change) -> (&str, &str, &str) {
    match change {
        Change::Put { identity, .. }
        | Change::Delete { identity }
        | Change::CdnSettled { policy: identity, .. } => (
            identity.kind.as_str(),
            identity.namespace.as_str(),
            identity.name.as_str(),
        ),
        Change::Notice { namespace, .. } => ("", namespace.as_str(), ""),
        Change::CacheDependencies { namespace, tag, .. } => ("", namespace.as_str(), tag),
    }
}

async fn insert(connection: &mut SqliteConnection, event: &Event) -> sqlx::Result<()> {
    let (kind, namespace, name) = subject(&event.change);
    let change =
        serde_json::to_string(&event.change).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    sqlx::query(
        "INSERT INTO events (revision, at_ms, kind, namespace, name, change) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(event.revision.cast_signed())
    .bind(event.at_ms.cast_signed())
    .bind(kind)
    .bind(namespace)
    .bind(name)
    .bind(change)
    .execute(connection)
    .await?;
    Ok(())
}

async fn read(connection: &mut SqliteConnection, after: Revision, limit: usize) -> sqlx::Result<Vec<Row>> {
    // No revision and no count is beyond i64::MAX.
    sqlx::query_as(
        "SELECT revision, at_ms, change FROM events WHERE revision > ?1 ORDER BY revision LIMIT ?2",
    )
    .bind(i64::try_from(after).unwrap_or(i64::MAX))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await
}

async fn last(connection: &mut SqliteConnection) -> sqlx::Result<Revision> {
    let last: i64 = sqlx::query_scalar("SELECT coalesce(max(revision), 0) FROM events")
        .fetch_one(connection)
        .await?;
    Ok(last.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_commit_waits_for_the_disk() {
        let home = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(home.path()).await.unwrap();
        let mut connection = store.session.lock().await.take().unwrap().idle.unwrap();
        let settings: (String, i64) = sqlx::query_as(
            "SELECT (SELECT journal_mode FROM pragma_journal_mode), (SELECT synchronous FROM pragma_synchronous)",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(settings, ("wal".to_owned(), 2));
    }
}
