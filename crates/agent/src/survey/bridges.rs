use ovsdb::{Bridge, Controller, Replica};

use super::{FoundBridge, Intent, Verdict};
use crate::state::handover::nowhere;

pub(super) fn found(replica: &Replica, intent: &Intent) -> Vec<FoundBridge> {
    let mut bridges: Vec<_> = replica.bridges().values().map(|bridge| found_bridge(replica, bridge, intent)).collect();
    bridges.sort_by(|one, other| one.name.cmp(&other.name));
    bridges
}

fn found_bridge(replica: &Replica, bridge: &Bridge, intent: &Intent) -> FoundBridge {
    let leads = |controller: &&Controller| controller.target != nowhere(&bridge.name);
    let controllers = bridge.controller.iter().filter_map(|uuid| replica.controllers().get(uuid));
    let controllers: Vec<_> = controllers.filter(leads).cloned().collect();
    let controlled = controllers.iter().any(|controller| controller.is_connected);
    let controllers: Vec<String> = controllers.into_iter().map(|controller| controller.target).collect();
    let datapath_type = if bridge.datapath_type.is_empty() { "system" } else { bridge.datapath_type.as_str() };
    let ours = [&intent.integration_bridge, &intent.tunnel_bridge].contains(&&bridge.name);
    let mut changes = Vec::new();
    if let Some(wanted) = intent.datapath_type.filter(|wanted| !wanted.is(datapath_type)) {
        changes.push(format!("datapath becomes {wanted}, and Open vSwitch makes the bridge anew"));
    }
    let secure = bridge.fail_mode.as_deref() == Some("secure");
    if !secure {
        changes.push("fail mode becomes secure".to_owned());
    }
    // Each of them makes ovs-vswitchd flush the bridge's tables (connmgr.c of OVS; seen on 3.1); a fail mode not while there is a
    // controller. More protocols do not.
    let remade = intent.datapath_type.is_some_and(|wanted| !wanted.is(datapath_type));
    let flushed = ours && (remade || !secure && bridge.controller.is_empty());
    if flushed {
        changes.push(
            "with that Open vSwitch drops all its flows, and forwarding stops until the server has spoken and the agent's are in".to_owned(),
        );
    }
    if !controllers.is_empty() {
        changes.push("what its agent left is in force until all of Culvert's flows are in; then its controllers give way to one that leads nowhere".to_owned());
    }
    if controlled {
        changes.push("a controller is connected: stop that agent first, or the two fight".to_owned());
    }
    if !bridge.protocols.is_empty()
        && !["OpenFlow13", "OpenFlow14"].iter().all(|version| bridge.protocols.contains(*version))
    {
        changes.push("OpenFlow 1.3 and 1.4 are added".to_owned());
    }
    let (verdict, reason) = match (ours, changes.is_empty()) {
        (false, _) => (Verdict::Leave, "not a bridge of Culvert's".to_owned()),
        (true, true) => (Verdict::Adopt, String::new()),
        (true, false) => (Verdict::Change, changes.join("; ")),
    };
    FoundBridge {
        name: bridge.name.clone(),
        datapath_type: datapath_type.to_owned(),
        fail_mode: bridge.fail_mode.clone(),
        controllers,
        controlled,
        flushed,
        verdict,
        reason,
    }
}
