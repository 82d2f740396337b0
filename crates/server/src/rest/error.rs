//! Errors as Neutron words them: `{"NeutronError": {"type", "message", "detail"}}`.

use axum::Json;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// What a request is refused with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    /// The name of Neutron's exception.
    kind: &'static str,
    message: String,
}

pub(crate) type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { status, kind, message: message.into() }
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// 400 about the shape of a request.
    pub(crate) fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "HTTPBadRequest", message)
    }

    /// 400 about a value.
    pub(crate) fn invalid(message: impl std::fmt::Display) -> ApiError {
        let message = format!("Invalid input for operation: {message}.");
        ApiError::new(StatusCode::BAD_REQUEST, "InvalidInput", message)
    }

    /// 400 of a type of its own.
    pub(crate) fn bad(kind: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, kind, message)
    }

    pub(crate) fn not_found(kind: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, kind, message)
    }

    pub(crate) fn conflict(kind: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::CONFLICT, kind, message)
    }

    /// 403 by the policy of this name.
    pub(crate) fn forbidden(rule: &str) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "PolicyNotAuthorized", format!("rule:{rule} is disallowed by policy"))
    }

    /// 412: the object is not the one that the client has seen.
    pub(crate) fn revision_mismatch(wanted: i64, current: i64) -> ApiError {
        let message = format!("Constrained to {wanted}, but current revision is {current}");
        ApiError::new(StatusCode::PRECONDITION_FAILED, "RevisionNumberConstraintFailed", message)
    }

    pub(crate) fn method_not_allowed(method: &Method) -> ApiError {
        let message = format!("The method {method} is not allowed for this resource.");
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "HTTPMethodNotAllowed", message)
    }

    pub(crate) fn unsupported_media_type() -> ApiError {
        let message = "The request body must be application/json.";
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "HTTPUnsupportedMediaType", message)
    }

    pub(crate) fn too_large() -> ApiError {
        let message = "The request body is larger than this server accepts: send fewer objects at once.";
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "HTTPRequestEntityTooLarge", message)
    }

    pub(crate) fn timed_out() -> ApiError {
        let message = "The request body did not arrive in time.";
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "HTTPRequestTimeout", message)
    }

    /// 503 about memory.
    pub(crate) fn busy() -> ApiError {
        let message = "Too much is under way: try again, or list in pages (limit=).";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "HTTPServiceUnavailable", message)
    }
}

/// The message alone.
impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"NeutronError": {"type": self.kind, "message": self.message, "detail": ""}});
        (self.status, Json(body)).into_response()
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> ApiError {
        use store::Error;
        match &error {
            Error::NetworkNotFound(id) => gone("NetworkNotFound", "Network", id),
            Error::SubnetNotFound(id) => gone("SubnetNotFound", "Subnet", id),
            Error::PortNotFound(id) => gone("PortNotFound", "Port", id),
            Error::AgentNotFound(id) => gone("AgentNotFound", "Agent", id),
            Error::TooMuchOfOne { .. } => ApiError::invalid(&error),
            Error::SecurityGroupNotFound(id) => {
                ApiError::not_found("SecurityGroupNotFound", format!("Security group {id} does not exist"))
            }
            Error::SecurityGroupRuleNotFound(id) => {
                ApiError::not_found("SecurityGroupRuleNotFound", format!("Security group rule {id} does not exist"))
            }
            Error::SecurityGroupInUse(id) => {
                ApiError::conflict("SecurityGroupInUse", format!("Security Group {id} in use."))
            }
            Error::DefaultSecurityGroup(_) => {
                ApiError::conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
            }
            Error::SecurityGroupRuleExists { rule } => ApiError::conflict(
                "SecurityGroupRuleExists",
                format!("Security group rule already exists. Rule id is {rule}."),
            ),
            Error::GroupsNeedPortSecurity => ApiError::bad(
                "PortSecurityAndIPRequiredForSecurityGroups",
                "Port security must be enabled and port must have an IP address in order to use security groups.",
            ),
            Error::MixedSecurityGroups => ApiError::conflict(
                "SecurityGroupConflict",
                "Error Cannot apply both stateful and stateless security groups on the same port at the same time \
                 while attempting the operation.",
            ),
            Error::BindingNotFound { port, host } => ApiError::not_found(
                "PortBindingNotFound",
                format!("Binding for port {port} for host {host} could not be found."),
            ),
            // Neutron has no better status for it
            Error::CannotBind { port, host } => ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "PortBindingError",
                format!("Binding for port {port} on host {host} could not be created or updated."),
            ),
            Error::OverQuota(counted) => {
                ApiError::conflict("OverQuota", format!("Quota exceeded for resources: ['{}'].", counted.as_str()))
            }
            Error::QuotaBelowUsage { counted, limit, used } => ApiError::bad_request(format!(
                "Quota limit {limit} for {} must be greater than or equal to already used {used}",
                counted.as_str()
            )),
            Error::QuotaNotFound(project) => {
                ApiError::not_found("TenantQuotaNotFound", format!("Quota for tenant {project} could not be found."))
            }
            Error::TagNotFound(tag) => ApiError::not_found("TagNotFound", format!("Tag {tag} could not be found.")),
            Error::IpFormedByPort { subnet, ip } => ApiError::bad(
                "AllocationOnAutoAddressSubnet",
                format!(
                    "IPv6 address {ip} cannot be directly assigned to a port on subnet {subnet} as the subnet is \
                     configured for automatic addresses"
                ),
            ),
            Error::NoSubnetForOwner { network, device_owner } => ApiError::conflict(
                "IpAddressGenerationFailureNoMatchingSubnet",
                format!(
                    "No valid service subnet for the given device owner, network {network}, service type \
                     {device_owner}."
                ),
            ),
            Error::NetworkInUse { network, ports } => {
                let ports = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                ApiError::conflict(
                    "NetworkInUse",
                    format!(
                        "Unable to complete operation on network {network}. There are one or more ports still in use on \
                         the network, id for these ports is: {ports}."
                    ),
                )
            }
            Error::SubnetInUse { subnet } => ApiError::conflict(
                "SubnetInUse",
                format!(
                    "Unable to complete operation on subnet {subnet}: One or more ports have an IP allocation from this \
                     subnet."
                ),
            ),
            Error::SegmentInUse(segment) => ApiError::conflict(
                "TunnelIdInUse",
                format!("Unable to create the network. The tunnel ID {} is in use.", segment.key),
            ),
            Error::NoFreeSegment(_) => ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "NoNetworkAvailable",
                "Unable to create the network. No tenant network is available for allocation.",
            ),
            Error::SubnetOverlap { network, cidr } => ApiError::invalid(format!(
                "Requested subnet with cidr: {cidr} for network: {network} overlaps with another subnet"
            )),
            Error::GatewayInPool { ip, first, last } => ApiError::conflict(
                "GatewayConflictWithAllocationPools",
                format!("Gateway ip {ip} conflicts with allocation pool {first}-{last}."),
            ),
            Error::GatewayInUse { ip, port } => ApiError::conflict(
                "GatewayIpInUse",
                format!("Current gateway ip {ip} already in use by port {port}. Unable to update."),
            ),
            Error::MacInUse { network, mac } => ApiError::conflict(
                "MacAddressInUse",
                format!("Unable to complete operation for network {network}. The mac address {mac} is in use."),
            ),
            Error::NoFreeMac(network) => ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "MacAddressGenerationFailure",
                format!("Unable to generate unique mac on network {network}."),
            ),
            Error::PortBound { port, old, new } => ApiError::conflict(
                "PortBound",
                format!(
                    "Unable to complete operation on port {port}, port is already bound, port type: ovs, old_mac {old}, \
                     new_mac {new}."
                ),
            ),
            Error::IpInUse { subnet, ip } => ApiError::conflict(
                "IpAddressAlreadyAllocated",
                format!("IP address {ip} already allocated in subnet {subnet}"),
            ),
            Error::NoFreeIp(network) => ApiError::conflict(
                "IpAddressGenerationFailure",
                format!("No more IP addresses available on network {network}."),
            ),
            Error::IpOutsideNetwork(ip) => ApiError::bad(
                "InvalidIpForNetwork",
                format!("IP address {ip} is not a valid IP for any of the subnets on the specified network."),
            ),
            Error::IpOutsideSubnet { ip, .. } => ApiError::bad(
                "InvalidIpForSubnet",
                format!("IP address {ip} is not a valid IP for the specified subnet."),
            ),
            Error::SubnetOfOtherNetwork { network, subnet } => ApiError::invalid(format!(
                "Failed to create port on network {network}, because fixed_ips included invalid subnet {subnet}"
            )),
            error if error.is_unavailable() => {
                tracing::error!(error = error as &dyn std::error::Error, "a request failed for want of the database");
                ApiError::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "HTTPServiceUnavailable",
                    "The database cannot be used now, and nothing was written: try again. The server's log says why; look \
                     for a full disk, for permissions, and for another process that holds the database.",
                )
            }
            Error::EndpointInUse { .. }
            | Error::Busy
            | Error::Database(_)
            | Error::Migration(_)
            | Error::Corrupt(_)
            | Error::Closed => internal(&error),
        }
    }
}

fn gone(kind: &'static str, what: &str, id: &dyn std::fmt::Display) -> ApiError {
    ApiError::not_found(kind, format!("{what} {id} could not be found."))
}

/// The cause is for the log, not for the client.
fn internal(error: &store::Error) -> ApiError {
    tracing::error!(error = error as &dyn std::error::Error, "a request failed");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "HTTPInternalServerError",
        "Request Failed: internal server error while processing your request.",
    )
}
