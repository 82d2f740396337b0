//! A host's `br-tun`, flow by flow, with what each one is there for.

use std::fmt::Write as _;

use lab::{Host, Lab, Rest};
use openflow::Flow;
use pipeline::{Bridge, Ownership, Row, State, table_name};

use super::facts::host_state;
use super::teller::wrap;

/// Flows at their tables, each under one line that explains it.
pub(super) async fn explained(lab: &Lab, rest: &Rest, host: &Host) -> anyhow::Result<String> {
    let state = host_state(lab, rest, host).await?;
    // Ports as numbers, as the flows of the host's state have them.
    let args = ["-O", "OpenFlow14", "--no-names", "--no-stats", "dump-flows", "br-tun"];
    let dump = host.exec("ovs-ofctl", args).await?;
    let flows = dump.lines().map(str::trim).filter(|line| line.contains("actions="));
    let mut flows = flows.map(str::parse).collect::<Result<Vec<Flow>, _>>()?;
    flows.sort_by_key(|flow| (flow.table, std::cmp::Reverse(flow.priority)));
    Ok(text(&state, &flows))
}

/// With what is put before it, a line fits 120 columns.
const WIDTH: usize = 104;

fn text(state: &State, flows: &[Flow]) -> String {
    let mut text = String::new();
    let mut table = None;
    let mut alike = 0;
    for flow in flows {
        // A pair for each bit of an IPv4 address: one pair shows it.
        if matches!(Ownership::of(Bridge::Tunnel, flow), Ownership::Row(Row::Question { bit: 1.., .. })) {
            alike += 1;
            continue;
        }
        if table != Some(flow.table) {
            let name = table_name(flow.table).unwrap_or("unknown");
            let _ = writeln!(text, "table {} ({name})", flow.table);
            table = Some(flow.table);
        }
        if alike > 0 {
            let _ = writeln!(text, "  # the same for the other bits: {alike} flows that are left out here");
            alike = 0;
        }
        for line in wrap(&state.explain_flow(Bridge::Tunnel, flow), WIDTH) {
            let _ = writeln!(text, "  # {}", line.trim_end());
        }
        for (index, line) in wrap(&shown(flow), WIDTH).iter().enumerate() {
            let indent = if index == 0 { "  " } else { "      " };
            let _ = writeln!(text, "{indent}{}", line.trim_end());
        }
    }
    text
}

/// The flow without its table, which stands above, and without its cookie.
fn shown(flow: &Flow) -> String {
    let mut flow = flow.clone();
    flow.table = 0;
    flow.cookie = 0;
    flow.to_string()
}

#[cfg(test)]
mod tests {
    use model::TunnelType;
    use pipeline::Modes;

    use super::*;

    #[test]
    fn each_flow_has_its_line_and_rows_alike_are_counted() {
        let modes = Modes::new([10, 0, 1, 31].into(), &TunnelType::ALL, true, true).unwrap();
        let state = State::new(modes);
        let mut flows: Vec<Flow> =
            state.flows().filter(|(row, _)| row.bridge() == Bridge::Tunnel).map(|(_, flow)| flow).collect();
        flows.sort_by_key(|flow| (flow.table, std::cmp::Reverse(flow.priority)));
        let text = text(&state, &flows);
        let left_out = "62 flows that are left out here";
        assert!(text.contains(left_out), "{text}");
        // At rest no explanation is so long that it takes two lines.
        let explained = text.lines().filter(|line| line.starts_with("  # ")).count() - 1;
        assert_eq!(explained, flows.len() - 62);
        assert!(text.contains("table 22 (flood)\n  # what nothing else takes is dropped (flood)"), "{text}");
    }
}
