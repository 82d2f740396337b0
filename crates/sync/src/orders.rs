//! Facts of the directory as messages.

use directory::Isolated;
use model::{Digest, Generation, Host, Network, Port};
use prost::Message;

use crate::messages::{Endpoint, NetworkInfo, Order, PortOrder, Wire};
use crate::proto;

impl Order {
    /// Tells orders apart, as the agent says back in [`crate::messages::Interface::order_held`]: FNV-1a over the order as
    /// it is on the wire. Never zero. Two versions may disagree about it; the order is then sent once more, and changes
    /// nothing.
    pub fn digest(&self) -> Digest {
        let order = PortOrder { id: String::new(), revision: model::Revision::ZERO, order: self.clone() };
        let bytes = proto::PortOrder::from(order).encode_to_vec();
        let fold = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Digest(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold).max(1))
    }

    /// The digest of the order that has prepared all that this one asks for.
    pub(crate) fn prepared_by(&self) -> Option<Digest> {
        match self {
            Order::Wire(wire) => {
                Some(Order::Wire(Wire { generation: Generation::ZERO, prepared: true, ..wire.clone() }).digest())
            }
            Order::Isolate(_) => None,
        }
    }

    /// Of an order to wire: the binding generation under which.
    pub fn generation(&self) -> Option<Generation> {
        match self {
            Order::Wire(wire) => (!wire.prepared).then_some(wire.generation),
            Order::Isolate(_) => None,
        }
    }
}

impl From<directory::Order<'_>> for Order {
    fn from(order: directory::Order<'_>) -> Self {
        match order {
            directory::Order::Isolate(reason) => Order::from(reason),
            directory::Order::Wire(port, generation) => Order::Wire(wire(port, generation, false)),
            directory::Order::Prepare(port) => Order::Wire(wire(port, Generation::ZERO, true)),
        }
    }
}

fn wire(port: &Port, generation: Generation, prepared: bool) -> Wire {
    Wire { port: port.id, network: port.network, generation, mac: port.mac, ips: port.ips.clone(), prepared }
}

impl From<Isolated> for Order {
    fn from(reason: Isolated) -> Self {
        Order::Isolate(reason.to_string())
    }
}

impl From<&Network> for NetworkInfo {
    fn from(network: &Network) -> Self {
        NetworkInfo { network: network.id, segment: network.segment, mtu: network.mtu }
    }
}

impl From<&Host> for Endpoint {
    fn from(host: &Host) -> Self {
        Endpoint { host: host.name.clone(), address: host.endpoint, tunnel_types: host.tunnel_types.clone() }
    }
}
