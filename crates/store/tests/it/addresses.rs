use std::collections::BTreeSet;
use std::net::IpAddr;

use model::TunnelType;
use proptest::prelude::*;
use store::{Error, FixedIpChoice, NewPort, SubnetUpdate};

use crate::support::{create_ports, delete_port, network, never, new_port, open, subnet, update_subnet};

#[derive(Debug, Clone)]
enum Step {
    /// A port with any address.
    Any,
    /// A port with this address of the subnet.
    Exactly(u8),
    /// So many ports with any address, and one with this address, made together.
    Together(usize, u8),
    /// Deletes one of the ports.
    Delete(usize),
    /// Narrows or widens the pool.
    Pool(u8, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Any),
        2 => (0..16u8).prop_map(Step::Exactly),
        2 => (1..10usize, 1..15u8).prop_map(|(any, exactly)| Step::Together(any, exactly)),
        3 => any::<usize>().prop_map(Step::Delete),
        1 => (1..8u8, 8..15u8).prop_map(|(first, last)| Step::Pool(first, last)),
    ];
    proptest::collection::vec(step, 1..60)
}

fn ip(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

/// Each case is a database; but `PROPTEST_CASES` counts here too.
fn a_tenth() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.div_ceil(10), ..usual }
}

proptest! {
    #![proptest_config(a_tenth())]

    /// Against a model that is a set of addresses: what is given out is in the pool and free, and only if none is left
    /// is a port refused.
    #[test]
    fn addresses_are_given_out_once_and_all_of_them(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow_steps(steps));
    }
}

async fn follow_steps(steps: Vec<Step>) {
    let (store, _directory) = open().await;
    let network = network(&store, TunnelType::Vxlan).await;
    let subnet = subnet(&store, network, "10.0.0.0/28").await;
    let mut pool: BTreeSet<IpAddr> = (1..15).map(ip).collect();
    let mut ports = Vec::new();
    for step in steps {
        let taken: BTreeSet<IpAddr> = ports.iter().map(|(_, ip)| *ip).collect();
        match step {
            Step::Any => match create_ports(&store, vec![new_port(network, None, None)], never()).await {
                Ok(made) => {
                    let given = made[0].fixed_ips[0].ip;
                    assert!(pool.contains(&given) && !taken.contains(&given), "{given} of {pool:?}, {taken:?} taken");
                    ports.push((made[0].id, given));
                }
                Err(Error::NoFreeIp(_)) => assert!(pool.is_subset(&taken), "{pool:?}, {taken:?} taken"),
                Err(error) => panic!("{error}"),
            },
            Step::Exactly(last) => {
                let choice = vec![FixedIpChoice::Exactly(ip(last), Some(subnet))];
                match create_ports(&store, vec![new_port(network, None, Some(choice))], never()).await {
                    Ok(made) => {
                        assert!((1..15).contains(&last) && !taken.contains(&ip(last)), "{last}");
                        ports.push((made[0].id, ip(last)));
                    }
                    Err(Error::IpInUse { .. }) => assert!(taken.contains(&ip(last)), "{last}"),
                    Err(Error::IpOutsideSubnet { .. }) => assert!(last == 0 || last == 15, "{last}"),
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Together(any, last) => {
                let mut new: Vec<NewPort> = (0..any).map(|_| new_port(network, None, None)).collect();
                new.push(new_port(network, None, Some(vec![FixedIpChoice::Exactly(ip(last), None)])));
                let free = pool.difference(&taken).filter(|free| **free != ip(last)).count();
                match create_ports(&store, new, never()).await {
                    Ok(made) => {
                        let given: Vec<IpAddr> = made.iter().map(|port| port.fixed_ips[0].ip).collect();
                        let (exact, given_any) = given.split_last().unwrap();
                        assert!(*exact == ip(last) && !taken.contains(exact), "{exact}");
                        assert!(given_any.iter().all(|ip| pool.contains(ip) && !taken.contains(ip)), "{given:?}");
                        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), any + 1, "{given:?}");
                        ports.extend(made.iter().map(|port| port.id).zip(given));
                    }
                    Err(Error::IpInUse { .. }) => assert!(taken.contains(&ip(last)), "{last}"),
                    Err(Error::NoFreeIp(_)) => assert!(free < any, "{any} wanted of {pool:?}, {taken:?} taken"),
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Delete(index) if !ports.is_empty() => {
                let (port, _) = ports.remove(index % ports.len());
                delete_port(&store, port).await.unwrap();
            }
            Step::Delete(_) => {}
            Step::Pool(first, last) => {
                let update =
                    SubnetUpdate { allocation_pools: Some(vec![(ip(first), ip(last))]), ..SubnetUpdate::default() };
                update_subnet(&store, subnet, update).await.unwrap();
                pool = (first..=last).map(ip).collect();
            }
        }
    }
}
