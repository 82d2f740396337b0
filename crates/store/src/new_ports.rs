//! Making ports, one or many at a time: what they have in common is read once, and their rows are written together.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use model::{Change, Generation, HostName, Mac, NetworkId, PortId, PortStatus, TunnelType};

use crate::batch::{Batch, Values};
use crate::db::{attributes_text, to_i64};
use crate::fixed_ips::{self, Wish};
use crate::places::Site;
use crate::port_security::{self, Groups};
use crate::ports::{is_served, vif_type};
use crate::types::{NewPort, Port, PortBinding};
use crate::write::{Touched, Write};
use crate::{Error, Result, stored};

/// Random MACs to try: 2^24 are ours, so several clashes in a row mean that the network is full.
const MAC_TRIES: usize = 16;

/// Says whether a port can be bound to this host now. Asked inside the transaction that binds, so that a host that
/// registers meanwhile is either seen here or sees the port in [`Store::bind_pending`](crate::Store::bind_pending).
pub type CanBind<'c> = dyn Fn(&HostName, TunnelType) -> bool + Send + Sync + 'c;

impl Port {
    /// Makes ports, all or none. One that has a host is bound at once if `can_bind` says so.
    pub async fn create(write: &mut Write<'_>, new: Vec<NewPort>, can_bind: &CanBind<'_>) -> Result<Vec<Port>> {
        let mut groups = Groups::default();
        let sites = sites(write, &mut groups, &new).await?;
        let site = |id: NetworkId| sites.get(&id).ok_or(Error::NetworkNotFound(id));
        let mut any_mac = HashSet::new();
        let mut choices = Vec::with_capacity(new.len());
        let mut ports = Vec::with_capacity(new.len());
        for mut new in new {
            let site = site(new.network_id)?;
            port_security::complete(write, &mut groups, &mut new, site.secured).await?;
            if new.mac.is_none() {
                any_mac.insert(new.id);
            }
            choices.push(new.fixed_ips.take());
            ports.push(without_addresses(write, new, |host| can_bind(host, site.segment.tunnel_type)));
        }
        insert(write, &mut ports, &any_mac).await?;

        let mut batch = Batch::default();
        let mut wishes = Vec::with_capacity(ports.len());
        for (port, choices) in ports.iter().zip(&choices) {
            let places = site(port.network_id)?.places(&port.device_owner)?;
            wishes.push(Wish { taker: port.taker(), places, choices: choices.as_deref() });
        }
        let fixed_ips = fixed_ips::assign(write, &mut batch, &wishes).await?;
        bind(&mut batch, &ports);
        port_security::join_all(&mut batch, &ports);
        batch.run(write.db()).await?;
        for (port, fixed_ips) in ports.iter_mut().zip(fixed_ips) {
            port.fixed_ips = fixed_ips;
            write.touch(Touched::Port(port.id), Some(Change::Port(port.to_model())));
        }
        Ok(ports)
    }
}

/// The networks of new ports, and by the way the default groups of their projects.
async fn sites(write: &mut Write<'_>, groups: &mut Groups, new: &[NewPort]) -> Result<HashMap<NetworkId, Site>> {
    let mut sites = HashMap::new();
    for port in new {
        if let Entry::Vacant(vacant) = sites.entry(port.network_id) {
            let site = Site::of(write.db(), port.network_id, Some(&port.project_id)).await?;
            groups.learn_default(&port.project_id, site.default_group);
            vacant.insert(site);
        }
    }
    Ok(sites)
}

fn without_addresses(write: &Write<'_>, new: NewPort, can_bind: impl Fn(&HostName) -> bool) -> Port {
    let binding =
        new.host.map(|host| PortBinding { vif_type: vif_type(is_served(&new.attributes) && can_bind(&host)), host });
    Port {
        id: new.id,
        network_id: new.network_id,
        project_id: new.project_id,
        name: new.name,
        mac: new.mac.unwrap_or_else(|| random_mac(write)),
        admin_state_up: new.admin_state_up,
        device_id: new.device_id,
        device_owner: new.device_owner,
        fixed_ips: Vec::new(),
        // the first binding is generation 1
        generation: if binding.is_some() { Generation::ZERO.next() } else { Generation::ZERO },
        binding,
        former: None,
        prepared: Vec::new(),
        wired: false,
        status: PortStatus::Down,
        attributes: new.attributes,
        stamp: write.new_stamp(),
    }
}

fn random_mac(write: &Write<'_>) -> Mac {
    let [.., a, b, c] = write.environment.random().to_be_bytes();
    Mac([0xfa, 0x16, 0x3e, a, b, c])
}

/// Inserts the rows. Those that may have any MAC get another one if the network has theirs already.
async fn insert(write: &mut Write<'_>, ports: &mut [Port], any_mac: &HashSet<PortId>) -> Result<()> {
    if insert_free(write, ports).await? == ports.len() {
        return Ok(());
    }
    for port in ports {
        let mut tries = MAC_TRIES;
        while stored::find::<Port>(write.db(), port.id.0).await?.is_none() {
            if !any_mac.contains(&port.id) {
                return Err(Error::MacInUse { network: port.network_id, mac: port.mac });
            }
            tries = tries.checked_sub(1).ok_or(Error::NoFreeMac(port.network_id))?;
            port.mac = random_mac(write);
            insert_free(write, std::slice::from_ref(port)).await?;
        }
    }
    Ok(())
}

/// Inserts the rows whose MACs their networks do not have; how many.
async fn insert_free(write: &mut Write<'_>, ports: &[Port]) -> Result<usize> {
    let rows = ports
        .iter()
        .map(|port| Ok((port, to_i64(port.generation.0)?, attributes_text(&port.attributes)?)))
        .collect::<Result<Vec<_>>>()?;
    let bind = |mut row: Values<'_>, (port, generation, attributes): &(&Port, i64, String)| {
        row.push_bind(port.id.0).push_bind(port.network_id.0).push_bind(&port.project_id).push_bind(&port.name);
        row.push_bind(port.mac.0.to_vec()).push_bind(port.admin_state_up);
        row.push_bind(&port.device_id).push_bind(&port.device_owner);
        row.push_bind(port.status.as_str()).push_bind(port.wired).push_bind(generation).push_bind(attributes);
        row.push_bind(port.stamp.created_at).push_bind(port.stamp.updated_at).push_bind(port.stamp.revision_number);
    };
    let mut batch = Batch::default();
    batch.insert(
        "INSERT INTO ports (id, network_id, project_id, name, mac, admin_state_up, device_id, device_owner, status, \
         wired, generation, attributes, created_at, updated_at, revision_number)",
        &rows,
        bind,
        " ON CONFLICT (network_id, mac) DO NOTHING",
    );
    Ok(usize::try_from(batch.run(write.db()).await?).unwrap_or(usize::MAX))
}

fn bind(batch: &mut Batch, ports: &[Port]) {
    let bindings: Vec<(PortId, &PortBinding)> =
        ports.iter().filter_map(|port| Some((port.id, port.binding.as_ref()?))).collect();
    let bind = |mut row: Values<'_>, (port, binding): &(PortId, &PortBinding)| {
        row.push_bind(port.0).push_bind(binding.host.as_str()).push_bind(binding.vif_type.as_str());
    };
    batch.insert("INSERT INTO bindings (port_id, host, vif_type)", &bindings, bind, "");
}
