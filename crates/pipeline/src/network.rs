use std::net::Ipv4Addr;

use model::{LocalVlan, Mac, PortId, Segment};

use crate::Row;
use crate::claims::Claims;
use crate::entries::Entries;

/// What a host knows of one network.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// `None`: not carried here (yet); entries may have come all the same.
    pub(crate) place: Option<Place>,
    /// The ports of other hosts.
    pub(crate) entries: Entries,
    /// MACs of the ports that are wired here.
    pub(crate) wired_macs: Claims<Mac, PortId>,
    /// IPv4 addresses of the ports that are wired here.
    pub(crate) wired_ips: Claims<Ipv4Addr, PortId>,
}

/// Where a network is carried: on the underlay, and on this host's bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: Segment,
    pub(crate) vlan: LocalVlan,
}

impl Network {
    pub(crate) fn is_empty(&self) -> bool {
        self.place.is_none() && self.entries.len() == 0 && self.wired_macs.is_empty() && self.wired_ips.is_empty()
    }

    /// Every row that this network may have, whether it has it now or not.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        self.place.into_iter().flat_map(|Place { segment, vlan }| {
            [Row::Key(segment), Row::Flood { vlan }]
                .into_iter()
                .chain(self.entries.macs().map(move |mac| Row::Unicast { vlan, mac }))
                .chain(self.entries.ips().map(move |ip| Row::Responder { vlan, ip }))
                .chain(self.wired_ips.things().map(move |ip| Row::LocalIp { vlan, ip: *ip }))
        })
    }
}
