//! How a filter names the upstream of a gRPC call: Envoy's `GrpcService` message, or the cluster's plain name.
//!
//! Source: `api/envoy/config/core/v3/grpc_service.proto` of Envoy.

use prost::Message;

use crate::abi::Status;
use crate::header_map::HeaderMap;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GrpcService {
    #[prost(message, optional, tag = "1")]
    envoy_grpc: Option<EnvoyGrpc>,
    #[prost(message, optional, tag = "2")]
    google_grpc: Option<GoogleGrpc>,
    #[prost(message, repeated, tag = "5")]
    initial_metadata: Vec<HeaderValue>,
}

#[derive(Clone, PartialEq, Message)]
struct EnvoyGrpc {
    #[prost(string, tag = "1")]
    cluster_name: String,
    #[prost(string, tag = "2")]
    authority: String,
}

#[derive(Clone, PartialEq, Message)]
struct GoogleGrpc {}

#[derive(Clone, PartialEq, Message)]
struct HeaderValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// Where a call goes.
pub(crate) struct Target {
    pub(crate) cluster: String,
    pub(crate) authority: String,
    pub(crate) metadata: HeaderMap,
}

/// What the first argument of a call says.
pub(crate) enum Naming {
    Cluster(Target),
    /// A message that names no kind of client.
    Nothing,
}

impl GrpcService {
    /// Reads the argument. Bytes that are no message are the name of a cluster, which must be known.
    pub(crate) fn read(argument: &[u8], known: impl Fn(&str) -> bool) -> Result<Naming, Status> {
        let Ok(service) = Self::decode(argument) else {
            let cluster = std::str::from_utf8(argument).ok().filter(|name| known(name));
            return Ok(Naming::Cluster(Target::of(
                cluster.ok_or(Status::ParseFailure)?,
                "",
            )));
        };
        match (service.envoy_grpc, service.google_grpc) {
            (Some(client), _) => {
                let mut target = Target::of(&client.cluster_name, &client.authority);
                let metadata = service.initial_metadata.into_iter();
                target.metadata = metadata.map(|header| (header.key, header.value)).collect();
                Ok(Naming::Cluster(target))
            }
            (None, Some(_)) => Err(Status::Unimplemented),
            (None, None) => Ok(Naming::Nothing),
        }
    }
}

impl Target {
    fn of(cluster: &str, authority: &str) -> Self {
        let authority = if authority.is_empty() { cluster } else { authority };
        Self {
            cluster: cluster.to_owned(),
            authority: authority.to_owned(),
            metadata: HeaderMap::new(),
        }
    }
}
