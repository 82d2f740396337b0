//! From the plug of an interface until REST shows its port as ACTIVE, and until each peer has the flow for it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lab::{ControlSpec, Host, Rest};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::plugged::{Commit, plug};
use crate::report::{Figure, Report, Verdict};
use crate::samples::{Samples, ms};
use crate::site::{DEADLINE, Site};

const MOST_MEDIAN: Duration = Duration::from_millis(20);
const MOST_P99: Duration = Duration::from_millis(100);
/// A table that no agent uses.
const MARK: &str = "table=200";
/// Between two questions for a port's status: what is seen is late by up to this.
const POLL: Duration = Duration::from_millis(1);

pub(crate) async fn measure(site: &Site, plugs: usize, report: &mut Report) -> anyhow::Result<()> {
    let lab = site.lab(3).await?;
    let rest = lab.start_control(&ControlSpec::default()).await?;
    let made = rest.create("network", json!({ "provider:network_type": "vxlan" })).await?;
    let network = text(&made, "id")?;
    let subnet = json!({ "network_id": network, "ip_version": 4, "cidr": "10.1.0.0/16", "enable_dhcp": false });
    rest.create("subnet", subnet).await?;
    let hosts = lab.hosts();
    for host in &hosts {
        make_devices(host, plugs.div_ceil(hosts.len()) + 1).await?;
    }

    let mut monitors = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        // The first port of each host makes it interested, so that all later ones concern every host.
        plug_one(&rest, host, &network, index).await?;
        monitors.push(Monitor::start(host).await?);
    }
    let (mut commits, mut active, mut flows) = (Samples::default(), Samples::default(), Samples::default());
    for index in hosts.len()..hosts.len() + plugs {
        let at = index % hosts.len();
        let host = hosts.get(at).context("no host")?;
        let plugged = plug_one(&rest, host, &network, index).await?;
        commits.add(plugged.commit.took());
        active.add(plugged.active - plugged.commit.sent);
        let mut last = plugged.commit.sent;
        for monitor in monitors.iter_mut().enumerate().filter(|(peer, _)| *peer != at).map(|(_, monitor)| monitor) {
            last = last.max(monitor.added(&plugged.mac).await?);
        }
        flows.add(last - plugged.commit.sent);
    }
    lab.check_control()?;
    let figure = |what: &str, samples: &Samples| Figure {
        what: format!("plug → {what}; 3 hosts, {} ports one after the other", samples.len()),
        value: format!("p50 {}, p99 {}", ms(samples.median()), ms(samples.percentile(99))),
        reference: format!(
            "of it OVSDB's commit: p50 {}, p99 {}; quoted: Neutron 0.6–2.4 s",
            ms(commits.median()),
            ms(commits.percentile(99))
        ),
        ratio: None,
        target: format!("p50 ≤ {}, p99 ≤ {}", ms(MOST_MEDIAN), ms(MOST_P99)),
        verdict: Verdict::of(samples.median() <= MOST_MEDIAN && samples.percentile(99) <= MOST_P99),
    };
    report.add(figure("REST shows ACTIVE", &active));
    report.add(figure("the flow is on each peer", &flows));
    Ok(())
}

/// Devices such as a hypervisor makes before it plugs: there, and without traffic.
async fn make_devices(host: &Host, count: usize) -> anyhow::Result<()> {
    let script =
        format!("for i in $(seq 0 {count}); do echo link add tap$i type veth peer name vm$i; done | ip -batch -");
    host.exec("sh", ["-c", &script]).await?;
    Ok(())
}

struct Plugged {
    commit: Commit,
    active: Instant,
    mac: String,
}

/// Creates a port, plugs it, and waits until it is ACTIVE.
async fn plug_one(rest: &Rest, host: &Host, network: &str, index: usize) -> anyhow::Result<Plugged> {
    let port = rest.create("port", json!({ "network_id": network, "binding:host_id": host.name() })).await?;
    let (id, mac) = (text(&port, "id")?, text(&port, "mac_address")?);
    let commit = plug(host, &format!("tap{}", index / 3), "", id.parse()?)?;
    loop {
        let status = rest.show("port", &format!("{id}?fields=status")).await?;
        if status["status"] == "ACTIVE" {
            return Ok(Plugged { commit, active: Instant::now(), mac });
        }
        if commit.sent.elapsed() > DEADLINE {
            bail!("port {id} on {} is still {status}", host.name());
        }
        sleep(POLL).await;
    }
}

/// Open vSwitch's own monitor of `br-tun`.
struct Monitor {
    lines: mpsc::UnboundedReceiver<(Instant, String)>,
    _process: Child,
}

impl Monitor {
    /// Ready once it has told of a flow that was added for it to tell of: it does not say so by itself.
    async fn start(host: &Host) -> anyhow::Result<Monitor> {
        let mut command = host.command("ovs-ofctl", ["-O", "OpenFlow13", "monitor", "br-tun", "watch:!initial"]);
        // What it sees goes to its standard error, at once.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let mut read = BufReader::new(process.stderr.take().context("no pipe")?).lines();
        let (sender, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = read.next_line().await {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        let mut monitor = Monitor { lines, _process: process };
        for _ in 0..100 {
            host.add_flows("br-tun", &format!("{MARK} actions=drop")).await?;
            host.del_flows("br-tun", MARK).await?;
            if timeout(Duration::from_millis(200), monitor.line(MARK)).await.is_ok() {
                return Ok(monitor);
            }
        }
        bail!("the monitor of br-tun on {} tells nothing", host.name())
    }

    /// When it saw the unicast flow for a MAC address.
    async fn added(&mut self, mac: &str) -> anyhow::Result<Instant> {
        loop {
            let (at, line) = self.line(mac).await?;
            if line.contains("event=ADDED") && line.contains("table=20") {
                return Ok(at);
            }
        }
    }

    /// The next line with this text.
    async fn line(&mut self, with: &str) -> anyhow::Result<(Instant, String)> {
        loop {
            let line = timeout(DEADLINE, self.lines.recv()).await.context("the monitor of br-tun tells nothing")?;
            let (at, line) = line.context("the monitor of br-tun has ended")?;
            if line.contains(with) {
                return Ok((at, line));
            }
        }
    }
}

fn text(object: &Value, name: &str) -> anyhow::Result<String> {
    Ok(object[name].as_str().with_context(|| format!("no {name} in {object}"))?.to_owned())
}
