//! What a client without a usable key is told.

use weir_host::port::GrpcStatus;
use weir_host::reply::Refusal;
use weir_shard_map::Rejection;

/// The answer to `rejection`. It repeats nothing of the request.
pub(crate) fn refusal(rejection: Rejection) -> Refusal {
    let (kind, title, detail) = match rejection {
        Rejection::MissingKey => (
            "https://weir.dev/problems/shard-key-missing",
            "The request has no shard key",
            "The request has no value in any of the places where its shard key is expected.".to_owned(),
        ),
        Rejection::KeyTooLong { limit, .. } => (
            "https://weir.dev/problems/shard-key-too-long",
            "The shard key is too long",
            format!("The shard key of the request is longer than {limit} bytes."),
        ),
    };
    Refusal {
        kind,
        title,
        status: 400,
        detail,
        grpc: GrpcStatus::InvalidArgument,
    }
}
