//! Making ports, one or many at a time: what they depend on is read at once, and their rows are written together, mostly on
//! the trip of the commit.

use std::collections::HashMap;

use model::{Change, Generation, HostName, Mac, NetworkId, PortId, PortStatus, TunnelType};

use crate::batch::{Batch, Values};
use crate::db::{attributes_text, to_i64};
use crate::fixed_ips::{self, Wish};
use crate::ipam::{self, Next};
use crate::macs::Macs;
use crate::places::Site;
use crate::port_security::{self, Groups};
use crate::ports::{is_served, vif_type};
use crate::types::{NewPort, Port, PortBinding};
use crate::write::{Touched, Write};
use crate::{Error, Result};

/// Says whether a port can be bound to this host now. Asked inside the transaction that binds, so that a host that
/// registers meanwhile is either seen here or sees the port in [`Store::bind_pending`](crate::Store::bind_pending).
pub type CanBind<'c> = dyn Fn(&HostName, TunnelType) -> bool + Send + Sync + 'c;

impl Port {
    /// Makes ports, all or none. One that has a host is bound at once if `can_bind` says so.
    pub async fn create(write: &mut Write<'_>, new: Vec<NewPort>, can_bind: &CanBind<'_>) -> Result<Vec<Port>> {
        let mut groups = Groups::default();
        let (sites, next, macs) = look_round(write, &mut groups, &new).await?;
        let site = |id: NetworkId| sites.get(&id).ok_or(Error::NetworkNotFound(id));
        let mut choices = Vec::with_capacity(new.len());
        let mut ports = Vec::with_capacity(new.len());
        for (mut new, mac) in new.into_iter().zip(macs) {
            let site = site(new.network_id)?;
            port_security::complete(write, &mut groups, &mut new, site.secured).await?;
            choices.push(new.fixed_ips.take());
            ports.push(without_addresses(write, new, mac, |host| can_bind(host, site.segment.tunnel_type)));
        }
        insert(write, &ports)?;

        let mut wishes = Vec::with_capacity(ports.len());
        for (port, choices) in ports.iter().zip(&choices) {
            let places = site(port.network_id)?.places(&port.device_owner)?;
            wishes.push(Wish { taker: port.taker(), places, choices: choices.as_deref() });
        }
        let fixed_ips = fixed_ips::assign(write, next, &wishes).await?;
        bind(write.last(), &ports);
        port_security::join_all(write.last(), &ports);
        for (port, fixed_ips) in ports.iter_mut().zip(fixed_ips) {
            port.fixed_ips = fixed_ips;
            write.touch(Touched::Port(port.id), Some(Change::Port(port.to_model())));
        }
        Ok(ports)
    }
}

/// All that new ports depend on, read together: their networks (and by the way the default groups of their projects), which
/// addresses are next there, and MACs that they can have.
async fn look_round(
    write: &mut Write<'_>,
    groups: &mut Groups,
    new: &[NewPort],
) -> Result<(HashMap<NetworkId, Site>, Next, Vec<Mac>)> {
    let mut networks: Vec<(NetworkId, &str)> = Vec::new();
    for port in new {
        if networks.iter().all(|(network, _)| *network != port.network_id) {
            networks.push((port.network_id, &port.project_id));
        }
    }
    let macs = Macs::wish(new, write.environment);
    let ask = |batch: &mut Batch| {
        for (network, project) in &networks {
            Site::ask(batch, *network, Some(project));
            ipam::ask_next(batch, *network);
        }
        macs.ask(batch);
    };
    let answers = write.ask(ask).await?;
    let (of_networks, of_macs) = answers.split_at_checked(2 * networks.len()).unwrap_or_default();
    let (mut sites, mut next) = (HashMap::new(), Next::new());
    for ((network, project), answers) in networks.into_iter().zip(of_networks.chunks(2)) {
        let [site, free] = answers else { continue };
        let site = Site::read(network, site)?;
        groups.learn_default(project, site.default_group);
        sites.insert(network, site);
        next.extend(ipam::read_next(free)?);
    }
    let macs = macs.settle(write, of_macs).await?;
    Ok((sites, next, macs))
}

fn without_addresses(write: &Write<'_>, new: NewPort, mac: Mac, can_bind: impl Fn(&HostName) -> bool) -> Port {
    let binding =
        new.host.map(|host| PortBinding { vif_type: vif_type(is_served(&new.attributes) && can_bind(&host)), host });
    Port {
        id: new.id,
        network_id: new.network_id,
        project_id: new.project_id,
        name: new.name,
        mac,
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

fn insert(write: &mut Write<'_>, ports: &[Port]) -> Result<()> {
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
    write.last().insert(
        "INSERT INTO ports (id, network_id, project_id, name, mac, admin_state_up, device_id, device_owner, status, \
         wired, generation, attributes, created_at, updated_at, revision_number)",
        &rows,
        bind,
        "",
    );
    Ok(())
}

fn bind(batch: &mut Batch, ports: &[Port]) {
    let bindings: Vec<(PortId, &PortBinding)> =
        ports.iter().filter_map(|port| Some((port.id, port.binding.as_ref()?))).collect();
    let bind = |mut row: Values<'_>, (port, binding): &(PortId, &PortBinding)| {
        row.push_bind(port.0).push_bind(binding.host.as_str()).push_bind(binding.vif_type.as_str());
    };
    batch.insert("INSERT INTO bindings (port_id, host, vif_type)", &bindings, bind, "");
}
