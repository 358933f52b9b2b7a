//! SQLite's errors in the operator's words.

use std::path::Path;

use crate::StoreError;

// Primary result codes, <https://www.sqlite.org/rescode.html>; the extended ones carry them in the low byte.
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NOTADB: i32 = 26;

/// The error of an operation on the database at `path`.
pub(super) fn failure(path: &Path, error: &sqlx::Error) -> StoreError {
    let path = path.to_owned();
    let detail = error
        .as_database_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned());
    match primary_code(error) {
        Some(CORRUPT) => StoreError::Corrupt { path, detail },
        Some(NOTADB) => StoreError::Foreign {
            path,
            detail: "it has no SQLite header".to_owned(),
        },
        Some(FULL) => StoreError::Full { path },
        _ => StoreError::Database { path, detail },
    }
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{Connection, SqliteConnection};

    #[tokio::test]
    async fn a_full_disk_has_its_own_error() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let filling =
            "PRAGMA max_page_count = 2; CREATE TABLE a (b); INSERT INTO a VALUES (zeroblob(100000));";
        let error = sqlx::raw_sql(filling).execute(&mut connection).await.unwrap_err();
        let error = failure(Path::new("/data/weir.db"), &error);
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert!(error.to_string().contains("/data/weir.db"));
    }
}
