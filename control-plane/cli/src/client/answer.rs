//! What the control plane answers: what was asked for, or a problem (RFC 9457).

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use weir_core::refusal::DocumentProblem;

use crate::failure::Failure;

/// One answer.
pub(crate) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// No answer at all.
    #[error("cannot reach the control plane at {server}: {cause}. Is `weir serve` running?")]
    Unreachable { server: String, cause: String },
    /// The control plane says what is wrong.
    #[error("{}", .0.text())]
    Problem(ProblemBody),
    /// Whoever answers is no Weir control plane of this release.
    #[error("unexpected answer of the control plane ({status}): {detail}")]
    Unexpected { status: StatusCode, detail: String },
}

/// The body of a problem (RFC 9457).
#[derive(Debug, Deserialize)]
pub(crate) struct ProblemBody {
    #[serde(default)]
    title: String,
    status: u16,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    pub(crate) errors: Vec<DocumentProblem>,
}

impl ProblemBody {
    fn text(&self) -> &str {
        if self.detail.is_empty() {
            &self.title
        } else {
            &self.detail
        }
    }
}

impl Answer {
    pub(super) fn or_problem(self) -> Result<Self, ApiError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(match serde_json::from_slice(&self.body) {
            Ok(problem) => ApiError::Problem(problem),
            Err(_) => self.unexpected(&String::from_utf8_lossy(&self.body)),
        })
    }

    pub(super) fn json<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| self.unexpected(&error.to_string()))
    }

    fn unexpected(&self, detail: &str) -> ApiError {
        let detail = detail.chars().take(300).collect();
        ApiError::Unexpected {
            status: self.status,
            detail,
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let status = match &error {
            ApiError::Problem(problem) => problem.status,
            ApiError::Unreachable { .. } | ApiError::Unexpected { .. } => 0,
        };
        match status {
            404 => Self::NotFound(error.to_string()),
            400..=499 => Self::Refused(error.to_string()),
            _ => Self::Server(error.to_string()),
        }
    }
}
