use ipnet::IpNet;
use uuid::Uuid;

use super::Field;
use super::table::object;

object! {
    /// `neutron/objects/address_group.py`. Before 1.1 it had no standard fields.
    AddressGroup = "AddressGroup", minor 1 to 2;
    standard;
    id: Uuid;
    name: String;
    project_id: String;
    shared: bool, since 2;
    addresses: Vec<AddressAssociation>;
}

impl AddressGroup {
    /// As a server pushes it that has deleted the group: the id, and the field that has a default.
    pub fn deleted(id: Uuid) -> Self {
        AddressGroup { id: Field::Set(id), shared: Field::Set(false), ..AddressGroup::default() }
    }
}

object! {
    AddressAssociation = "AddressAssociation", minor 0 to 0;
    address: IpNet;
    address_group_id: Uuid;
}
