//! Between protobuf and a stream's state.

use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use weir_core::snapshot::{Resource, ResourceType};

use crate::stream::{Request, Response};

/// None when the type is none that is served.
pub(crate) fn request(request: DiscoveryRequest) -> Option<Request> {
    Some(Request {
        resource_type: ResourceType::from_type_url(&request.type_url)?,
        names: request.resource_names,
        version: request.version_info,
        nonce: request.response_nonce,
        error: request.error_detail.map(|status| status.message),
    })
}

/// Copies the bytes of every resource: `Any` owns its bytes.
pub(crate) fn response(response: Response) -> DiscoveryResponse {
    let again = response.again;
    let body = |resource: &Arc<Resource>| match &resource.again {
        Some(other_bytes) if again => other_bytes.clone(),
        _ => resource.body.clone(),
    };
    DiscoveryResponse {
        version_info: response.version,
        resources: response.resources.iter().map(body).collect(),
        type_url: response.resource_type.type_url().to_owned(),
        nonce: response.nonce,
        ..DiscoveryResponse::default()
    }
}
