use std::net::IpAddr;

use model::{Mac, NetworkId};
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::db::{Engine, ip_bytes};

/// Which objects to read: those that match every condition. Empty: all.
///
/// Only what an index serves is here; other conditions are the caller's to check on what it gets.
#[derive(Debug, Clone, Default)]
pub struct Filter(pub Vec<(Column, Vec<String>)>);

/// A column that an object may be looked up by. Values that do not parse match nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Id,
    Name,
    /// Of subnets and ports.
    NetworkId,
    /// Of ports, as all below.
    DeviceId,
    Mac,
    Host,
    IpAddress,
    SubnetId,
    /// A security group that the port is in.
    MemberOf,
    /// Of security group rules.
    SecurityGroupId,
}

impl Filter {
    pub fn by_id(id: Uuid) -> Filter {
        Filter(vec![(Column::Id, vec![id.to_string()])])
    }

    pub fn by_network(id: NetworkId) -> Filter {
        Filter(vec![(Column::NetworkId, vec![id.to_string()])])
    }

    /// Appends ` WHERE …` about the table with this alias.
    pub(crate) fn push_to(&self, query: &mut QueryBuilder<Engine>, alias: &str) {
        for (position, (column, values)) in self.0.iter().enumerate() {
            query.push(if position == 0 { " WHERE " } else { " AND " });
            column.push_in(query, alias, values);
        }
    }
}

impl Column {
    fn push_in(self, query: &mut QueryBuilder<Engine>, alias: &str, values: &[String]) {
        let (before, after) = match self {
            Column::Id => (format!("{alias}.id IN ("), ")"),
            Column::Name => (format!("{alias}.name IN ("), ")"),
            Column::NetworkId => (format!("{alias}.network_id IN ("), ")"),
            Column::DeviceId => (format!("{alias}.device_id IN ("), ")"),
            Column::Mac => (format!("{alias}.mac IN ("), ")"),
            Column::Host => (format!("{alias}.id IN (SELECT port_id FROM bindings WHERE host IN ("), "))"),
            Column::IpAddress => (format!("{alias}.id IN (SELECT port_id FROM fixed_ips WHERE ip IN ("), "))"),
            Column::MemberOf => {
                (format!("{alias}.id IN (SELECT port_id FROM port_security_groups WHERE security_group_id IN ("), "))")
            }
            Column::SecurityGroupId => (format!("{alias}.security_group_id IN ("), ")"),
            Column::SubnetId => (format!("{alias}.id IN (SELECT port_id FROM fixed_ips WHERE subnet_id IN ("), "))"),
        };
        query.push(before);
        let mut list = query.separated(", ");
        for value in values {
            match self {
                Column::Id | Column::NetworkId | Column::SubnetId | Column::MemberOf | Column::SecurityGroupId => {
                    if let Ok(id) = Uuid::parse_str(value) {
                        list.push_bind(id);
                    }
                }
                Column::Mac => {
                    if let Ok(mac) = value.parse::<Mac>() {
                        list.push_bind(mac.0.to_vec());
                    }
                }
                Column::IpAddress => {
                    if let Ok(ip) = value.parse::<IpAddr>() {
                        list.push_bind(ip_bytes(ip));
                    }
                }
                Column::Name | Column::DeviceId | Column::Host => {
                    list.push_bind(value.clone());
                }
            }
        }
        // an empty list is an error in PostgreSQL; NULL matches nothing
        list.push("NULL");
        query.push(after);
    }
}
