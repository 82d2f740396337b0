use model::{NetworkId, Segment, TunnelType};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Column, Counted, KeyChoice, Network, NetworkUpdate, NewNetwork, Write};
use uuid::Uuid;

use super::availability_zones;
use super::context::Context;
use super::error::{ApiError, Result};
use super::kind::Kind;
use super::policy;
use super::resource::{Refused, Resource, show_common, take_project, typed};
use super::table::{Attribute, Default, Object, Reserved, Table, common};
use super::{RestState, Settings};

/// Smallest MTU of IPv4 (RFC 791 section 3.2).
const MTU_MIN: u32 = 68;

pub(crate) struct Networks;

impl Resource for Networks {
    type Stored = Network;

    const TABLE: Table = Table {
        singular: "network",
        plural: "networks",
        not_found: "NetworkNotFound",
        missing: |id| format!("Network {id} could not be found."),
        keys: &[],
        lenient: false,
        attributes: &[
            common::ID,
            common::NAME.indexed(Column::Name),
            common::PROJECT_ID,
            common::TENANT_ID,
            common::DESCRIPTION,
            common::ADMIN_STATE_UP,
            Attribute::writable("mtu", Kind::Integer(0, 65_535), Default::Open).indexed(Column::Mtu),
            Attribute::writable("shared", Kind::Bool, Default::False).reserved(Reserved::ToSet),
            Attribute::writable("router:external", Kind::Bool, Default::False).reserved(Reserved::ToSet),
            Attribute::writable("is_default", Kind::Bool, Default::False).reserved(Reserved::ToSet),
            Attribute::writable("port_security_enabled", Kind::Bool, Default::True),
            Attribute::writable("dns_domain", Kind::DnsDomain, Default::Text("")),
            Attribute::create_only("provider:network_type", Kind::Text(32), Default::Open)
                .nullable()
                .reserved(Reserved::ToSee),
            Attribute::create_only("provider:physical_network", Kind::Text(64), Default::Open)
                .nullable()
                .reserved(Reserved::ToSee),
            Attribute::create_only("provider:segmentation_id", Kind::Integer(0, i64::MAX), Default::Open)
                .nullable()
                .reserved(Reserved::ToSee),
            Attribute::create_only("availability_zone_hints", Kind::Texts(255), Default::EmptyList)
                .ordered(Column::ZoneHints),
            Attribute::read_only("availability_zones", Kind::Texts(255)),
            Attribute::read_only("ipv4_address_scope", Kind::Uuid),
            Attribute::read_only("ipv6_address_scope", Kind::Uuid),
            Attribute::read_only("subnets", Kind::Uuids),
            Attribute::read_only("status", Kind::Text(16)).ordered(Column::Same),
            common::TAGS,
            common::CREATED_AT,
            common::UPDATED_AT,
            common::REVISION_NUMBER,
        ],
    };

    const REFUSED: Refused = Refused { create: &[404, 409], update: &[409, 412], delete: &[409, 412] };

    const COUNTED: Option<Counted> = Some(Counted::Network);

    async fn create(
        write: &mut Write<'_>,
        state: &RestState,
        context: &Context,
        objects: Vec<Object>,
    ) -> Result<Vec<Network>> {
        let mut made = Vec::with_capacity(objects.len());
        for object in objects {
            made.push(Network::create(write, new(object, context, &state.settings)?).await?);
        }
        Ok(made)
    }

    async fn update(
        write: &mut Write<'_>,
        state: &RestState,
        _context: &Context,
        network: Network,
        changes: Object,
    ) -> Result<Network> {
        let Update { name, admin_state_up, mtu, attributes } = typed(changes)?;
        let mtu = mtu.map(|mtu| fitting_mtu(mtu, network.segment.tunnel_type, &state.settings)).transpose()?;
        if is_shared(&network.attributes)
            && attributes.get("shared") == Some(&Value::Bool(false))
            && network.is_used_by_others(write).await?
        {
            let message = format!(
                "Unable to reconfigure sharing settings for network {}. Multiple tenants are using it.",
                network.name
            );
            return Err(ApiError::conflict("InvalidSharedSetting", message));
        }
        let update = NetworkUpdate { name, admin_state_up, mtu, attributes };
        Ok(network.update(write, update).await?)
    }

    async fn delete(write: &mut Write<'_>, _state: &RestState, network: Network) -> Result<()> {
        Ok(network.delete(write).await?)
    }

    async fn show(_state: &RestState, networks: Vec<Network>) -> Result<Vec<Object>> {
        Ok(networks.into_iter().map(show).collect())
    }
}

/// What a network is to the caller who puts something into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Own,
    Shared,
    /// He may not know of it.
    None,
}

pub(super) async fn access(write: &mut Write<'_>, context: &Context, id: NetworkId) -> Result<Access> {
    if context.is_admin {
        return Ok(Access::Own);
    }
    let network: Network = write.get(id.0).await?;
    let shared = is_shared(&network.attributes);
    Ok(match policy::owns(context, Some(&network.project_id)) {
        true => Access::Own,
        false if shared => Access::Shared,
        false => Access::None,
    })
}

fn is_shared(attributes: &Object) -> bool {
    attributes.get("shared").and_then(Value::as_bool).unwrap_or_default()
}

#[derive(Deserialize)]
struct Create {
    name: String,
    admin_state_up: bool,
    mtu: Option<u32>,
    #[serde(rename = "provider:network_type")]
    network_type: Option<String>,
    #[serde(rename = "provider:physical_network")]
    physical_network: Option<String>,
    #[serde(rename = "provider:segmentation_id")]
    segmentation_id: Option<u64>,
    /// What is only kept and shown.
    #[serde(flatten)]
    attributes: Object,
}

#[derive(Deserialize)]
struct Update {
    name: Option<String>,
    admin_state_up: Option<bool>,
    mtu: Option<u32>,
    #[serde(flatten)]
    attributes: Object,
}

fn new(mut object: Object, context: &Context, settings: &Settings) -> Result<NewNetwork> {
    let project_id = take_project(context, &mut object)?;
    let create: Create = typed(object)?;
    availability_zones::check_hints(&create.attributes)?;
    let tunnel_type = tunnel_type(&create, settings)?;
    let key = match create.segmentation_id {
        Some(key) => KeyChoice::Exactly(Segment::new(tunnel_type, key).map_err(ApiError::invalid)?.key),
        None => KeyChoice::From(match tunnel_type {
            TunnelType::Gre => settings.gre_keys.clone(),
            TunnelType::Vxlan => settings.vxlan_keys.clone(),
        }),
    };
    Ok(NewNetwork {
        id: NetworkId(Uuid::new_v4()),
        project_id,
        name: create.name,
        admin_state_up: create.admin_state_up,
        mtu: fitting_mtu(create.mtu.unwrap_or_default(), tunnel_type, settings)?,
        tunnel_type,
        key,
        attributes: create.attributes,
    })
}

fn tunnel_type(create: &Create, settings: &Settings) -> Result<TunnelType> {
    let Some(network_type) = &create.network_type else {
        let stray = create.segmentation_id.is_some() || create.physical_network.is_some();
        return if stray { Err(ApiError::invalid("network_type required")) } else { Ok(settings.default_type) };
    };
    let tunnel_type = network_type.parse();
    let tunnel_type =
        tunnel_type.map_err(|_| ApiError::invalid(format!("network_type value '{network_type}' not supported")))?;
    if create.physical_network.is_some() {
        let message = format!("provider:physical_network specified for {tunnel_type} network");
        return Err(ApiError::invalid(message));
    }
    Ok(tunnel_type)
}

/// The wanted MTU, if a packet of that size fits a tunnel; 0: the largest that does.
fn fitting_mtu(wanted: u32, tunnel_type: TunnelType, settings: &Settings) -> Result<u32> {
    let max = settings.underlay_mtu.saturating_sub(tunnel_type.overhead());
    match wanted {
        0 => Ok(max),
        mtu if mtu > max => Err(ApiError::invalid(format!("Requested MTU is too big, maximum is {max}"))),
        mtu if mtu < MTU_MIN => Err(ApiError::invalid(format!("Requested MTU is too small, minimum is {MTU_MIN}"))),
        mtu => Ok(mtu),
    }
}

fn show(network: Network) -> Object {
    let mut object = network.attributes;
    let own = json!({
        "id": network.id,
        "name": network.name,
        "admin_state_up": network.admin_state_up,
        "mtu": network.mtu,
        "status": "ACTIVE",
        "subnets": network.subnets,
        "availability_zones": [],
        "provider:network_type": network.segment.tunnel_type,
        "provider:physical_network": null,
        "provider:segmentation_id": network.segment.key,
    });
    if let Value::Object(own) = own {
        object.extend(own);
    }
    show_common(&mut object, &network.project_id, network.stamp);
    object
}
