use std::fmt;

use super::value::{Name, Value, port_name};
use crate::{Action, Flow, Instruction, PortNo, flow_flags, port};

impl fmt::Display for Flow {
    /// As `ovs-ofctl --no-stats dump-flows` prints it: what is zero by default is left out, the priority never is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cookie != 0 {
            write!(f, "cookie={:#x}, ", self.cookie)?;
        }
        for (name, number) in
            [("table", u16::from(self.table)), ("idle_timeout", self.idle_timeout), ("hard_timeout", self.hard_timeout)]
        {
            if number != 0 {
                write!(f, "{name}={number}, ")?;
            }
        }
        for (flag, name) in [
            (flow_flags::SEND_FLOW_REMOVED, "send_flow_rem"),
            (flow_flags::CHECK_OVERLAP, "check_overlap"),
            (flow_flags::RESET_COUNTS, "reset_counts"),
            (flow_flags::NO_PACKET_COUNTS, "no_packet_counts"),
            (flow_flags::NO_BYTE_COUNTS, "no_byte_counts"),
        ] {
            if self.flags & flag != 0 {
                write!(f, "{name}, ")?;
            }
        }
        let comma = if self.matching.0.is_empty() { "" } else { "," };
        write!(f, "priority={}{comma}{} actions=", self.priority, self.matching)?;
        let does_nothing =
            |instruction: &Instruction| matches!(instruction, Instruction::Apply(list) if list.is_empty());
        if self.instructions.iter().all(does_nothing) {
            return f.write_str("drop");
        }
        let shown = self.instructions.iter().filter(|instruction| !does_nothing(instruction));
        shown.enumerate().try_for_each(|(index, instruction)| {
            f.write_str(if index == 0 { "" } else { "," })?;
            write!(f, "{instruction}")
        })
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Instruction::Apply(actions) => list(f, actions),
            Instruction::Write(actions) => {
                f.write_str("write_actions(")?;
                list(f, actions)?;
                f.write_str(")")
            }
            Instruction::Clear => f.write_str("clear_actions"),
            Instruction::GotoTable(table) => write!(f, "goto_table:{table}"),
            Instruction::Metadata { value, mask: u64::MAX } => write!(f, "write_metadata:{value:#x}"),
            Instruction::Metadata { value, mask } => write!(f, "write_metadata:{value:#x}/{mask:#x}"),
            Instruction::Meter(meter) => write!(f, "meter:{meter}"),
            Instruction::Opaque(bytes) => hex(f, "opaque_instruction", bytes),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, actions: &[Action]) -> fmt::Result {
    actions.iter().enumerate().try_for_each(|(index, action)| {
        f.write_str(if index == 0 { "" } else { "," })?;
        write!(f, "{action}")
    })
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Output(port::CONTROLLER) => f.write_str("CONTROLLER:65535"),
            Action::Output(port) => match port_name(*port) {
                Some(name) => f.write_str(name),
                None => write!(f, "output:{port}"),
            },
            Action::SetField { field, value, mask } => {
                write!(f, "set_field:{}->{}", Value(*field, *value, *mask), Name(*field))
            }
            Action::PushVlan(ethertype) => write!(f, "push_vlan:{ethertype:#06x}"),
            Action::PopVlan => f.write_str("pop_vlan"),
            Action::Resubmit { port, table: None } => {
                f.write_str("resubmit:")?;
                print_port(f, port.unwrap_or(port::IN_PORT))
            }
            Action::Resubmit { port, table: Some(table) } => {
                f.write_str("resubmit(")?;
                port.map_or(Ok(()), |port| print_port(f, port))?;
                write!(f, ",{table})")
            }
            Action::Move { src, dst } => write!(f, "move:{src}->{dst}"),
            Action::Load { dst, value: 0 } => write!(f, "load:0->{dst}"),
            Action::Load { dst, value } => write!(f, "load:{value:#x}->{dst}"),
            Action::Learn(learn) => write!(f, "{learn}"),
            Action::Opaque(bytes) => hex(f, "opaque", bytes),
        }
    }
}

fn print_port(f: &mut fmt::Formatter<'_>, port: PortNo) -> fmt::Result {
    match port_name(port) {
        Some(name) => f.write_str(name),
        None => write!(f, "{port}"),
    }
}

fn hex(f: &mut fmt::Formatter<'_>, word: &str, bytes: &[u8]) -> fmt::Result {
    write!(f, "{word}(")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
    f.write_str(")")
}
