use std::net::IpAddr;

use ipnet::IpNet;
use model::{NetworkId, SubnetId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Column, Counted, NewSubnet, Range, Subnet, SubnetUpdate, Write};
use uuid::Uuid;

use super::RestState;
use super::context::Context;
use super::error::{ApiError, Result};
use super::ipv6_modes;
use super::kind::{Key, Kind};
use super::networks::{self, Access};
use super::resource::{Refused, Resource, nullable, show_common, take_project, typed};
use super::table::{Attribute, Default, Object, Table, common};

pub(crate) struct Subnets;

const POOL: &[Key] =
    &[Key { name: "start", kind: &Kind::Ip, required: true }, Key { name: "end", kind: &Kind::Ip, required: true }];
const ROUTE: &[Key] = &[
    Key { name: "destination", kind: &Kind::Cidr, required: true },
    Key { name: "nexthop", kind: &Kind::Ip, required: true },
];

impl Resource for Subnets {
    type Stored = Subnet;

    const TABLE: Table = Table {
        singular: "subnet",
        plural: "subnets",
        not_found: "SubnetNotFound",
        missing: |id| format!("Subnet {id} could not be found."),
        keys: &[],
        lenient: false,
        attributes: &[
            common::ID,
            common::NAME.indexed(Column::Name),
            common::PROJECT_ID,
            common::TENANT_ID,
            common::DESCRIPTION,
            Attribute::required("network_id", Kind::Uuid).indexed(Column::NetworkId),
            Attribute::required("ip_version", Kind::Integer(4, 6)).ordered(Column::IpVersion),
            Attribute::required("cidr", Kind::Cidr).indexed(Column::Cidr),
            Attribute::writable("gateway_ip", Kind::Ip, Default::Open).nullable().ordered(Column::Gateway),
            Attribute::writable("allocation_pools", Kind::Objects(POOL), Default::Open),
            Attribute::writable("enable_dhcp", Kind::Bool, Default::True).indexed(Column::EnableDhcp),
            Attribute::writable("dns_nameservers", Kind::Ips, Default::EmptyList).or_default(),
            Attribute::writable("host_routes", Kind::Objects(ROUTE), Default::EmptyList).or_default(),
            Attribute::writable("service_types", Kind::ServiceTypes, Default::EmptyList).or_default(),
            Attribute::create_only("ipv6_ra_mode", Kind::OneOf(ipv6_modes::MODES), Default::Null)
                .nullable()
                .ordered(Column::RaMode),
            Attribute::create_only("ipv6_address_mode", Kind::OneOf(ipv6_modes::MODES), Default::Null)
                .nullable()
                .ordered(Column::AddressMode),
            Attribute::create_only("subnetpool_id", Kind::Uuid, Default::Null).nullable().ordered(Column::Same),
            // of its network
            Attribute::filter_only("shared", Kind::Bool, Column::OfShared),
            common::TAGS,
            common::CREATED_AT,
            common::UPDATED_AT,
            common::REVISION_NUMBER,
        ],
    };

    const REFUSED: Refused = Refused { create: &[404, 409], update: &[409, 412], delete: &[409, 412] };

    const COUNTED: Option<Counted> = Some(Counted::Subnet);

    async fn create(
        write: &mut Write<'_>,
        _state: &RestState,
        context: &Context,
        objects: Vec<Object>,
    ) -> Result<Vec<Subnet>> {
        let mut made = Vec::with_capacity(objects.len());
        for object in objects {
            let new = new(object, context)?;
            if networks::access(write, context, new.network_id).await? != Access::Own {
                return Err(ApiError::forbidden("create_subnet"));
            }
            made.push(Subnet::create(write, new).await?);
        }
        Ok(made)
    }

    async fn update(
        write: &mut Write<'_>,
        _state: &RestState,
        _context: &Context,
        subnet: Subnet,
        changes: Object,
    ) -> Result<Subnet> {
        let Update { name, gateway_ip, enable_dhcp, allocation_pools, attributes } = typed(changes)?;
        ipv6_modes::check_change(enable_dhcp, &subnet.attributes)?;
        check_routes(&subnet.cidr, &attributes)?;
        if let Some(Some(gateway)) = gateway_ip {
            check_gateway(&subnet.cidr, gateway)?;
        }
        let allocation_pools = allocation_pools.map(|pools| check_pools(&subnet.cidr, pools)).transpose()?;
        let update = SubnetUpdate { name, gateway_ip, enable_dhcp, allocation_pools, attributes };
        Ok(subnet.update(write, update).await?)
    }

    async fn delete(write: &mut Write<'_>, _state: &RestState, subnet: Subnet) -> Result<()> {
        Ok(subnet.delete(write).await?)
    }

    async fn show(_state: &RestState, subnets: Vec<Subnet>) -> Result<Vec<Object>> {
        Ok(subnets.into_iter().map(show).collect())
    }
}

#[derive(Deserialize)]
struct Create {
    name: String,
    network_id: NetworkId,
    ip_version: u8,
    cidr: IpNet,
    #[serde(default, deserialize_with = "nullable")]
    gateway_ip: Option<Option<IpAddr>>,
    allocation_pools: Option<Vec<Pool>>,
    enable_dhcp: bool,
    #[serde(flatten)]
    attributes: Object,
}

#[derive(Deserialize)]
struct Update {
    name: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    gateway_ip: Option<Option<IpAddr>>,
    enable_dhcp: Option<bool>,
    allocation_pools: Option<Vec<Pool>>,
    #[serde(flatten)]
    attributes: Object,
}

#[derive(Deserialize)]
struct Pool {
    start: IpAddr,
    end: IpAddr,
}

fn new(mut object: Object, context: &Context) -> Result<NewSubnet> {
    let project_id = take_project(context, &mut object)?;
    let create: Create = typed(object)?;
    refuse_pool(&create.attributes)?;
    check_cidr(&create)?;
    check_routes(&create.cidr, &create.attributes)?;
    let gateway_ip = match create.gateway_ip {
        Some(named) => named,
        None => Some(store::default_gateway(&create.cidr)),
    };
    if let Some(gateway) = gateway_ip {
        check_gateway(&create.cidr, gateway)?;
    }
    let allocation_pools = match create.allocation_pools {
        Some(pools) => check_pools(&create.cidr, pools)?,
        None => store::default_pools(&create.cidr, gateway_ip),
    };
    Ok(NewSubnet {
        id: SubnetId(Uuid::new_v4()),
        network_id: create.network_id,
        project_id,
        name: create.name,
        cidr: create.cidr,
        gateway_ip,
        enable_dhcp: create.enable_dhcp,
        allocation_pools,
        attributes: create.attributes,
    })
}

fn check_cidr(create: &Create) -> Result<()> {
    let version = ip_version(&create.cidr);
    if version != create.ip_version {
        let message = format!("cidr '{}' does not match the ip_version '{}'", create.cidr, create.ip_version);
        return Err(ApiError::invalid(message));
    }
    if create.cidr.prefix_len() == 0 {
        return Err(ApiError::invalid("0 is not allowed as CIDR prefix length"));
    }
    ipv6_modes::check(create.enable_dhcp, &create.cidr, &create.attributes)
}

/// There are no subnet pools, so no subnet is of one.
fn refuse_pool(attributes: &Object) -> Result<()> {
    match attributes.get("subnetpool_id").and_then(Value::as_str) {
        Some(pool) => Err(ApiError::not_found("SubnetPoolNotFound", format!("Subnet pool {pool} could not be found."))),
        None => Ok(()),
    }
}

/// Routes are of the subnet's IP version.
fn check_routes(cidr: &IpNet, attributes: &Object) -> Result<()> {
    let version = ip_version(cidr);
    let routes = attributes.get("host_routes").and_then(Value::as_array).into_iter().flatten();
    for (route, name) in routes.flat_map(|route| ["nexthop", "destination"].map(|name| (route, name))) {
        let address = route.get(name).and_then(Value::as_str).unwrap_or_default();
        if address.contains(':') != (version == 6) {
            let message = format!("{name} '{address}' does not match the ip_version '{version}'");
            return Err(ApiError::invalid(message));
        }
    }
    Ok(())
}

/// A gateway may lie outside the subnet, but not be an address of it that no port can have.
fn check_gateway(cidr: &IpNet, gateway: IpAddr) -> Result<()> {
    if gateway.is_ipv4() != cidr.addr().is_ipv4() {
        return Err(ApiError::invalid(format!("gateway_ip '{gateway}' does not match the ip_version of '{cidr}'")));
    }
    let (first, last) = store::usable(cidr);
    if cidr.contains(&gateway) && !(first..=last).contains(&gateway) {
        return Err(ApiError::invalid("Gateway is not valid on subnet"));
    }
    Ok(())
}

/// The pools in order, each in the subnet and none meeting another.
fn check_pools(cidr: &IpNet, pools: Vec<Pool>) -> Result<Vec<Range>> {
    let (first, last) = store::usable(cidr);
    let mut ranges: Vec<Range> = pools.into_iter().map(|Pool { start, end }| (start, end)).collect();
    ranges.sort_unstable();
    for (start, end) in &ranges {
        if start > end || start.is_ipv4() != end.is_ipv4() {
            let message = format!("The allocation pool {start}-{end} is not valid.");
            return Err(ApiError::bad("InvalidAllocationPool", message));
        }
        if *start < first || *end > last {
            let message = format!("The allocation pool {start}-{end} spans beyond the subnet cidr {cidr}.");
            return Err(ApiError::bad("OutOfBoundsAllocationPool", message));
        }
    }
    for (one, other) in ranges.iter().zip(ranges.iter().skip(1)) {
        if other.0 <= one.1 {
            let message = format!(
                "Found overlapping allocation pools: {}-{} {}-{} for subnet {cidr}.",
                one.0, one.1, other.0, other.1
            );
            return Err(ApiError::conflict("OverlappingAllocationPools", message));
        }
    }
    Ok(ranges)
}

fn ip_version(cidr: &IpNet) -> u8 {
    if cidr.addr().is_ipv4() { 4 } else { 6 }
}

fn show(subnet: Subnet) -> Object {
    let mut object = subnet.attributes;
    let pools: Vec<Value> =
        subnet.allocation_pools.iter().map(|(start, end)| json!({"start": start, "end": end})).collect();
    let own = json!({
        "id": subnet.id,
        "name": subnet.name,
        "network_id": subnet.network_id,
        "ip_version": ip_version(&subnet.cidr),
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway_ip,
        "enable_dhcp": subnet.enable_dhcp,
        "allocation_pools": pools,
    });
    if let Value::Object(own) = own {
        object.extend(own);
    }
    show_common(&mut object, &subnet.project_id, subnet.stamp);
    object
}
