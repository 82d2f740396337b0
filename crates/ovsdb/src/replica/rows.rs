use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Column;
use crate::Error;
use crate::codec;
use crate::schema::Cardinality;

/// A typed row of one table.
pub(super) trait Row: Clone + Default + PartialEq {
    const TABLE: &'static str;
    const COLUMNS: &'static [(&'static str, Cardinality)];

    /// Applies differences, column by column; columns that are not ours are passed over.
    fn patch(&mut self, columns: &codec::Row) -> Result<(), Error>;
}

/// Defines a row struct; the literal before each field is the column's name.
macro_rules! row {
    ($(#[$doc:meta])* $row:ident = $table:literal { $($(#[$field_doc:meta])* $column:literal => $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $row {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Row for $row {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [(&'static str, Cardinality)] = &[$(($column, <$type as Column>::CARDINALITY)),*];

            fn patch(&mut self, columns: &codec::Row) -> Result<(), Error> {
                for (name, difference) in columns {
                    let patched = match name.as_str() {
                        $($column => self.$field.patch(difference),)*
                        _ => Some(()),
                    };
                    patched.ok_or_else(|| Error::Column {
                        table: $table,
                        column: name.clone(),
                        value: difference.to_json().to_string(),
                    })?;
                }
                Ok(())
            }
        }
    };
}

row! {
    /// The one row of table `Open_vSwitch`: the configuration's root (ovs-vswitchd.conf.db(5), as all tables here).
    OpenVSwitch = "Open_vSwitch" {
        "ovs_version" => ovs_version: Option<String>,
        /// Counted up by those who write and want to know when it has been put into effect.
        "next_cfg" => next_cfg: i64,
        /// The `next_cfg` that ovs-vswitchd has put into effect.
        "cur_cfg" => cur_cfg: i64,
        "bridges" => bridges: BTreeSet<Uuid>,
        "external_ids" => external_ids: BTreeMap<String, String>,
        "datapath_types" => datapath_types: BTreeSet<String>,
        "iface_types" => iface_types: BTreeSet<String>,
    }
}

row! {
    Bridge = "Bridge" {
        "name" => name: String,
        "ports" => ports: BTreeSet<Uuid>,
        /// `standalone` or `secure`.
        "fail_mode" => fail_mode: Option<String>,
        /// Empty (the kernel's) or `netdev` (userspace).
        "datapath_type" => datapath_type: String,
        /// 16 hexadecimal digits, set by ovs-vswitchd once the bridge exists.
        "datapath_id" => datapath_id: Option<String>,
        "controller" => controller: BTreeSet<Uuid>,
        "other_config" => other_config: BTreeMap<String, String>,
        "external_ids" => external_ids: BTreeMap<String, String>,
        /// OpenFlow versions that the bridge speaks, as in `OpenFlow14`; empty: all that OVS knows.
        "protocols" => protocols: BTreeSet<String>,
        "mcast_snooping_enable" => mcast_snooping_enable: bool,
    }
}

row! {
    Port = "Port" {
        "name" => name: String,
        "interfaces" => interfaces: BTreeSet<Uuid>,
        /// 0 to 4095.
        "tag" => tag: Option<i64>,
        "vlan_mode" => vlan_mode: Option<String>,
        "trunks" => trunks: BTreeSet<i64>,
        "other_config" => other_config: BTreeMap<String, String>,
        "external_ids" => external_ids: BTreeMap<String, String>,
    }
}

row! {
    Interface = "Interface" {
        "name" => name: String,
        /// Empty (a system device), `internal`, `patch`, `gre`, `vxlan`, …
        "type" => interface_type: String,
        /// OpenFlow port number; -1 if ovs-vswitchd could not make the port, none if it has not tried yet.
        "ofport" => ofport: Option<i64>,
        /// Why ovs-vswitchd could not make the port.
        "error" => error: Option<String>,
        "options" => options: BTreeMap<String, String>,
        "external_ids" => external_ids: BTreeMap<String, String>,
        /// `up` or `down`.
        "admin_state" => admin_state: Option<String>,
        /// `up` or `down`.
        "link_state" => link_state: Option<String>,
        "mac_in_use" => mac_in_use: Option<String>,
        "other_config" => other_config: BTreeMap<String, String>,
        "ifindex" => ifindex: Option<i64>,
    }
}

row! {
    Controller = "Controller" {
        /// As in `tcp:127.0.0.1:6633`.
        "target" => target: String,
        "is_connected" => is_connected: bool,
    }
}
