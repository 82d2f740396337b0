//! `service_types` of a subnet: the beginnings of the device owners whose ports get addresses there. Pure.

use serde_json::Value;

use super::error::{ApiError, Result};
use super::kind::{Kind, shown};

/// What a device owner that means anything begins with.
const OWNERS: [&str; 3] = ["compute:", "network:", "neutron:"];

/// A list of them, each no longer than a device owner.
pub(super) fn parse(value: &Value) -> Result<Value> {
    let types = value.as_array().ok_or_else(|| ApiError::bad_request("Subnet service types must be a list."))?;
    for service_type in types {
        let Some(name) = service_type.as_str() else {
            let message = format!("Subnet service type {} is not a string.", shown(service_type));
            return Err(ApiError::bad("InvalidInputSubnetServiceType", message));
        };
        if !OWNERS.iter().any(|owner| name.starts_with(owner)) {
            let message = format!("Subnet service type {name} does not correspond to a valid device owner.");
            return Err(ApiError::bad("InvalidSubnetServiceType", message));
        }
    }
    let read = Kind::Texts(255).read(value);
    read.map_err(|reason| ApiError::bad_request(format!("Invalid input for service_types. Reason: {reason}.")))
}
