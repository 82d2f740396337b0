use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use model::{HostName, Mac, NetworkId, PortId, SubnetId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Column, Counted, FixedIpChoice, NewPort, Port, PortUpdate, SecurityGroup, VifType, Write};
use uuid::Uuid;

use super::RestState;
use super::context::Context;
use super::error::{ApiError, Result};
use super::kind::{Key, Kind};
use super::networks::{self, Access};
use super::port_values::merge_dhcp_options;
use super::resource::{Refused, Resource, nullable, take_project, typed};
use super::shown::{Address, Own, Shown, common as shown_common};
use super::table::{Attribute, Default, Null, Object, Post, Reserved, Table, common};
use super::vif::{VNIC_TYPES, can_bind, datapaths, vif_details};
use super::{dns, policy};

pub(crate) struct Ports;

const FIXED_IP: &[Key] = &[
    Key { name: "subnet_id", kind: &Kind::Uuid, required: false },
    Key { name: "ip_address", kind: &Kind::Ip, required: false },
];

const DNS_ASSIGNMENT: &[Key] = &[
    Key { name: "ip_address", kind: &Kind::Ip, required: true },
    Key { name: "hostname", kind: &Kind::Text(255), required: true },
    Key { name: "fqdn", kind: &Kind::Text(255), required: true },
];
/// Addresses of one port: lists hold many ports at a time.
const MOST_IPS: usize = 256;
const DHCP_OPTIONS: &str = "extra_dhcp_opts";

impl Resource for Ports {
    type Stored = Port;

    const TABLE: Table = Table {
        singular: "port",
        plural: "ports",
        not_found: "PortNotFound",
        missing: |id| format!("Port {id} could not be found."),
        keys: &[
            ("fixed_ips", "ip_address", Some(Column::IpAddress)),
            ("fixed_ips", "subnet_id", Some(Column::SubnetId)),
            ("fixed_ips", "ip_address_substr", None),
        ],
        lenient: false,
        attributes: &[
            common::ID,
            common::NAME.indexed(Column::Name),
            common::PROJECT_ID,
            common::TENANT_ID,
            common::DESCRIPTION,
            common::ADMIN_STATE_UP,
            Attribute::required("network_id", Kind::Uuid).indexed(Column::NetworkId),
            Attribute::writable("mac_address", Kind::Mac, Default::Open).or_default().indexed(Column::Mac),
            Attribute::writable("fixed_ips", Kind::Objects(FIXED_IP), Default::Open),
            Attribute::writable("device_id", Kind::Text(255), Default::Text("")).indexed(Column::DeviceId),
            Attribute::writable("device_owner", Kind::Text(255), Default::Text("")).indexed(Column::DeviceOwner),
            Attribute::writable("binding:host_id", Kind::Text(255), Default::Null)
                .nullable()
                .indexed(Column::Host)
                .reserved(Reserved::ToSee),
            Attribute::writable("binding:vnic_type", Kind::OneOf(VNIC_TYPES), Default::Text("normal")),
            Attribute::writable("binding:profile", Kind::Object, Default::EmptyObject).reserved(Reserved::ToSee),
            Attribute::read_only("binding:vif_type", Kind::Text(64)).reserved(Reserved::ToSee),
            Attribute::read_only("binding:vif_details", Kind::Object).reserved(Reserved::ToSee),
            Attribute::writable("port_security_enabled", Kind::Bool, Default::Open),
            Attribute::writable("security_groups", Kind::Uuids, Default::Open).nullable().indexed(Column::MemberOf),
            Attribute::writable("allowed_address_pairs", Kind::AddressPairs, Default::EmptyList).or_default(),
            Attribute::writable(DHCP_OPTIONS, Kind::DhcpOptions, Default::EmptyList).or_default(),
            Attribute::writable("dns_name", Kind::DnsName, Default::Text("")),
            Attribute::read_only("dns_assignment", Kind::Objects(DNS_ASSIGNMENT)),
            Attribute::read_only("status", Kind::Text(16)).indexed(Column::Status),
            Attribute { post: Post::Default(Default::EmptyList), null: Null::Refused, ..common::TAGS },
            common::CREATED_AT,
            common::UPDATED_AT,
            common::REVISION_NUMBER,
        ],
    };

    const REFUSED: Refused = Refused { create: &[404, 409], update: &[409, 412], delete: &[412] };

    const COUNTED: Option<Counted> = Some(Counted::Port);

    async fn create(
        write: &mut Write<'_>,
        state: &RestState,
        context: &Context,
        objects: Vec<Object>,
    ) -> Result<Vec<Port>> {
        let mut ports = Vec::with_capacity(objects.len());
        for object in objects {
            check_name(&object, state)?;
            let reserved = policy::reserved_to_network_owner("create", &object);
            let new = new(object, context)?;
            match networks::access(write, context, new.network_id).await? {
                Access::None => return Err(store::Error::NetworkNotFound(new.network_id).into()),
                Access::Shared => reserved.map_or(Ok(()), |rule| Err(ApiError::forbidden(&rule)))?,
                Access::Own => {}
            }
            check_owner_of_groups(write, context, new.security_groups.as_deref()).await?;
            ports.push(new);
        }
        let ports = Port::create(write, ports, &can_bind(state)).await?;
        // whether one is secured may have been for its network to say
        ports.iter().try_for_each(check_security)?;
        Ok(ports)
    }

    async fn update(
        write: &mut Write<'_>,
        state: &RestState,
        context: &Context,
        port: Port,
        changes: Object,
    ) -> Result<Port> {
        check_name(&changes, state)?;
        if changes.contains_key("mac_address") {
            policy::admin(context, "update_port:mac_address")?;
        }
        let reserved = policy::reserved_to_network_owner("update", &changes);
        if let Some(rule) = reserved
            && networks::access(write, context, port.network_id).await? != Access::Own
        {
            return Err(ApiError::forbidden(&rule));
        }
        let mut update: Update = typed(changes)?;
        if let Some(options) = update.attributes.get_mut(DHCP_OPTIONS) {
            *options = merge_dhcp_options(port.attributes.get(DHCP_OPTIONS), options);
        }
        let update = PortUpdate {
            name: update.name,
            mac: update.mac_address,
            admin_state_up: update.admin_state_up,
            device_id: update.device_id,
            device_owner: update.device_owner,
            fixed_ips: update.fixed_ips.map(choices).transpose()?,
            host: update.host.map(host).transpose()?,
            security_groups: update.security_groups.map(Option::unwrap_or_default),
            attributes: update.attributes,
        };
        check_owner_of_groups(write, context, update.security_groups.as_deref()).await?;
        let named = update.security_groups.is_some();
        let port = port.update(write, update, &can_bind(state)).await?;
        check_groups(&port, named)?;
        check_security(&port)?;
        Ok(port)
    }

    async fn delete(write: &mut Write<'_>, _state: &RestState, port: Port) -> Result<()> {
        Ok(port.delete(write).await?)
    }

    async fn show(state: &RestState, ports: Vec<Port>) -> Result<Vec<Object>> {
        show(state, ports, |port| port.object()).await
    }

    async fn texts(state: &RestState, ports: Vec<Port>) -> Result<Vec<Vec<u8>>> {
        show(state, ports, |port| port.text(&Ports::TABLE)).await
    }
}

#[derive(Deserialize)]
struct Create {
    name: String,
    network_id: NetworkId,
    mac_address: Option<Mac>,
    admin_state_up: bool,
    device_id: String,
    device_owner: String,
    fixed_ips: Option<Vec<FixedIp>>,
    #[serde(rename = "binding:host_id")]
    host: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    security_groups: Option<Option<Vec<Uuid>>>,
    #[serde(flatten)]
    attributes: Object,
}

#[derive(Deserialize)]
struct Update {
    name: Option<String>,
    mac_address: Option<Mac>,
    admin_state_up: Option<bool>,
    device_id: Option<String>,
    device_owner: Option<String>,
    fixed_ips: Option<Vec<FixedIp>>,
    #[serde(rename = "binding:host_id", default, deserialize_with = "nullable")]
    host: Option<Option<String>>,
    #[serde(default, deserialize_with = "nullable")]
    security_groups: Option<Option<Vec<Uuid>>>,
    #[serde(flatten)]
    attributes: Object,
}

#[derive(Deserialize)]
struct FixedIp {
    subnet_id: Option<SubnetId>,
    ip_address: Option<IpAddr>,
}

fn new(mut object: Object, context: &Context) -> Result<NewPort> {
    let project_id = take_project(context, &mut object)?;
    let mut create: Create = typed(object)?;
    if let Some(options) = create.attributes.get_mut(DHCP_OPTIONS) {
        *options = merge_dhcp_options(None, options);
    }
    Ok(NewPort {
        id: PortId(Uuid::new_v4()),
        network_id: create.network_id,
        project_id,
        name: create.name,
        mac: create.mac_address,
        admin_state_up: create.admin_state_up,
        device_id: create.device_id,
        device_owner: create.device_owner,
        fixed_ips: create.fixed_ips.map(choices).transpose()?,
        host: host(create.host)?,
        security_groups: create.security_groups.map(Option::unwrap_or_default),
        attributes: create.attributes,
    })
}

/// An empty host name unbinds, as null does.
fn host(name: Option<String>) -> Result<Option<HostName>> {
    let name = name.filter(|name| !name.is_empty());
    name.map(|name| name.parse().map_err(|error: model::Error| ApiError::invalid(error))).transpose()
}

fn choices(fixed_ips: Vec<FixedIp>) -> Result<Vec<FixedIpChoice>> {
    if fixed_ips.len() > MOST_IPS {
        return Err(ApiError::invalid(format!("Exceeded maximum amount of fixed ips per port: {MOST_IPS}")));
    }
    let choice = |fixed_ip: FixedIp| match fixed_ip {
        FixedIp { ip_address: Some(ip), subnet_id } => Ok(FixedIpChoice::Exactly(ip, subnet_id)),
        FixedIp { ip_address: None, subnet_id: Some(subnet) } => Ok(FixedIpChoice::From(subnet)),
        FixedIp { ip_address: None, subnet_id: None } => {
            Err(ApiError::invalid("IP allocation requires subnet_id or ip_address"))
        }
    };
    fixed_ips.into_iter().map(choice).collect()
}

fn check_name(object: &Object, state: &RestState) -> Result<()> {
    let name = object.get("dns_name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() { Ok(()) } else { dns::check_domain(name, &state.settings.dns_domain) }
}

/// Those of other projects are not there for who is no administrator.
async fn check_owner_of_groups(write: &mut Write<'_>, context: &Context, groups: Option<&[Uuid]>) -> Result<()> {
    for id in groups.into_iter().flatten().filter(|_| !context.is_admin) {
        let group: SecurityGroup = write.get(*id).await?;
        if !policy::owns(context, Some(&group.project_id)) {
            return Err(store::Error::SecurityGroupNotFound(*id).into());
        }
    }
    Ok(())
}

/// Address pairs are exceptions from port security.
fn check_security(port: &Port) -> Result<()> {
    let pairs = port.attributes.get("allowed_address_pairs").and_then(Value::as_array);
    if is_secured(port) || pairs.is_none_or(Vec::is_empty) {
        return Ok(());
    }
    Err(ApiError::conflict(
        "AddressPairAndPortSecurityRequired",
        "Port Security must be enabled in order to have allowed address pairs on a port.",
    ))
}

/// A port without port security is in no group, whether the update named the groups or they were there.
fn check_groups(port: &Port, named: bool) -> Result<()> {
    let groups = port.attributes.get("security_groups").and_then(Value::as_array);
    if is_secured(port) || groups.is_none_or(Vec::is_empty) {
        return Ok(());
    }
    if named {
        return Err(store::Error::GroupsNeedPortSecurity.into());
    }
    Err(ApiError::conflict(
        "PortSecurityPortHasSecurityGroup",
        "Port has security group associated. Cannot disable port security or IP address until security group is \
         removed.",
    ))
}

fn is_secured(port: &Port) -> bool {
    port.attributes.get("port_security_enabled").and_then(Value::as_bool).unwrap_or(true)
}

async fn show<T>(state: &RestState, ports: Vec<Port>, form: impl Fn(Shown<'_>) -> Result<T>) -> Result<Vec<T>> {
    let details = details(state, &ports).await?;
    let form = |mut port: Port| {
        complete_pairs(&mut port.attributes, port.mac);
        form(shown(&port, &details, &state.settings.dns_domain))
    };
    ports.into_iter().map(form).collect()
}

/// `binding:vif_details` of what is bound on each host.
async fn details(state: &RestState, ports: &[Port]) -> Result<HashMap<HostName, Value>> {
    let bound = ports.iter().filter(|port| port.is_bound()).filter_map(|port| port.binding.as_ref());
    let hosts: Vec<HostName> = bound.map(|binding| binding.host.clone()).collect::<HashSet<_>>().into_iter().collect();
    let datapaths = datapaths(state, &hosts).await?;
    let details = hosts.into_iter().map(|host| {
        let mut details = vif_details(Some(VifType::Ovs), datapaths.get(&host));
        details["bound_drivers"] = json!({"0": "openvswitch"});
        (host, details)
    });
    Ok(details.collect())
}

fn shown<'a>(port: &'a Port, details: &'a HashMap<HostName, Value>, dns_domain: &str) -> Shown<'a> {
    let binding = port.binding.as_ref();
    let vif_details = binding.filter(|_| port.is_bound()).and_then(|binding| details.get(&binding.host));
    let address = |fixed_ip: &store::FixedIp| Address { subnet_id: fixed_ip.subnet_id.0, ip_address: fixed_ip.ip };
    let dns_name = port.attributes.get("dns_name").and_then(Value::as_str).unwrap_or_default();
    let names = dns::assignment(dns_name, dns_domain, port.fixed_ips.iter().map(|fixed_ip| fixed_ip.ip));
    let mut own = vec![
        ("id", Own::Id(port.id.0)),
        ("name", Own::Text(&port.name)),
        ("network_id", Own::Id(port.network_id.0)),
        ("mac_address", Own::Mac(port.mac)),
        ("admin_state_up", Own::Flag(port.admin_state_up)),
        ("status", Own::Status(port.status)),
        ("device_id", Own::Text(&port.device_id)),
        ("device_owner", Own::Text(&port.device_owner)),
        ("fixed_ips", Own::Addresses(port.fixed_ips.iter().map(address).collect())),
        ("dns_assignment", Own::Names(names)),
        ("binding:host_id", Own::Text(binding.map_or("", |binding| binding.host.as_str()))),
        ("binding:vif_type", Own::Text(binding.map_or("unbound", |binding| binding.vif_type.as_str()))),
        ("binding:vif_details", vif_details.map_or(Own::Nothing {}, Own::Json)),
    ];
    own.extend(shown_common(&port.project_id, port.stamp));
    Shown { own, kept: &port.attributes }
}

/// An address pair without a MAC means the port's own.
fn complete_pairs(object: &mut Object, mac: Mac) {
    let pairs = object.get_mut("allowed_address_pairs").and_then(Value::as_array_mut);
    for pair in pairs.into_iter().flatten().filter_map(Value::as_object_mut) {
        pair.entry("mac_address").or_insert_with(|| mac.to_string().into());
    }
}
