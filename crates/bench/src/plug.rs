//! From the plug of an interface until REST shows its port as ACTIVE, and until each peer has the flow for it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lab::{ControlSpec, Host, Rest};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::plugged::{Commit, plug, plug_alone};
use crate::report::{Figure, Verdict};
use crate::samples::{Samples, ms};
use crate::site::{DEADLINE, Site};

const MOST_MEDIAN: Duration = Duration::from_millis(20);
const MOST_P99: Duration = Duration::from_millis(100);
/// A table that no agent uses.
const MARK: &str = "table=200";

pub(crate) async fn measure(site: &Site, plugs: usize) -> anyhow::Result<Vec<Figure>> {
    let alone = alone(site, plugs.div_ceil(3)).await?;
    let lab = site.lab(3).await?;
    let rest = lab.start_control(&ControlSpec::default()).await?;
    let made = rest.create("network", json!({ "provider:network_type": "vxlan" })).await?;
    let network = text(&made, "id")?;
    let subnet = json!({ "network_id": network, "ip_version": 4, "cidr": "10.1.0.0/16", "enable_dhcp": false });
    rest.create("subnet", subnet).await?;
    let hosts = lab.hosts();

    let mut monitors = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        // The first port of each host makes it interested, so that all later ones concern every host.
        let plugged = plug_one(&rest, host, &network, index).await?;
        until_active(&rest, &plugged).await?;
        monitors.push(Monitor::start(host).await?);
    }
    let (mut commits, mut active, mut flows) = (Samples::default(), Samples::default(), Samples::default());
    for index in hosts.len()..hosts.len() + plugs {
        let at = index % hosts.len();
        let host = hosts.get(at).context("no host")?;
        let plugged = plug_one(&rest, host, &network, index).await?;
        let sent = plugged.commit.sent;
        commits.add(plugged.commit.took());
        let mut last = sent;
        for monitor in monitors.iter_mut().enumerate().filter(|(peer, _)| *peer != at).map(|(_, monitor)| monitor) {
            last = last.max(monitor.added(&plugged.mac).await?);
        }
        flows.add(last - sent);
        // Only now: a port is ACTIVE once its peers have confirmed it, and questions before that would take the two cores from
        // those who are at work.
        active.add(until_active(&rest, &plugged).await? - sent);
    }
    lab.check_control()?;
    let figure = |what: &str, samples: &Samples| Figure {
        what: format!("plug → {what}; 3 hosts, {} ports one after the other", samples.len()),
        value: format!("p50 {}, p99 {}", ms(samples.median()), ms(samples.percentile(99))),
        reference: format!(
            "Open vSwitch by itself, for interface and tag: p50 {}, p99 {}; OVSDB's commit: p50 {}; quoted: Neutron \
             0.6–2.4 s, median 1.7",
            ms(alone.median()),
            ms(alone.percentile(99)),
            ms(commits.median())
        ),
        ratio: None,
        target: format!("p50 ≤ {}, p99 ≤ {}", ms(MOST_MEDIAN), ms(MOST_P99)),
        verdict: Verdict::of(samples.median() <= MOST_MEDIAN && samples.percentile(99) <= MOST_P99),
    };
    Ok(vec![figure("REST shows ACTIVE", &active), figure("the flow is on each peer", &flows)])
}

/// The same on one host without Culvert: what nobody who plugs in two steps can go below.
async fn alone(site: &Site, plugs: usize) -> anyhow::Result<Samples> {
    let lab = site.lab(1).await?;
    let host = lab.host("compute1")?;
    host.vsctl("--may-exist add-br br-int -- set Bridge br-int datapath_type=netdev fail_mode=secure".split(' '))
        .await?;
    let mut took = Samples::default();
    for index in 0..plugs {
        let device = format!("tap{index}");
        make_device(&host, &device).await?;
        took.add(plug_alone(&host, &device)?);
    }
    Ok(took)
}

/// A device such as a hypervisor makes before it plugs it: there, and without traffic.
async fn make_device(host: &Host, name: &str) -> anyhow::Result<()> {
    host.exec("ip", ["tuntap", "add", "dev", name, "mode", "tap"]).await?;
    Ok(())
}

struct Plugged {
    id: String,
    mac: String,
    commit: Commit,
}

/// Creates a port and plugs it.
async fn plug_one(rest: &Rest, host: &Host, network: &str, index: usize) -> anyhow::Result<Plugged> {
    let port = rest.create("port", json!({ "network_id": network, "binding:host_id": host.name() })).await?;
    let (id, mac) = (text(&port, "id")?, text(&port, "mac_address")?);
    let device = format!("tap{}", index / 3);
    make_device(host, &device).await?;
    let commit = plug(host, &device, "", id.parse()?)?;
    Ok(Plugged { id, mac, commit })
}

/// When REST shows the port as ACTIVE: asked again as soon as it has answered, so what is seen is late by up to two answers.
async fn until_active(rest: &Rest, plugged: &Plugged) -> anyhow::Result<Instant> {
    loop {
        let status = rest.show("port", &format!("{}?fields=status", plugged.id)).await?;
        if status["status"] == "ACTIVE" {
            return Ok(Instant::now());
        }
        if plugged.commit.sent.elapsed() > DEADLINE {
            bail!("port {} is still {status}", plugged.id);
        }
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
