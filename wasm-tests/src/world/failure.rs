//! How a try fails before its answer, and what Envoy says of it (on Linux).

use crate::world::flag;

/// What a host did instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Reset,
    Closed,
    Refused,
}

impl Failure {
    fn reason(self) -> &'static str {
        match self {
            Self::Reset => "remote reset",
            Self::Closed => "connection termination",
            Self::Refused => "remote connection failure",
        }
    }

    /// The body of the answer that a client gets.
    pub(super) fn body(self, retried: bool) -> String {
        let which = if retried {
            "retried and the latest reset reason"
        } else {
            "reset reason"
        };
        format!(
            "upstream connect error or disconnect/reset before headers. {which}: {}",
            self.reason()
        )
    }

    /// The response code details.
    pub(super) fn details(self) -> &'static str {
        match self {
            Self::Reset => "upstream_reset_before_response_started{remote_reset}",
            Self::Closed => "upstream_reset_before_response_started{connection_termination}",
            Self::Refused => {
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
            }
        }
    }

    /// Why the connection failed, where it did.
    pub(super) fn transport_failure(self) -> &'static str {
        match self {
            Self::Refused => "delayed connect error: Connection refused",
            Self::Reset | Self::Closed => "",
        }
    }

    pub(super) fn flag(self) -> u64 {
        match self {
            Self::Reset => flag::UPSTREAM_REMOTE_RESET,
            Self::Closed => flag::UPSTREAM_CONNECTION_TERMINATION,
            Self::Refused => flag::UPSTREAM_CONNECTION_FAILURE,
        }
    }
}
