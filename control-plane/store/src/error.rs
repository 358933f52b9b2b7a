//! What can go wrong, worded for the operator.

use std::io;
use std::path::PathBuf;

use weir_core::event::Revision;

/// Why the store didn't do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else appended first.
    #[error("the store is at revision {found}, the request is for revision {expected}; nothing was written")]
    Moved {
        /// What the caller believed to be the last revision.
        expected: Revision,
        /// The last revision.
        found: Revision,
    },
    /// Another process has the data folder.
    #[error(
        "the data folder {} is in use by another weir process; stop that one, or choose another folder",
        .folder.display()
    )]
    Locked {
        /// The data folder.
        folder: PathBuf,
    },
    /// The data folder can't be created or written.
    #[error(
        "the data folder {} can't be used: {source}; it must be a folder that this user may write, or one that can \
         be created",
        .folder.display()
    )]
    Folder {
        /// The data folder.
        folder: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// The database is damaged.
    #[error(
        "the database {} is damaged: {detail}; it was left as it is: restore it from a backup, or move it away to \
         start with an empty one",
        .path.display()
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The file is no database of Weir's.
    #[error(
        "{} is not a Weir database: {detail}; it was left as it is: choose another data folder, or move the file away",
        .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        detail: String,
    },
    /// A later release has written the database.
    #[error(
        "the database {} has schema version {found}, this release knows versions up to {known}; it was left as it is: \
         run the release that wrote it, or a later one",
        .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: u64,
        /// The newest schema version that this release knows.
        known: u64,
    },
    /// A later release has written an event that this one doesn't know.
    #[error(
        "event {revision} of the database {} is unknown to this release: {detail}; it was left as it is: run the release \
         that wrote it, or a later one",
        .path.display()
    )]
    UnknownEvent {
        /// The database.
        path: PathBuf,
        /// The event's.
        revision: Revision,
        /// What is unknown.
        detail: String,
    },
    /// The disk is full.
    #[error("the disk that holds {} is full; free some space: no restart is needed", .path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// Reading or writing failed otherwise.
    #[error("the database {} could not be read or written: {detail}", .path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// SQLite's or the operating system's words.
        detail: String,
    },
    /// The store was closed before.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Its name in metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Moved { .. } => "moved",
            Self::Locked { .. } => "locked",
            Self::Folder { .. } => "folder",
            Self::Corrupt { .. } => "corrupt",
            Self::Foreign { .. } => "foreign",
            Self::Newer { .. } => "newer",
            Self::UnknownEvent { .. } => "unknown_event",
            Self::Full { .. } => "full",
            Self::Database { .. } => "database",
            Self::Closed => "closed",
        }
    }
}
