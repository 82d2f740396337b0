//! The story that `culvert lab run` tells, step by step.

use std::time::Duration;

use anyhow::{bail, ensure};
use futures::future::try_join_all;
use lab::{ControlSpec, Host, Lab, Rest};
use tokio::time::{Instant, sleep};

use super::networks::{self, Network, PLANS};
use super::teller::Teller;
use super::{flows, inventory, traffic};

/// Steps of the story, the hosts' coming up included, which is told before.
pub(super) const STEPS: usize = 12;

/// How long agents may take to change what they were told to; it takes well under a second on a quiet machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Tells the story on a lab that is up; the networks that it made. The first thing that is not as it should be is the error.
pub(super) async fn tell(lab: &Lab, teller: &mut Teller) -> anyhow::Result<Vec<Network>> {
    teller.step("culvert server on its own node, culvert agent on each host");
    let rest = lab.start_control(&ControlSpec::default()).await?;
    for process in lab.control_processes()? {
        teller.line(format!("{:<16} process {}", process.title(), process.pid()));
    }
    teller.done();

    let networks = make(lab, &rest, teller).await?;
    Story { lab, networks: &networks }.frames(teller).await?;

    teller.step("What there is");
    teller.command("openstack network agent list");
    teller.line(inventory::hosts(&rest).await?);
    teller.line("\n");
    teller.command("openstack port list --long");
    teller.line(inventory::ports(&rest, &networks).await?);
    teller.line("\n");
    teller.line(inventory::tunnels(lab).await?);
    teller.done();

    teller.step("br-tun of compute1, each flow under a line that explains it");
    teller.line(flows::explained(lab, &rest, &lab.host("compute1")?).await?);
    teller.done();
    lab.check_control()?;
    Ok(networks)
}

/// Networks, ports and VMs, until all ports are ACTIVE.
async fn make(lab: &Lab, rest: &Rest, teller: &mut Teller) -> anyhow::Result<Vec<Network>> {
    teller.step("Two networks with the same subnet, one over GRE, one over VXLAN");
    let mut made = Vec::new();
    for plan in &PLANS {
        made.push(networks::make_network(rest, plan, teller).await?);
    }
    teller.done();

    teller.step("A port on each host in each network");
    for (plan, network) in PLANS.iter().zip(&mut made) {
        networks::make_ports(rest, plan, network, teller).await?;
    }
    teller.done();

    teller.step("A VM for each port, plugged as Nova and libvirt do it");
    teller.command(
        "ovs-vsctl add-port br-int TAP tag=4095 -- set Interface TAP external_ids:iface-id=PORT \
         external_ids:attached-mac=MAC external_ids:vm-uuid=VM external_ids:iface-status=active",
    );
    for network in &made {
        networks::plug(lab, network, teller).await?;
    }
    teller.done();

    teller.step("All ports become ACTIVE: wired, and every host that must know of them does");
    teller.command("openstack port list --long");
    networks::until_active(lab, rest).await?;
    teller.done();
    Ok(made)
}

struct Story<'a> {
    lab: &'a Lab,
    networks: &'a [Network],
}

impl Story<'_> {
    /// Who reaches whom, and why.
    async fn frames(&self, teller: &mut Teller) -> anyhow::Result<()> {
        teller.step("Every pair of a network reaches each other, and asks nobody on the underlay where");
        let requests = self.pings(teller).await?;
        ensure!(requests == 0, "{requests} ARP requests crossed the underlay in a tunnel, though all was known");
        teller.done();

        teller.step("The same with the responder off, to show that it is what answers");
        teller.line("every culvert agent restarted with --arp-responder=false; nothing else changed");
        self.restart_agents(false).await?;
        let requests = self.pings(teller).await?;
        ensure!(requests > 0, "no ARP request crossed the underlay with the responder off: who answered?");
        teller.done();

        teller.step("And with the responder on again");
        self.restart_agents(true).await?;
        let requests = self.pings(teller).await?;
        ensure!(requests == 0, "{requests} ARP requests crossed the underlay in a tunnel, though all was known again");
        teller.done();

        teller.step("Pairs of different networks do not reach each other");
        let pings = traffic::between(self.lab, self.networks).await?;
        teller.line(format!("{pings} pings, each to an address that only the other network has: no answer"));
        teller.done();
        Ok(())
    }

    /// Pings within the networks; how many ARP requests crossed the underlay for it.
    async fn pings(&self, teller: &Teller) -> anyhow::Result<usize> {
        let frames = traffic::within(self.lab, self.networks).await?;
        for network in self.networks {
            let names: Vec<String> = network.ports.iter().map(|port| format!("{} {}", port.name, port.ip)).collect();
            teller.line(format!("{}: {}: all reach all", network.name, names.join(", ")));
        }
        let counts = traffic::check_segments(self.networks, &frames)?;
        let counts: Vec<String> = counts.iter().map(|(segment, count)| format!("{count} as {segment}")).collect();
        let requests = traffic::arp_requests(&frames);
        teller.line(format!("frames on the underlay: {}, each its own network's", counts.join(", ")));
        teller.line(format!("ARP requests among them: {requests}"));
        Ok(requests)
    }

    /// Restarts all agents with the responder on or off, and waits until their switches show it.
    async fn restart_agents(&self, responder: bool) -> anyhow::Result<()> {
        // One that has ended by itself must not come back unnoticed.
        self.lab.check_control()?;
        let agents = if responder { Vec::new() } else { vec!["--arp-responder=false".to_owned()] };
        let spec = ControlSpec { agents, ..ControlSpec::default() };
        let hosts = self.lab.hosts();
        try_join_all(hosts.iter().map(|host| host.restart_control_agent(&spec))).await?;
        for host in &hosts {
            let wanted = if responder { self.remote_ports(host) } else { 0 };
            until_answers(self.lab, host, wanted).await?;
        }
        Ok(())
    }

    /// Ports on other hosts, of networks that have a port on this one: a responder answers for each.
    fn remote_ports(&self, host: &Host) -> usize {
        let here = |network: &&Network| network.ports.iter().any(|port| port.host == host.name());
        let ports = self.networks.iter().filter(here).flat_map(|network| &network.ports);
        ports.filter(|port| port.host != host.name()).count()
    }
}

/// Waits until the host answers ARP for so many addresses.
async fn until_answers(lab: &Lab, host: &Host, wanted: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let flows = host.dump_flows("br-tun").await?;
        let answers = flows.iter().filter(|flow| flow.contains("table=21,") && flow.contains("->arp_op")).count();
        if answers == wanted {
            return Ok(());
        }
        lab.check_control()?;
        if Instant::now() > deadline {
            bail!("{} answers ARP for {answers} addresses where it should for {wanted}", host.name());
        }
        sleep(Duration::from_millis(10)).await;
    }
}
