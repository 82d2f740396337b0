//! Ports that are made together: each as it would be alone, all or none.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Mac, PortId, TunnelType};
use store::{Environment, Error, Filter, FixedIpChoice, Micros, NewPort, Port, Store, System};
use uuid::Uuid;

use crate::support::{always, create_ports, network, new_port, open, subnet};

/// Of each size of statement, and more.
const MANY: usize = 64 + 64 + 8 + 3;

#[tokio::test]
async fn what_is_made_together_is_as_it_is_read_back() {
    let (store, _directory) = open().await;
    let (one, other) = (network(&store, TunnelType::Vxlan).await, network(&store, TunnelType::Vxlan).await);
    subnet(&store, one, "10.0.0.0/24").await;
    subnet(&store, one, "2001:db8::/64").await;
    subnet(&store, other, "10.0.0.0/24").await;
    let mut new: Vec<NewPort> = (0..MANY).map(|at| new_port([one, other][at % 2], Some("h1"), None)).collect();
    new[7].fixed_ips = Some(Vec::new());
    new[8].fixed_ips = Some(vec![
        FixedIpChoice::Exactly("2001:db8::9".parse().unwrap(), None),
        FixedIpChoice::Exactly("10.0.0.9".parse().unwrap(), None),
    ]);
    let before = store.revision();
    let made = create_ports(&store, new, always()).await.unwrap();
    assert_eq!(store.revision(), before.next());
    store.check_integrity().await.unwrap();
    for port in &made {
        assert_eq!(store.get::<Port>(port.id.0).await.unwrap(), *port);
        assert_eq!(port.binding.as_ref().unwrap().host.as_str(), "h1");
    }
    assert!(made[7].fixed_ips.is_empty() && made[8].fixed_ips[0].ip.is_ipv6() && made[9].fixed_ips.len() == 1);
    for network_id in [one, other] {
        let of_network = || made.iter().filter(|port| port.network_id == network_id);
        let ips: BTreeSet<IpAddr> = of_network().flat_map(|port| &port.fixed_ips).map(|fixed_ip| fixed_ip.ip).collect();
        assert_eq!(ips.len(), of_network().map(|port| port.fixed_ips.len()).sum::<usize>());
        assert_eq!(of_network().map(|port| port.mac).collect::<BTreeSet<_>>().len(), of_network().count());
    }
}

#[tokio::test]
async fn one_that_cannot_be_made_keeps_all_from_being_made() {
    let (store, _directory) = open().await;
    let network = network(&store, TunnelType::Vxlan).await;
    subnet(&store, network, "10.0.0.0/28").await;
    let with_mac = |mac: Mac| NewPort { mac: Some(mac), ..new_port(network, None, None) };
    let mac = Mac([0xfa, 0x16, 0x3e, 1, 2, 3]);
    let other_mac = Mac([0xfa, 0x16, 0x3e, 1, 2, 4]);
    let at = |last: u8| new_port(network, None, Some(vec![FixedIpChoice::Exactly([10, 0, 0, last].into(), None)]));
    let any = |count: usize| (0..count).map(|_| new_port(network, None, None));

    let twice = create_ports(&store, vec![with_mac(mac), with_mac(other_mac), with_mac(mac)], always()).await;
    assert!(matches!(twice, Err(Error::MacInUse { mac: refused, .. }) if refused == mac), "{twice:?}");
    let twice = create_ports(&store, vec![at(5), new_port(network, None, None), at(5)], always()).await;
    assert!(matches!(twice, Err(Error::IpInUse { ip, .. }) if ip == IpAddr::from([10, 0, 0, 5])), "{twice:?}");
    let too_many = create_ports(&store, any(15).collect(), always()).await;
    assert!(matches!(too_many, Err(Error::NoFreeIp(_))), "{too_many:?}");
    assert_eq!(store.list::<Port>(&Filter::default()).await.unwrap(), []);

    // an address that is asked for is left to who asks, wherever he stands
    let made = create_ports(&store, any(13).chain([at(1)]).collect(), always()).await.unwrap();
    assert_eq!(made[13].fixed_ips[0].ip, IpAddr::from([10, 0, 0, 1]));
    let again = create_ports(&store, vec![with_mac(made[0].mac)], always()).await;
    assert!(matches!(again, Err(Error::MacInUse { .. })), "{again:?}");
}

/// Every random number comes three times.
#[derive(Debug, Default)]
struct Thrice(AtomicU64);

impl Environment for Thrice {
    fn now(&self) -> Micros {
        System.now()
    }

    fn random(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) / 3
    }

    fn uuid(&self) -> Uuid {
        System.uuid()
    }
}

#[tokio::test]
async fn a_random_mac_that_is_taken_is_not_given_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_with(&directory.path().join("culvert.db"), Box::<Thrice>::default()).await.unwrap();
    let network = network(&store, TunnelType::Vxlan).await;
    let mut macs = BTreeSet::new();
    for count in [1, 5, 1] {
        let new: Vec<NewPort> = (0..count).map(|_| new_port(network, None, None)).collect();
        let ids: BTreeSet<PortId> = new.iter().map(|port| port.id).collect();
        let made = create_ports(&store, new, always()).await.unwrap();
        assert_eq!(made.iter().map(|port| port.id).collect::<BTreeSet<_>>(), ids);
        macs.extend(made.iter().map(|port| port.mac));
        for port in made {
            assert_eq!(store.get::<Port>(port.id.0).await.unwrap().mac, port.mac);
        }
    }
    assert_eq!(macs.len(), 7);
}
