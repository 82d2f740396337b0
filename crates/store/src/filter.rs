use std::net::IpAddr;

use model::{Mac, NetworkId};
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::db::{self, Engine, ip_bytes};
use crate::stored::Stored;

/// Which objects to read, in which order, and how many of them. Empty: all, in their own order.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Each holds: the column has one of the values. Values that do not parse match nothing.
    pub conditions: Vec<(Column, Vec<String>)>,
    /// The first column counts most; objects that are equal in all are in the order of their ids.
    pub order: Vec<(Column, Direction)>,
    /// All that the other way round.
    pub reverse: bool,
    /// Only what comes after this object in that order; nothing if there is no such object.
    pub after: Option<Uuid>,
    pub limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

impl Direction {
    fn opposite(self) -> Direction {
        match self {
            Direction::Ascending => Direction::Descending,
            Direction::Descending => Direction::Ascending,
        }
    }
}

/// What an object may be looked up or ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Id,
    Name,
    ProjectId,
    AdminStateUp,
    CreatedAt,
    /// Of networks.
    Mtu,
    ZoneHints,
    /// The same for all: it orders nothing.
    Same,
    /// Of subnets and ports.
    NetworkId,
    /// Of subnets.
    Cidr,
    EnableDhcp,
    IpVersion,
    Gateway,
    RaMode,
    AddressMode,
    /// Whether the subnet's network is shared. Not a column of its own, as those below [`Column::Mac`].
    OfShared,
    /// Of ports, as all below.
    Status,
    DeviceId,
    DeviceOwner,
    Mac,
    /// Not a column of its own, as all below: nothing can be ordered by it.
    Host,
    IpAddress,
    SubnetId,
    /// A security group that the port is in.
    MemberOf,
    /// Of security group rules.
    SecurityGroupId,
    Direction,
    Ethertype,
    Protocol,
    PortRangeMin,
    PortRangeMax,
    RemotePrefix,
    RemoteGroup,
}

impl Filter {
    pub fn by_id(id: Uuid) -> Filter {
        Filter::by(Column::Id, id.to_string())
    }

    pub fn by_network(id: NetworkId) -> Filter {
        Filter::by(Column::NetworkId, id.to_string())
    }

    pub fn by(column: Column, value: String) -> Filter {
        Filter { conditions: vec![(column, vec![value])], ..Filter::default() }
    }

    /// Appends ` WHERE … ORDER BY … LIMIT …` about the table of `T` under this alias.
    pub(crate) fn push_to<T: Stored>(&self, query: &mut QueryBuilder<Engine>, alias: &str) {
        let order = Order::of::<T>(self);
        for (position, (column, values)) in self.conditions.iter().enumerate() {
            query.push(if position == 0 { " WHERE " } else { " AND " });
            column.push_in(query, alias, values);
        }
        if let Some(marker) = self.after {
            query.push(if self.conditions.is_empty() { " WHERE " } else { " AND " });
            order.push_after(query, alias, T::TABLE, marker);
        }
        order.push_to(query, alias);
        if let Some(limit) = self.limit {
            query.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        }
    }
}

/// The columns to order by; the last is the id, so that no two objects are equal.
struct Order(Vec<(&'static str, Direction)>);

impl Order {
    fn of<T: Stored>(filter: &Filter) -> Order {
        let own = [(T::ORDER, Direction::Ascending)];
        let wanted = if filter.order.is_empty() { &own[..] } else { &filter.order };
        let mut order: Vec<_> = wanted.iter().filter_map(|(column, way)| Some((column.name()?, *way))).collect();
        if order.iter().all(|(name, _)| *name != "id") {
            // the same way as what it decides between, so that an index serves both
            order.push(("id", order.last().map_or(Direction::Ascending, |(_, way)| *way)));
        }
        if filter.reverse {
            for (_, way) in &mut order {
                *way = way.opposite();
            }
        }
        Order(order)
    }

    fn push_to(&self, query: &mut QueryBuilder<Engine>, alias: &str) {
        let columns = self.0.iter().map(|(name, way)| match way {
            Direction::Ascending => format!("{alias}.{name}"),
            Direction::Descending => format!("{alias}.{name} DESC"),
        });
        query.push(format!(" ORDER BY {}", columns.collect::<Vec<_>>().join(", ")));
    }

    /// What comes after the marker: later in the first column in which they differ.
    fn push_after(&self, query: &mut QueryBuilder<Engine>, alias: &str, table: &str, marker: Uuid) {
        let sign = |way| if way == Direction::Ascending { ">" } else { "<" };
        if let [(_, way), rest @ ..] = &self.0[..]
            && rest.iter().all(|(_, other)| other == way)
        {
            // one comparison of rows: an index goes straight to the place
            let columns =
                |alias: &str| self.0.iter().map(|(name, _)| format!("{alias}.{name}")).collect::<Vec<_>>().join(", ");
            query.push(format!(
                "({}) {} (SELECT {} FROM {table} m WHERE m.id = ",
                columns(alias),
                sign(*way),
                columns("m")
            ));
            query.push_bind(marker).push(")");
            return;
        }
        query.push("(");
        for (position, (name, way)) in self.0.iter().enumerate() {
            query.push(if position == 0 { "(" } else { " OR (" });
            let equal = self.0.iter().take(position).map(|(name, _)| (*name, "="));
            for (at, (name, sign)) in equal.chain([(*name, sign(*way))]).enumerate() {
                let and = if at == 0 { "" } else { " AND " };
                query.push(format!("{and}{alias}.{name} {sign} (SELECT m.{name} FROM {table} m WHERE m.id = "));
                query.push_bind(marker).push(")");
            }
            query.push(")");
        }
        query.push(")");
    }
}

impl Column {
    /// Objects can be ordered by it.
    pub fn is_ordered(self) -> bool {
        self == Column::Same || self.name().is_some()
    }

    /// In the object's own table, where it is never NULL.
    fn name(self) -> Option<&'static str> {
        Some(match self {
            Column::Id => "id",
            Column::Name => "name",
            Column::ProjectId => "project_id",
            Column::AdminStateUp => "admin_state_up",
            Column::CreatedAt => "created_at",
            Column::Mtu => "mtu",
            Column::NetworkId => "network_id",
            Column::Cidr => "cidr",
            Column::EnableDhcp => "enable_dhcp",
            Column::Status => "status",
            Column::DeviceId => "device_id",
            Column::DeviceOwner => "device_owner",
            Column::Mac => "mac",
            Column::SecurityGroupId => "security_group_id",
            Column::Direction => "direction",
            Column::Ethertype => "ethertype",
            Column::Protocol => "protocol",
            Column::IpVersion => "ip_version",
            Column::ZoneHints => "zone_hints",
            Column::Gateway => "gateway",
            Column::RaMode => "ra_mode",
            Column::AddressMode => "address_mode",
            Column::PortRangeMin => "port_range_min",
            Column::PortRangeMax => "port_range_max",
            Column::RemotePrefix => "remote_ip_prefix",
            Column::RemoteGroup => "remote_group",
            Column::Same
            | Column::OfShared
            | Column::Host
            | Column::IpAddress
            | Column::SubnetId
            | Column::MemberOf => return None,
        })
    }

    fn push_in(self, query: &mut QueryBuilder<Engine>, alias: &str, values: &[String]) {
        let shared = db::attribute_flag("n.attributes", "shared");
        let of_shared = format!("s.id FROM subnets s JOIN networks n ON n.id = s.network_id WHERE {shared}");
        let elsewhere = match self {
            Column::Host => Some("port_id FROM bindings WHERE host"),
            Column::IpAddress => Some("port_id FROM fixed_ips WHERE ip"),
            Column::SubnetId => Some("port_id FROM fixed_ips WHERE subnet_id"),
            Column::MemberOf => Some("port_id FROM port_security_groups WHERE security_group_id"),
            Column::OfShared => Some(of_shared.as_str()),
            _ => None,
        };
        match elsewhere {
            Some(select) => query.push(format!("{alias}.id IN (SELECT {select} IN (")),
            None => query.push(format!("{alias}.{} IN (", self.name().unwrap_or("id"))),
        };
        let mut list = query.separated(", ");
        for value in values {
            match self {
                Column::Id
                | Column::NetworkId
                | Column::SubnetId
                | Column::MemberOf
                | Column::SecurityGroupId
                | Column::RemoteGroup => {
                    if let Ok(id) = Uuid::parse_str(value) {
                        list.push_bind(id);
                    }
                }
                Column::Mac => {
                    if let Ok(mac) = value.parse::<Mac>() {
                        list.push_bind(mac.0.to_vec());
                    }
                }
                Column::IpAddress | Column::Gateway => {
                    if let Ok(ip) = value.parse::<IpAddr>() {
                        list.push_bind(ip_bytes(ip));
                    }
                }
                Column::AdminStateUp | Column::EnableDhcp | Column::OfShared => {
                    if let Ok(is) = value.parse::<bool>() {
                        list.push_bind(is);
                    }
                }
                Column::CreatedAt | Column::Mtu | Column::IpVersion | Column::PortRangeMin | Column::PortRangeMax => {
                    if let Ok(number) = value.parse::<i64>() {
                        list.push_bind(number);
                    }
                }
                Column::Name
                | Column::ProjectId
                | Column::Cidr
                | Column::Status
                | Column::DeviceId
                | Column::DeviceOwner
                | Column::Direction
                | Column::Ethertype
                | Column::Protocol
                | Column::ZoneHints
                | Column::RaMode
                | Column::AddressMode
                | Column::RemotePrefix
                | Column::Host => {
                    list.push_bind(value.clone());
                }
                Column::Same => {}
            }
        }
        // an empty list is an error in PostgreSQL; NULL matches nothing
        list.push("NULL");
        query.push(if elsewhere.is_some() { "))" } else { ")" });
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;

    use super::*;
    use crate::db;
    use crate::types::{Network, Port, Subnet};

    /// How the engine finds what a filter selects.
    async fn plan<T: Stored>(pools: &db::Pools, filter: &Filter) -> String {
        let mut query = QueryBuilder::new(format!("EXPLAIN QUERY PLAN SELECT t.id FROM {} t", T::TABLE));
        filter.push_to::<T>(&mut query, "t");
        let rows = query.build().fetch_all(&pools.writer).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>("detail") + "\n").collect()
    }

    /// What is looked up by an index takes no longer the more there is.
    #[tokio::test]
    async fn what_singles_objects_out_is_found_by_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let pools = db::connect(&directory.path().join("culvert.db")).await.unwrap();
        let id = "7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b";
        for (column, value) in [
            (Column::Id, id),
            (Column::Name, "p1"),
            (Column::ProjectId, "demo"),
            (Column::NetworkId, id),
            (Column::DeviceId, "vm1"),
            (Column::Mac, "fa:16:3e:00:00:01"),
            (Column::Host, "compute1"),
            (Column::IpAddress, "192.0.2.1"),
            (Column::SubnetId, id),
            (Column::MemberOf, id),
        ] {
            let plan = plan::<Port>(&pools, &Filter::by(column, value.to_owned())).await;
            assert!(plan.contains("SEARCH t") && !plan.contains("SCAN"), "{column:?}: {plan}");
        }
        // half of all have it: no index would help
        let plan = plan::<Port>(&pools, &Filter::by(Column::AdminStateUp, "true".to_owned())).await;
        assert!(plan.contains("SCAN t"), "a plan without an index is not told: {plan}");
    }

    /// A page of a list is read from where it begins, and no object of another page is.
    #[tokio::test]
    async fn pages_begin_where_their_marker_is() {
        let directory = tempfile::tempdir().unwrap();
        let pools = db::connect(&directory.path().join("culvert.db")).await.unwrap();
        let page = |order: Vec<(Column, Direction)>, reverse: bool| Filter {
            order,
            reverse,
            after: Some(Uuid::nil()),
            limit: Some(100),
            ..Filter::default()
        };
        for way in [Direction::Ascending, Direction::Descending] {
            for order in [vec![], vec![(Column::Name, way)], vec![(Column::Id, way)]] {
                for reverse in [false, true] {
                    let filter = page(order.clone(), reverse);
                    for plan in [
                        plan::<Network>(&pools, &filter).await,
                        plan::<Subnet>(&pools, &filter).await,
                        plan::<Port>(&pools, &filter).await,
                    ] {
                        assert!(plan.contains("SEARCH t") && !plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
                    }
                }
            }
        }
        let plan = plan::<Port>(&pools, &page(vec![(Column::Status, Direction::Ascending)], false)).await;
        assert!(plan.contains("TEMP B-TREE"), "sorting is not told: {plan}");
    }
}
