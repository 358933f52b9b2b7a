//! The data folder: created for its owner only, held by one process.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::StoreError;

const LOCK_FILE: &str = "weir.lock";

/// Creates the folder when it is not there, and takes it; the claim ends when the file is dropped.
pub(super) fn claim(folder: &Path) -> Result<File, StoreError> {
    let unusable = |source| unusable(folder, source);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(unusable)?;
    let lock = private_file(&folder.join(LOCK_FILE)).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// Creates the database's file, for its owner only, when it is not there. SQLite gives its other files the same mode.
pub(super) fn create_file(folder: &Path, path: &Path) -> Result<(), StoreError> {
    private_file(path)
        .map(drop)
        .map_err(|source| unusable(folder, source))
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn unusable(folder: &Path, source: io::Error) -> StoreError {
    StoreError::Folder {
        folder: folder.to_owned(),
        source,
    }
}
