//! Why a command failed, and the exit code that says so to scripts.

use std::io;
use std::process::ExitCode;

use weir_documents::GatewayError;

/// The exit codes, as every `--help` ends with them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  what was given is wrong, or a check found problems; nothing was changed
  2  the command line is wrong
  3  it does not exist
  4  the control plane can't be reached, or failed";

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was given is wrong, or a check found problems.
    #[error("{0}")]
    Refused(String),
    /// The same, when everything has been said already.
    #[error("")]
    Reported,
    /// The command line is wrong in a way that its parser can't see.
    #[error("{0}")]
    Usage(String),
    /// What was asked for does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The control plane can't be reached, or failed.
    #[error("{0}")]
    Server(String),
    /// The output can't be written.
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    /// The process that the command runs ended with this code.
    #[error("")]
    Child(u8),
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            // The reader of a pipe has read all that it wants.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Refused(_) | Self::Reported | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Server(_) => 4,
            Self::Child(code) => *code,
        }
    }

    /// A local file or folder that can't be used.
    pub(crate) fn file(action: &str, path: &std::path::Path, error: &io::Error) -> Self {
        Self::Refused(format!("cannot {action} {}: {error}", path.display()))
    }
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Unknown { .. } => Self::NotFound(error.to_string()),
            GatewayError::None => Self::Refused(error.to_string()),
            GatewayError::Several(_) => Self::Usage(format!("{error} (--gateway)")),
        }
    }
}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> Self {
        Self::from(failure.code())
    }
}
