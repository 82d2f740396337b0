//! What `culvert lab` prints.

use lab::{Lab, Process, SERVER_ADDRESS};

use crate::cli::table::Table;
use crate::terminal::Screen;

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
    let row = |name: &str, namespace: &str, endpoint: String, management: String| {
        [name.to_owned(), namespace.to_owned(), endpoint, management, running(&processes, name)]
    };
    let hosts = lab
        .hosts()
        .into_iter()
        .map(|host| row(host.name(), host.namespace(), host.endpoint().to_string(), host.management().to_string()));
    let (server, switch) = (lab.server(), lab.switch());
    let others = [
        row(server.name(), server.namespace(), "-".to_owned(), SERVER_ADDRESS.to_string()),
        row(switch.name(), switch.namespace(), "-".to_owned(), "-".to_owned()),
    ];
    let nodes = Table::new(["NODE", "NAMESPACE", "ENDPOINT", "MANAGEMENT", "PROCESSES"], hosts.chain(others));
    let vms = lab.vms()?;
    let vms = vms.iter().map(|vm| {
        let spec = vm.spec();
        let addresses: Vec<String> = spec.addresses.iter().map(ToString::to_string).collect();
        let (port, mac) = (spec.port.to_string(), spec.mac.to_string());
        [spec.name.to_string(), vm.host().to_string(), vm.tap(), port, mac, addresses.join(" ")]
    });
    let vms = Table::new(["VM", "HOST", "INTERFACE", "PORT", "MAC", "ADDRESSES"], vms);
    let screen = Screen::of_stdout();
    let tables = [nodes, vms];
    let shown = tables.iter().filter(|table| !table.is_empty()).map(|table| table.render(&screen));
    Ok(shown.collect::<Vec<_>>().join("\n\n"))
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
