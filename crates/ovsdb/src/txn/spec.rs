use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::TunnelType;

use crate::codec::Row;

/// How a bridge shall be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BridgeSpec {
    pub name: String,
    /// Empty (the kernel's) or `netdev` (userspace).
    pub datapath_type: String,
    /// `standalone` or `secure`; none leaves it alone.
    pub fail_mode: Option<String>,
    /// Keys to set; others are left alone.
    pub other_config: BTreeMap<String, String>,
    /// OpenFlow versions that it must speak, as in `OpenFlow14`.
    pub protocols: BTreeSet<String>,
}

/// A port with its one interface, to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortSpec {
    /// Of port and interface; at most 15 bytes if the kernel is to know it.
    pub name: String,
    /// `Interface.type`.
    pub interface_type: String,
    /// `Interface.options`.
    pub options: BTreeMap<String, String>,
    /// `Interface.external_ids`.
    pub external_ids: BTreeMap<String, String>,
    pub tag: Option<u16>,
    /// `Port.other_config`.
    pub other_config: BTreeMap<String, String>,
}

impl PortSpec {
    /// A port that the host itself has as a device.
    pub fn internal(name: &str) -> Self {
        PortSpec { name: name.into(), interface_type: "internal".into(), ..PortSpec::default() }
    }

    /// One end of a pair of patch ports; `peer` names the other.
    pub fn patch(name: &str, peer: &str) -> Self {
        PortSpec {
            name: name.into(),
            interface_type: "patch".into(),
            options: BTreeMap::from([("peer".into(), peer.into())]),
            ..PortSpec::default()
        }
    }

    /// A tunnel to one endpoint, with the options that Neutron sets; flows choose the tunnel key.
    pub fn tunnel(name: &str, tunnel_type: TunnelType, local: IpAddr, remote: IpAddr) -> Self {
        let options = [
            ("df_default", "true".to_owned()),
            ("in_key", "flow".to_owned()),
            ("out_key", "flow".to_owned()),
            ("local_ip", local.to_string()),
            ("remote_ip", remote.to_string()),
        ];
        PortSpec {
            name: name.into(),
            interface_type: tunnel_type.as_str().into(),
            options: options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            ..PortSpec::default()
        }
    }

    pub(super) fn interface_row(&self) -> Row {
        Row::from([
            ("name".into(), self.name.as_str().into()),
            ("type".into(), self.interface_type.as_str().into()),
            ("options".into(), (&self.options).into()),
            ("external_ids".into(), (&self.external_ids).into()),
        ])
    }

    pub(super) fn port_row(&self) -> Row {
        Row::from([
            ("name".into(), self.name.as_str().into()),
            ("tag".into(), self.tag.into_iter().collect()),
            ("other_config".into(), (&self.other_config).into()),
        ])
    }
}
