//! All at once: fifty ports come and go at random while agents, the server and databases die at random.

use lab::Daemon;
use model::TunnelType;
use serde_json::json;

use super::rig::{HOSTS, Rig};
use super::run::soak;
use crate::observer::Observed;
use crate::overlay::text;

/// Ports that come and go.
const PORTS: u64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_ports_come_and_go_while_everything_dies_and_what_stays_loses_nothing() {
    let seed = std::env::var("CULVERT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("CULVERT_SEED={seed}");
    let mut random = Random(seed);
    let rig = Rig::up("c_churn", TunnelType::Vxlan).await;
    let mut guests = Vec::new();
    for number in 0..PORTS {
        let host = HOSTS[random.below(3)];
        let attributes = json!({
            "network_id": rig.network.id, "binding:host_id": host,
            "fixed_ips": [{ "ip_address": format!("10.7.3.{}", number + 1) }],
        });
        let made = rig.rest.create("port", attributes).await.unwrap();
        guests.push(Guest { id: text(&made, "id"), name: format!("guest{number}"), host, plugged: false });
    }
    let run = rig.during("everything at once", async |probes| {
        for _ in 0..soak(8, 200) {
            let dying = random.below(6);
            rig.die(dying).await;
            for host in HOSTS {
                // Without waiting until the switch has done it: it may be busy, and the next change may meet it in the middle.
                let mut changes = vec![vec!["--no-wait".to_owned()]];
                for guest in guests.iter_mut().filter(|guest| guest.host == host) {
                    if random.below(3) == 0 {
                        changes.push(guest.toggle());
                    }
                }
                rig.at(host).vsctl(changes.concat()).await.unwrap();
            }
            rig.pass(probes, 100).await;
            rig.rise(dying).await;
        }
        rig.settle().await;
        rig.pass(probes, 200).await;
    });
    let run = run.await;
    run.loses_nothing();
    run.with("seed", seed).record();
    for guest in &guests {
        let status = if guest.plugged { "ACTIVE" } else { "DOWN" };
        let is_so = async || text(&rig.rest.show("port", &guest.id).await.unwrap(), "status") == status;
        crate::overlay::until(&format!("{} is {status}", guest.name), is_so).await;
    }
    rig.settle().await;
    rig.is_as_rebuilt().await;
    rig.check_control().unwrap();
}

/// An interface without a VM behind it.
struct Guest {
    id: String,
    name: String,
    host: &'static str,
    plugged: bool,
}

impl Guest {
    /// Plugs it, or unplugs it: words for `ovs-vsctl`.
    fn toggle(&mut self) -> Vec<String> {
        self.plugged = !self.plugged;
        let Guest { id, name, plugged, .. } = self;
        let command = if *plugged {
            format!(
                "-- add-port br-int {name} tag=4095 -- set Interface {name} type=internal external_ids:iface-id={id}"
            )
        } else {
            format!("-- del-port br-int {name}")
        };
        command.split(' ').map(ToOwned::to_owned).collect()
    }
}

impl Rig {
    async fn die(&self, what: usize) {
        match what {
            host @ 0..3 => self.hosts[host].kill_agent().await,
            3 => self.kill_server().await,
            4 => {
                for host in HOSTS {
                    self.at(host).restart(Daemon::OvsdbServer).await.unwrap();
                }
            }
            _ => {}
        }
    }

    async fn rise(&self, what: usize) {
        match what {
            host @ 0..3 => Observed::start_agent(&self.hosts[host]),
            3 => self.start_server().await,
            _ => {}
        }
    }
}

/// `SplitMix64`: the same numbers from the same seed, for as long as this stands here.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}
