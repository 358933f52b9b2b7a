//! Whose database a file is, which schema it has, and how an older one becomes today's.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

use super::failure::failure;
use crate::StoreError;

/// `WEIR` in ASCII, in the header of every database of ours (<https://www.sqlite.org/fileformat2.html>, offset 68).
const APPLICATION_ID: i64 = 0x5745_4952;

/// `MIGRATIONS[n]` takes a database from schema version `n` to `n + 1`; `PRAGMA user_version` holds the version.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/1.sql")];

struct Header {
    application_id: i64,
    version: i64,
    tables: i64,
}

/// Checks that the file is a whole database of ours, or an empty one, without writing to it; tells its schema version.
pub(super) async fn inspect(path: &Path) -> Result<usize, StoreError> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(!has_log(path))
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|error| failure(path, &error))?;
    let verdict = verdict(&mut connection, path).await;
    connection.close().await.map_err(|error| failure(path, &error))?;
    verdict
}

/// Whether the newest events may stand in the log beside the database. Without one the database is read as an
/// immutable file, so that not even the log's files are made.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

async fn verdict(connection: &mut SqliteConnection, path: &Path) -> Result<usize, StoreError> {
    let failed = |error| failure(path, &error);
    let version = header(connection).await.map_err(failed)?.check(path)?;
    let detail: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(failed)?;
    if detail == "ok" {
        return Ok(version);
    }
    Err(StoreError::Corrupt {
        path: path.to_owned(),
        detail,
    })
}

/// Brings the schema from `version` to today's, all or nothing.
pub(super) async fn migrate(connection: &mut SqliteConnection, version: usize) -> sqlx::Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for migration in MIGRATIONS.iter().copied().skip(version) {
        sqlx::raw_sql(migration).execute(&mut *transaction).await?;
    }
    let header = format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}",
        MIGRATIONS.len()
    );
    if version < MIGRATIONS.len() {
        sqlx::raw_sql(AssertSqlSafe(header))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

async fn header(connection: &mut SqliteConnection) -> sqlx::Result<Header> {
    let (application_id, version, tables) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), \
                (SELECT user_version FROM pragma_user_version), \
                (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(connection)
    .await?;
    Ok(Header {
        application_id,
        version,
        tables,
    })
}

impl Header {
    fn check(&self, path: &Path) -> Result<usize, StoreError> {
        // What a creation that was cut short leaves behind.
        let empty = self.application_id == 0 && self.version == 0 && self.tables == 0;
        if self.application_id != APPLICATION_ID && !empty {
            return Err(StoreError::Foreign {
                path: path.to_owned(),
                detail: format!(
                    "it is a SQLite database with application id {:#x} instead of {APPLICATION_ID:#x}",
                    self.application_id
                ),
            });
        }
        match usize::try_from(self.version) {
            Ok(version) if version <= MIGRATIONS.len() => Ok(version),
            _ => Err(StoreError::Newer {
                path: path.to_owned(),
                found: self.version.cast_unsigned(),
                known: MIGRATIONS.len() as u64,
            }),
        }
    }
}
