//! Ports: changed and read. They are made in `new_ports`; their addresses are in `fixed_ips`.

use futures::TryStreamExt as _;
use model::{Change, Generation, HostName, Mac, NetworkId, PortId, PortStatus, SubnetId};
use serde_json::Value;
use sqlx::{AssertSqlSafe, QueryBuilder, Row as _};
use uuid::Uuid;

use crate::db::{Connection, Engine, Row, attributes_from, attributes_text, to_i64};
use crate::filter::{Column, Filter};
use crate::fixed_ips::Taker;
use crate::packed::{self, Packed, Part};
use crate::types::{Attributes, FixedIp, Port, PortBinding, PortUpdate, Stamp, VifType};
use crate::write::{Touched, Write};
use crate::{CanBind, Error, Result, Stored, bindings, fixed_ips, networks, port_security};

const VNIC_TYPE: &str = "binding:vnic_type";
/// Kinds of interfaces that need no card that forwards by itself, as Neutron's mechanism driver `openvswitch` binds them.
const SERVED: [&str; 2] = ["normal", "vdpa"];

impl Port {
    pub async fn update(self, write: &mut Write<'_>, update: PortUpdate, can_bind: &CanBind<'_>) -> Result<Port> {
        let before = self;
        let mut after = before.clone();
        after.attributes.extend(update.attributes);
        if let Some(groups) = &update.security_groups {
            port_security::replace(write, groups, &mut after.attributes).await?;
        }
        after.name = update.name.unwrap_or(after.name);
        after.device_id = update.device_id.unwrap_or(after.device_id);
        after.device_owner = update.device_owner.unwrap_or(after.device_owner);
        after.admin_state_up = update.admin_state_up.unwrap_or(after.admin_state_up);
        after.mac = update.mac.unwrap_or(after.mac);
        if after.mac != before.mac && before.is_bound() {
            return Err(Error::PortBound { port: before.id, old: before.mac, new: after.mac });
        }
        let another_kind = after.vnic_type() != before.vnic_type();
        let where_it_is = before.binding.as_ref().filter(|_| another_kind).map(|binding| Some(binding.host.clone()));
        if let Some(host) = update.host.or(where_it_is) {
            let segment = networks::segment(write.db().await?, before.network_id).await?;
            after.binding = rebind(&after, host, |host| can_bind(host, segment.tunnel_type));
        }
        if after.binding != before.binding || before.admin_state_up && !after.admin_state_up {
            after.former = before.still_wired().filter(|_| after.admin_state_up && after.is_bound());
            // What was wired is no longer. A new generation, so that a report of the earlier wiring is told apart.
            after.generation = before.generation.next();
            after.wired = false;
            after.status = PortStatus::Down;
        }
        if after != before {
            save(write, &before, &after).await?;
        }
        let [were, are] = [&before, &after].map(|port| port_security::groups(&port.attributes));
        port_security::join(write, before.id, &were, &are).await?;
        if let Some(binding) = after.binding.as_ref().filter(|_| after.binding != before.binding) {
            // it is in force now, so it is not prepared any more
            bindings::delete(write, before.id, &binding.host).await?;
        }
        if update.fixed_ips.is_some() || after.mac != before.mac {
            fixed_ips::change(write, after.taker(), &before.fixed_ips, update.fixed_ips.as_deref()).await?;
        }
        count_change(write, &before).await
    }

    pub async fn delete(self, write: &mut Write<'_>) -> Result<()> {
        fixed_ips::release_all(write, &self).await?;
        sqlx::query("DELETE FROM ports WHERE id = $1").bind(self.id.0).execute(write.db().await?).await?;
        write.touch(Touched::Port(self.id), Some(Change::PortDeleted(self.id)));
        Ok(())
    }

    pub(crate) fn taker(&self) -> Taker<'_> {
        Taker { port: self.id, network: self.network_id, mac: self.mac, device_owner: &self.device_owner }
    }

    /// A host is asked to wire it.
    pub fn is_bound(&self) -> bool {
        self.binding.as_ref().is_some_and(|binding| binding.vif_type == VifType::Ovs)
    }

    /// Whether Open vSwitch serves interfaces of its kind; others are bound nowhere.
    pub(crate) fn is_served(&self) -> bool {
        is_served(&self.attributes)
    }

    fn vnic_type(&self) -> Option<&Value> {
        self.attributes.get(VNIC_TYPE)
    }

    /// The binding under which a host has it wired.
    fn still_wired(&self) -> Option<model::Binding> {
        let current = self.binding.as_ref().filter(|_| self.wired);
        let current = current.map(|binding| model::Binding { host: binding.host.clone(), generation: self.generation });
        current.or_else(|| self.former.clone())
    }

    /// What hosts must know of it. A binding that failed is none.
    pub fn to_model(&self) -> model::Port {
        let binding = self.binding.as_ref().filter(|_| self.is_bound());
        model::Port {
            id: self.id,
            network: self.network_id,
            mac: self.mac,
            ips: self.fixed_ips.iter().map(|fixed_ip| fixed_ip.ip).collect(),
            admin_up: self.admin_state_up,
            binding: binding.map(|binding| model::Binding { host: binding.host.clone(), generation: self.generation }),
            former: self.former.clone(),
            prepared: self.prepared.clone(),
            wired: self.wired,
            status: self.status,
        }
    }
}

/// Gives the ports of a network the addresses that they form in a subnet that has just been made.
pub(crate) async fn form_addresses(write: &mut Write<'_>, network: NetworkId) -> Result<()> {
    for port in write.list::<Port>(&Filter::by_network(network)).await? {
        // one that is dedicated to other owners is none of this port's
        match fixed_ips::change(write, port.taker(), &port.fixed_ips, None).await {
            Ok(()) | Err(Error::NoSubnetForOwner { .. }) => {}
            Err(error) => return Err(error),
        }
        count_change(write, &port).await?;
    }
    Ok(())
}

/// Takes from ports their addresses in a subnet that is about to go, if their owners are such that they lose them.
pub(crate) async fn forget_addresses(
    write: &mut Write<'_>,
    subnet: SubnetId,
    loses: impl Fn(&str) -> bool,
) -> Result<()> {
    let users: Vec<Port> = write.list(&Filter::by(Column::SubnetId, subnet.to_string())).await?;
    for port in users.iter().filter(|port| loses(&port.device_owner)) {
        sqlx::query("DELETE FROM fixed_ips WHERE subnet_id = $1 AND port_id = $2")
            .bind(subnet.0)
            .bind(port.id.0)
            .execute(write.db().await?)
            .await?;
        count_change(write, port).await?;
    }
    Ok(())
}

/// Tells the hosts what they must know of a port whose bindings that are not in force have changed.
pub(crate) async fn tell(write: &mut Write<'_>, before: &Port) -> Result<()> {
    let after: Port = write.get(before.id.0).await?;
    let change = (after.to_model() != before.to_model()).then(|| Change::Port(after.to_model()));
    write.touch(Touched::Port(after.id), change);
    Ok(())
}

/// Counts what has been changed of a port, if anything has, and tells the hosts what they must know of it. The port as it
/// is now.
async fn count_change(write: &mut Write<'_>, before: &Port) -> Result<Port> {
    let mut after: Port = write.get(before.id.0).await?;
    if after == *before {
        return Ok(after);
    }
    after.stamp.updated_at = write.now;
    after.stamp.revision_number += 1;
    sqlx::query("UPDATE ports SET updated_at = $1, revision_number = $2 WHERE id = $3")
        .bind(after.stamp.updated_at)
        .bind(after.stamp.revision_number)
        .bind(after.id.0)
        .execute(write.db().await?)
        .await?;
    let change = (after.to_model() != before.to_model()).then(|| Change::Port(after.to_model()));
    write.touch(Touched::Port(after.id), change);
    Ok(after)
}

impl Stored for Port {
    const TABLE: &'static str = "ports";

    async fn select(db: &mut Connection, filter: &Filter) -> Result<Vec<Port>> {
        let mut query = QueryBuilder::default();
        ask(&mut query, filter);
        read_all(&[query.build().fetch_one(db).await?])
    }

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn missing(id: Uuid) -> Error {
        Error::PortNotFound(PortId(id))
    }

    fn project_id(&self) -> Option<&str> {
        Some(&self.project_id)
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(self.stamp)
    }
}

/// Asks for the ports that match; [`read_all`] reads the answer.
pub(crate) fn ask(query: &mut QueryBuilder<Engine>, filter: &Filter) {
    // the order is that of the inner statement, as engines keep it for such an aggregate
    let all = packed::rows("o.port", None);
    query.push(format!("SELECT {all} FROM ({}", select("AS port", FULL)));
    filter.push_to::<Port>(query, "p");
    query.push(") AS o");
}

pub(crate) fn read_all(rows: &[Row]) -> Result<Vec<Port>> {
    let all = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    Packed::new(all.try_get(0)?).rows(read)
}

/// What [`read_model`] reads, but for the rows that hang on a port.
const MODEL: &[Part<'_>] = &[
    Part::Bytes("p.id"),
    Part::Bytes("p.network_id"),
    Part::Bytes("p.mac"),
    Part::Word("p.admin_state_up"),
    Part::Word("p.generation"),
    Part::Word("p.wired"),
    Part::Word("p.status"),
    Part::Text("b.host"),
    Part::Word("b.vif_type"),
    Part::Text("b.former_host"),
    Part::Word("b.former_generation"),
];

/// What [`read`] reads besides.
const FULL: &[Part<'_>] = &[
    Part::Text("p.project_id"),
    Part::Text("p.name"),
    Part::Text("p.device_id"),
    Part::Text("p.device_owner"),
    Part::Word("p.created_at"),
    Part::Word("p.updated_at"),
    Part::Word("p.revision_number"),
    Part::Text("p.attributes"),
];

/// Each port as a packed row: what hosts must know of it, then these parts.
fn select(name: &str, more: &[Part<'_>]) -> String {
    let prepared = packed::rows(&packed::row(&[Part::Text("i.host")]), Some("i.host"));
    // an order of so few is cheaper made here than by the engine
    let fixed_ip = packed::row(&[Part::Word("f.position"), Part::Bytes("f.subnet_id"), Part::Bytes("f.ip")]);
    let hanging = packed::row(&[
        Part::Rows(&format!(
            "SELECT {prepared} FROM inactive_bindings i WHERE i.port_id = p.id AND i.vif_type = '{}'",
            VifType::Ovs.as_str()
        )),
        Part::Rows(&format!("SELECT {} FROM fixed_ips f WHERE f.port_id = p.id", packed::rows(&fixed_ip, None))),
    ]);
    let own = [packed::row(MODEL), hanging, packed::row(more)];
    let own: Vec<String> = own.into_iter().filter(|parts| !parts.is_empty()).collect();
    format!("SELECT {} {name} FROM ports p LEFT JOIN bindings b ON b.port_id = p.id", own.join(" || "))
}

/// What hosts must know of every port: far less to read than the ports.
pub(crate) async fn models(db: &mut Connection) -> Result<Vec<model::Port>> {
    let mut rows = sqlx::query(AssertSqlSafe(select("AS port", &[]))).fetch(db);
    let mut ports = Vec::new();
    while let Some(row) = rows.try_next().await? {
        ports.push(read_model(&mut Packed::new(row.try_get(0)?))?.into_model());
    }
    Ok(ports)
}

/// The binding to a host: what there is if it is bound there, else what the host's agent permits now.
fn rebind(port: &Port, host: Option<HostName>, can_bind: impl Fn(&HostName) -> bool) -> Option<PortBinding> {
    let host = host?;
    let is_bound = |binding: &PortBinding| binding.host == host && binding.vif_type == VifType::Ovs;
    let can_bind = port.is_served() && (port.binding.as_ref().is_some_and(is_bound) || can_bind(&host));
    Some(PortBinding { vif_type: vif_type(can_bind), host })
}

/// Whether Open vSwitch serves the kind of interface that is wanted.
pub(crate) fn is_served(attributes: &Attributes) -> bool {
    let vnic_type = attributes.get(VNIC_TYPE).and_then(Value::as_str);
    vnic_type.is_none_or(|vnic_type| SERVED.contains(&vnic_type))
}

pub(crate) fn vif_type(can_bind: bool) -> VifType {
    if can_bind { VifType::Ovs } else { VifType::BindingFailed }
}

async fn save(write: &mut Write<'_>, before: &Port, after: &Port) -> Result<()> {
    let saved = sqlx::query(
        "UPDATE ports SET name = $1, mac = $2, admin_state_up = $3, device_id = $4, device_owner = $5, status = $6, \
         wired = $7, generation = $8, attributes = $9 \
         WHERE id = $10 AND NOT EXISTS (SELECT 1 FROM ports WHERE network_id = $11 AND mac = $2 AND id <> $10)",
    )
    .bind(&after.name)
    .bind(after.mac.0.to_vec())
    .bind(after.admin_state_up)
    .bind(&after.device_id)
    .bind(&after.device_owner)
    .bind(after.status.as_str())
    .bind(after.wired)
    .bind(to_i64(after.generation.0)?)
    .bind(attributes_text(&after.attributes)?)
    .bind(after.id.0)
    .bind(after.network_id.0)
    .execute(write.db().await?)
    .await?;
    if saved.rows_affected() == 0 {
        return Err(Error::MacInUse { network: after.network_id, mac: after.mac });
    }
    match &after.binding {
        Some(binding) if (&after.binding, &after.former) != (&before.binding, &before.former) => {
            bind(write, after.id, binding, after.former.as_ref()).await
        }
        None if before.binding.is_some() => unbind(write, after.id).await,
        _ => Ok(()),
    }
}

async fn bind(
    write: &mut Write<'_>,
    port: PortId,
    binding: &PortBinding,
    former: Option<&model::Binding>,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO bindings (port_id, host, vif_type, former_host, former_generation) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (port_id) DO UPDATE SET host = excluded.host, vif_type = excluded.vif_type, \
         former_host = excluded.former_host, former_generation = excluded.former_generation",
    )
    .bind(port.0)
    .bind(binding.host.as_str())
    .bind(binding.vif_type.as_str())
    .bind(former.map(|former| former.host.as_str()))
    .bind(former.map(|former| to_i64(former.generation.0)).transpose()?)
    .execute(write.db().await?)
    .await?;
    Ok(())
}

async fn unbind(write: &mut Write<'_>, port: PortId) -> Result<()> {
    sqlx::query("DELETE FROM bindings WHERE port_id = $1").bind(port.0).execute(write.db().await?).await?;
    Ok(())
}

/// What hosts must know of a port, as it is recorded.
struct Recorded {
    id: PortId,
    network_id: NetworkId,
    mac: Mac,
    admin_state_up: bool,
    generation: Generation,
    wired: bool,
    status: PortStatus,
    binding: Option<PortBinding>,
    former: Option<model::Binding>,
    prepared: Vec<HostName>,
    fixed_ips: Vec<FixedIp>,
}

fn read(port: &mut Packed<'_>) -> Result<Port> {
    let recorded = read_model(port)?;
    Ok(Port {
        id: recorded.id,
        network_id: recorded.network_id,
        mac: recorded.mac,
        admin_state_up: recorded.admin_state_up,
        generation: recorded.generation,
        wired: recorded.wired,
        status: recorded.status,
        binding: recorded.binding,
        former: recorded.former,
        prepared: recorded.prepared,
        fixed_ips: recorded.fixed_ips,
        project_id: port.text()?.to_owned(),
        name: port.text()?.to_owned(),
        device_id: port.text()?.to_owned(),
        device_owner: port.text()?.to_owned(),
        stamp: Stamp { created_at: port.number()?, updated_at: port.number()?, revision_number: port.number()? },
        attributes: attributes_from(port.text()?)?,
    })
}

fn read_model(port: &mut Packed<'_>) -> Result<Recorded> {
    Ok(Recorded {
        id: PortId(port.uuid()?),
        network_id: NetworkId(port.uuid()?),
        mac: port.mac()?,
        admin_state_up: port.flag()?,
        generation: Generation(port.number()?),
        wired: port.flag()?,
        status: port.word()?.parse()?,
        binding: read_binding(port)?,
        former: read_former(port)?,
        prepared: port.rows(|host| Ok(host.text()?.parse()?))?,
        fixed_ips: read_fixed_ips(port)?,
    })
}

impl Recorded {
    /// As [`Port::to_model`].
    fn into_model(self) -> model::Port {
        let binding = self.binding.filter(|binding| binding.vif_type == VifType::Ovs);
        model::Port {
            id: self.id,
            network: self.network_id,
            mac: self.mac,
            ips: self.fixed_ips.into_iter().map(|fixed_ip| fixed_ip.ip).collect(),
            admin_up: self.admin_state_up,
            binding: binding.map(|binding| model::Binding { host: binding.host, generation: self.generation }),
            former: self.former,
            prepared: self.prepared,
            wired: self.wired,
            status: self.status,
        }
    }
}

fn read_binding(port: &mut Packed<'_>) -> Result<Option<PortBinding>> {
    let (host, vif_type) = (port.text_or_null()?, port.word()?);
    let Some(host) = host else { return Ok(None) };
    let vif_type = [VifType::Ovs, VifType::BindingFailed]
        .into_iter()
        .find(|known| known.as_str() == vif_type)
        .ok_or_else(|| Error::Corrupt(format!("\"{vif_type}\" is not a VIF type")))?;
    Ok(Some(PortBinding { host: host.parse()?, vif_type }))
}

fn read_former(port: &mut Packed<'_>) -> Result<Option<model::Binding>> {
    let Some(host) = port.text_or_null()? else {
        port.word()?;
        return Ok(None);
    };
    Ok(Some(model::Binding { host: host.parse()?, generation: Generation(port.number()?) }))
}

fn read_fixed_ips(port: &mut Packed<'_>) -> Result<Vec<FixedIp>> {
    let mut fixed_ips = port.rows(|fixed_ip| {
        let position: u64 = fixed_ip.number()?;
        Ok((position, FixedIp { subnet_id: SubnetId(fixed_ip.uuid()?), ip: fixed_ip.ip()? }))
    })?;
    fixed_ips.sort_unstable_by_key(|(position, _)| *position);
    Ok(fixed_ips.into_iter().map(|(_, fixed_ip)| fixed_ip).collect())
}
