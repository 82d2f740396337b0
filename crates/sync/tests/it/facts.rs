//! A small world of hosts, networks and ports, and what each host must hold of it, worked out from nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use directory::Directory;
use model::{
    Binding, Change, Committed, Entry, Epoch, Generation, Host, HostName, Mac, Network, NetworkId, Port, PortId,
    PortStatus, Revision, Segment, TunnelType,
};
use sync::messages::Hello;
use uuid::Uuid;

pub(crate) const HOSTS: u8 = 3;
pub(crate) const NETWORKS: u8 = 2;
pub(crate) const PORTS: u8 = 16;

pub(crate) fn host(n: u8) -> HostName {
    format!("host-{n}").parse().unwrap()
}

pub(crate) fn network(n: u8) -> NetworkId {
    NetworkId(Uuid::from_bytes([0x10 + n; 16]))
}

pub(crate) fn port(n: u8) -> PortId {
    PortId(Uuid::from_bytes([0x20 + n; 16]))
}

pub(crate) fn epoch(n: u8) -> Epoch {
    Epoch(Uuid::from_bytes([n; 16]))
}

pub(crate) fn hello(n: u8) -> Hello {
    Hello::new(host(n), IpAddr::from([10, 0, 0, n]))
}

pub(crate) fn a_port(id: u8, on: u8, wired: bool) -> Port {
    Port {
        id: port(id),
        network: network(u8::from(id % 5 == 4)),
        mac: Mac([2, 0, 0, 0, 0, id]),
        ips: vec![IpAddr::from([192, 168, 0, id])],
        admin_up: true,
        binding: Some(Binding { host: host(on), generation: Generation(1) }),
        former: None,
        prepared: vec![],
        wired,
        status: PortStatus::Down,
    }
}

/// What the store would hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) revision: u64,
    pub(crate) ports: BTreeMap<PortId, Port>,
}

impl Facts {
    /// A directory with all hosts and networks and no port.
    pub(crate) fn begin() -> (Self, Directory) {
        let mut facts = Facts::default();
        let mut directory = Directory::new(directory::Limits { tombstones: 3 });
        facts.commit(&mut directory, Facts::fixed());
        (facts, directory)
    }

    pub(crate) fn commit(&mut self, directory: &mut Directory, changes: Vec<Change>) -> Revision {
        for change in &changes {
            match change {
                Change::Port(port) => drop(self.ports.insert(port.id, port.clone())),
                Change::PortDeleted(id) => drop(self.ports.remove(id)),
                _ => {}
            }
        }
        self.revision += 1;
        let revision = Revision(self.revision);
        assert!(directory.apply(&Committed { revision, changes }));
        revision
    }

    pub(crate) fn all(&self) -> Committed {
        let changes = Facts::fixed().into_iter().chain(self.ports.values().cloned().map(Change::Port)).collect();
        Committed { revision: Revision(self.revision), changes }
    }

    pub(crate) fn entries_for(&self, on: u8, of: u8) -> BTreeMap<PortId, Entry> {
        let mut entries = BTreeMap::new();
        for known in self.ports.values().filter(|known| known.network == network(of) && known.admin_up) {
            let binding = if known.wired { &known.binding } else { &known.former };
            let Some(at) = (0..HOSTS).find(|n| binding.as_ref().is_some_and(|binding| binding.host == host(*n))) else {
                continue;
            };
            if at != on {
                let endpoint = IpAddr::from([10, 0, 0, at]);
                let entry = Entry { port: known.id, mac: known.mac, ips: known.ips.clone(), endpoint };
                entries.insert(known.id, entry);
            }
        }
        entries
    }

    pub(crate) fn interests(&self, on: u8, plugged: &BTreeSet<u8>) -> BTreeSet<NetworkId> {
        let here = |known: &&Port| known.binding.iter().chain(&known.former).any(|binding| binding.host == host(on));
        plugged.iter().filter_map(|id| self.ports.get(&port(*id))).filter(here).map(|known| known.network).collect()
    }

    fn fixed() -> Vec<Change> {
        let hosts = (0..HOSTS).map(|n| {
            let tunnel_types = TunnelType::ALL.to_vec();
            Change::Host(Host { name: host(n), endpoint: IpAddr::from([10, 0, 0, n]), tunnel_types })
        });
        let networks = (0..NETWORKS).map(|n| {
            let segment = Segment::new(TunnelType::Vxlan, u64::from(n) + 1).unwrap();
            Change::Network(Network { id: network(n), segment, mtu: 1450 })
        });
        hosts.chain(networks).collect()
    }
}
