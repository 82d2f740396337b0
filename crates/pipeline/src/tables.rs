//! Tables and priorities of `br-tun`. Numbers are Neutron's where Neutron has the table; 18 is ours.

use model::TunnelType;

pub(crate) const CLASSIFY: u8 = 0;
pub(crate) const FROM_LOCAL: u8 = 2;
pub(crate) const FROM_GRE: u8 = 3;
pub(crate) const FROM_VXLAN: u8 = 4;
pub(crate) const LEARN: u8 = 10;
/// Tells ARP questions from announcements and probes. A goto only goes upwards, so it lies between 2 and 21.
pub(crate) const QUESTION: u8 = 18;
pub(crate) const UNICAST: u8 = 20;
pub(crate) const RESPONDER: u8 = 21;
pub(crate) const FLOOD: u8 = 22;

/// Priority of the row that catches what no other row of its table does.
pub(crate) const DEFAULT: u16 = 0;
/// Priority of ordinary rows; in the unicast table, of what was learned.
pub(crate) const NORMAL: u16 = 1;
/// Priority of rows that win over ordinary ones.
pub(crate) const ABOVE: u16 = 2;
/// Priority of rows that win over those.
pub(crate) const TOP: u16 = 3;

/// The tables of `br-tun` with the names that the documents use.
pub const TABLES: [(u8, &str); 9] = [
    (CLASSIFY, "classify"),
    (FROM_LOCAL, "from local"),
    (FROM_GRE, "from tunnel (GRE)"),
    (FROM_VXLAN, "from tunnel (VXLAN)"),
    (LEARN, "learn"),
    (QUESTION, "ARP question"),
    (UNICAST, "unicast"),
    (RESPONDER, "responder"),
    (FLOOD, "flood"),
];

/// The name of a table of `br-tun`, if it is one of ours.
pub fn table_name(table: u8) -> Option<&'static str> {
    TABLES.iter().find(|(number, _)| *number == table).map(|(_, name)| *name)
}

/// The table that turns this type's tunnel keys into local VLANs.
pub(crate) fn from_tunnel(tunnel_type: TunnelType) -> u8 {
    match tunnel_type {
        TunnelType::Gre => FROM_GRE,
        TunnelType::Vxlan => FROM_VXLAN,
    }
}
