//! `culvert lab run`: a lab with server, agents, networks and VMs, and a story that shows what they do.

mod facts;
mod flows;
mod inventory;
mod networks;
mod story;
mod teller;
mod traffic;

use anyhow::{Context as _, anyhow};
use lab::{DEFAULT_BASE, Lab, Spec};
use model::TunnelType;

use crate::signals::Stop;
use networks::Network;
use teller::Teller;

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// End when the story is told, instead of staying up until Ctrl-C
    #[arg(long)]
    once: bool,
    /// Leave the lab up at the end, whatever the end is
    #[arg(long)]
    keep: bool,
}

impl Run {
    pub(super) async fn run(&self, spec: &Spec) -> anyhow::Result<()> {
        let mut stop = Stop::listen()?;
        let mut teller = Teller::new(story::STEPS);
        teller.say("Three hosts on this machine, two networks with the same subnet, six VMs.");
        let lab = tokio::select! {
            lab = up(spec, &mut teller) => lab?,
            signal = stop.next() => {
                stop.exit_at_next();
                lab::down(&spec.base, &spec.name)?;
                return Err(anyhow!("ended by {signal}: what was made of lab {} is removed", spec.name));
            }
        };
        let ended = tokio::select! {
            told = story::tell(&lab, &mut teller) => told.map_err(|error| explain(&lab, &teller, error)),
            signal = stop.next() => Err(anyhow!("ended by {signal}")),
        };
        if let Ok(networks) = &ended {
            teller.say(&format!("\nAll is as it should be ({:.1} s).", teller.total()));
            if !self.once || self.keep {
                teller.say(&next(&lab, networks)?);
            }
            if !self.once {
                let end = if self.keep { "the lab stays" } else { "all of it goes" };
                teller.say(&format!("\nUp until Ctrl-C; then {end}."));
                stop.next().await;
            }
        }
        stop.exit_at_next();
        if self.keep {
            teller.say(&format!("\nThe lab is still up: `culvert lab down --name {}` removes it.", spec.name));
            return ended.map(drop);
        }
        lab.down()?;
        teller.say(&format!("\nLab {}: nothing of it is left.", spec.name));
        ended.map(drop)
    }
}

async fn up(spec: &Spec, teller: &mut Teller) -> Result<Lab, lab::Error> {
    teller.step("Hosts: a network namespace each, with an Open vSwitch of its own");
    let lab = Lab::up(spec).await?;
    for host in lab.hosts() {
        teller.line(format!("{:<9} endpoint {}  namespace {}", host.name(), host.endpoint(), host.namespace()));
    }
    teller.done();
    Ok(lab)
}

/// Where the story broke off; and if server or an agent has ended, which then is why.
fn explain(lab: &Lab, teller: &Teller, error: anyhow::Error) -> anyhow::Error {
    let told_already = matches!(error.downcast_ref(), Some(lab::Error::Process { .. }));
    let error = match lab.check_control() {
        Err(ended) if !told_already => anyhow::Error::new(ended).context(error.to_string()),
        _ => error,
    };
    error.context(teller.where_it_is())
}

/// What a person may try on the lab, from another terminal.
fn next(lab: &Lab, networks: &[Network]) -> anyhow::Result<String> {
    let culvert = std::env::current_exe().context("cannot find this program's own file")?;
    let mut lines = vec![
        "What to try next, in another terminal:".to_owned(),
        format!("alias culvert={}", culvert.display()),
        format!("export CULVERT_SOCKET={}", lab.admin_socket().display()),
    ];
    let spec = lab.spec();
    if spec.base.as_os_str() != DEFAULT_BASE {
        lines.push(format!("export CULVERT_LAB_DIR={}", spec.base.display()));
    }
    let name = if spec.name.to_string() == "demo" { String::new() } else { format!(" --name {}", spec.name) };
    lines.extend([
        "culvert status".to_owned(),
        format!("culvert lab{name} exec compute1 -- ovs-ofctl -O OpenFlow14 --names dump-flows br-tun"),
        format!("culvert lab{name} ping gre-vm1 gre-vm2"),
        "culvert watch --host compute1".to_owned(),
        format!("culvert lab{name} unplug gre-vm2           # while you watch"),
    ]);
    if let Some(gre) = networks.iter().find(|network| network.segment.tunnel_type == TunnelType::Gre) {
        lines.push(format!("culvert explain drop --host compute1 --tunnel vxlan --key {}", gre.segment.key));
    }
    lines.push(format!("culvert lab{name} exec server -- {} port list", culvert.display()));
    Ok(format!("\n{}", lines.join("\n  ")))
}
