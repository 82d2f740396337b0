//! What `culvert lab` prints.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use lab::{Lab, Process, SERVER_ADDRESS};

/// Progress of the lab as plain lines on standard error; `RUST_LOG=lab=debug` shows more.
pub(crate) fn log_progress() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "lab=info".into());
    let format = tracing_subscriber::fmt().without_time().with_level(false).with_target(false);
    // Fails only if there is a subscriber already, which is then as good.
    let _ = format.with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// A table of the nodes, one of the VMs if there are any.
pub(crate) fn status(lab: &Lab) -> Result<String, lab::Error> {
    let processes = lab.processes()?;
    let mut nodes = table(["NODE", "NAMESPACE", "ENDPOINT", "MANAGEMENT", "PROCESSES"]);
    for host in lab.hosts() {
        let (endpoint, management) = (host.endpoint().to_string(), host.management().to_string());
        nodes.add_row([host.name(), host.namespace(), &endpoint, &management, &running(&processes, host.name())]);
    }
    let (server, switch) = (lab.server(), lab.switch());
    let management = SERVER_ADDRESS.to_string();
    nodes.add_row([server.name(), server.namespace(), "-", &management, &running(&processes, server.name())]);
    nodes.add_row([switch.name(), switch.namespace(), "-", "-", &running(&processes, switch.name())]);

    let mut text = nodes.to_string();
    let vms = lab.vms()?;
    if !vms.is_empty() {
        let mut table = table(["VM", "HOST", "INTERFACE", "PORT", "MAC", "ADDRESSES"]);
        for vm in vms {
            let spec = vm.spec();
            let addresses: Vec<String> = spec.addresses.iter().map(ToString::to_string).collect();
            let (port, mac, tap) = (spec.port.to_string(), spec.mac.to_string(), vm.tap());
            table.add_row([spec.name.as_str(), vm.host().as_str(), &tap, &port, &mac, &addresses.join(" ")]);
        }
        text = format!("{text}\n\n{table}");
    }
    Ok(text)
}

/// `ovsdb-server 4711, ovs-vswitchd ended`.
fn running(processes: &[Process], node: &str) -> String {
    let shown = processes.iter().filter(|process| process.node() == node).map(|process| {
        let state = if process.is_alive() { process.pid().to_string() } else { "ended".to_owned() };
        format!("{} {state}", process.name())
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "-".to_owned() } else { shown.join(", ") }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    table
}
