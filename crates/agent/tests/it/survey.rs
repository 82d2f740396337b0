//! What the agent would adopt of hosts of a stock Neutron: see `tests/data/neutron-21`.

use agent::survey::{Flows, Intent, Survey};
use ovsdb::codec::TableUpdates;
use ovsdb::{Replica, Update};
use pipeline::Bridge;
use serde::Serialize;

macro_rules! recorded {
    ($host:literal) => {
        Recorded {
            database: include_str!(concat!("../data/neutron-21/", $host, ".ovsdb.json")),
            integration: include_str!(concat!("../data/neutron-21/", $host, ".br-int.flows")),
            tunnel: include_str!(concat!("../data/neutron-21/", $host, ".br-tun.flows")),
        }
    };
}

struct Recorded {
    database: &'static str,
    integration: &'static str,
    tunnel: &'static str,
}

impl Recorded {
    fn survey(&self, change: impl FnOnce(&mut String)) -> Survey {
        let mut database = self.database.to_owned();
        change(&mut database);
        let tables = TableUpdates::from_json(&serde_json::from_str(&database).unwrap()).unwrap();
        let mut replica = Replica::new();
        replica.apply(&Update { complete: true, tables }).unwrap();
        let mut flows = Flows::default();
        for (bridge, dump) in [(Bridge::Integration, self.integration), (Bridge::Tunnel, self.tunnel)] {
            for line in dump.lines() {
                flows.add(bridge, &line.parse().unwrap());
            }
        }
        let intent =
            Intent { integration_bridge: "br-int".to_owned(), tunnel_bridge: "br-tun".to_owned(), datapath_type: None };
        Survey::of(&replica, &intent, &flows)
    }
}

#[test]
fn of_a_stock_agents_host() {
    insta::assert_snapshot!(lines(&recorded!("compute1").survey(|_| {})));
}

#[test]
fn of_one_with_the_openvswitch_firewall() {
    insta::assert_snapshot!(lines(&recorded!("compute2").survey(|_| {})));
}

/// As it is when the stock agent has been stopped and its controllers have been taken off by hand, and the flows are there.
#[test]
fn of_one_whose_bridges_have_no_controller() {
    let without = recorded!("compute2").survey(|database| {
        assert!(database.contains(r#""controller": "#), "the control: they have one");
        *database = database.replace(r#""controller": "#, r#""unknown": "#);
    });
    insta::assert_snapshot!(lines(&without));
}

/// Two networks that claim one VLAN: one keeps it, the other's port is isolated.
#[test]
fn of_one_whose_marks_are_at_odds() {
    let host = recorded!("compute1");
    let adopted = |survey: &Survey| survey.ports.iter().filter(|port| port.reason.starts_with("keeps")).count();
    let (right, wrong) = (
        host.survey(|_| {}),
        host.survey(|database| {
            let mark = r#"["tag", "1"]"#;
            assert_eq!(database.matches(mark).count(), 1);
            *database = database.replace(mark, r#"["tag", "2"]"#).replace(r#""tag": 1"#, r#""tag": 2"#);
        }),
    );
    assert_eq!((adopted(&right), adopted(&wrong)), (3, 2));
    let odd: Vec<_> =
        wrong.ports.iter().filter(|port| port.reason.contains("alone")).map(|port| &port.reason).collect();
    assert_eq!(
        odd,
        [
            "local VLAN 2 is not network 4f762252-9924-4066-9744-8f306b994a6c's alone: isolated with tag 4095 until it is wired"
        ]
    );
}

fn lines(survey: &Survey) -> String {
    fn each<T: Serialize>(list: &[T]) -> impl Iterator<Item = String> {
        list.iter().map(|item| serde_json::to_string(item).unwrap())
    }
    let lists = each(&survey.bridges).chain(each(&survey.networks)).chain(each(&survey.ports));
    lists.chain(each(&survey.tunnels)).chain(each(&survey.flows)).collect::<Vec<_>>().join("\n")
}
