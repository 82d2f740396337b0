//! Generated values and arbitrary bytes through the codec and the text form.

use openflow::codec::{decode, encode, split};
use openflow::{
    Action, Aggregate, BundleControl, BundleStep, Command, Ethernet, Features, Field, Flow, FlowEvent, FlowFilter,
    FlowMod, FlowMonitor, FlowRemoved, FlowStats, FlowUpdate, Instruction, Learn, LearnSource, LearnSpec, LearnTarget,
    Masked, Match, Message, MultipartReply, MultipartRequest, PortDesc, PortReason, PortStats, Subfield, SwitchError,
    TableStats, Version, port,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

fn field() -> impl Strategy<Value = Field> {
    use Field::*;
    prop_oneof![
        4 => proptest::sample::select(vec![
            InPort, EthSrc, EthDst, EthType, VlanVid, VlanPcp, Ipv4Src, Ipv4Dst, Ipv6Src, Ipv6Dst, IpDscp, IpEcn, IpTtl,
            IpProto, TcpSrc, TcpDst, UdpSrc, UdpDst, Icmpv4Type, Icmpv4Code, Icmpv6Type, Icmpv6Code, NdReserved,
            NdTarget, NdOptionsType, NdSll, NdTll, ArpOp, ArpSpa, ArpTpa, ArpSha, ArpTha, TunnelId, TunnelIpv4Src,
            TunnelIpv4Dst, TunnelIpv6Src, TunnelIpv6Dst, Metadata,
        ]),
        1 => proptest::sample::select(vec![VlanTci, InPortNxm]),
        1 => (0_u8..16).prop_map(Reg),
        1 => (0_u8..8).prop_map(XReg),
        1 => (prop_oneof![Just(0x0003_u16), Just(0xffff)], 0_u8..128, any::<u32>(), 1_u8..=16).prop_map(
            |(class, number, experimenter, bytes)| {
                Unknown { class, number, experimenter: if class == 0xffff { experimenter } else { 0 }, bytes }
            },
        ),
    ]
}

fn ones(bits: u16) -> u128 {
    u128::MAX.checked_shr(128 - u32::from(bits)).unwrap_or(0)
}

fn masked() -> impl Strategy<Value = (Field, Masked)> {
    (field(), any::<u128>(), proptest::option::of(any::<u128>())).prop_map(|(field, value, mask)| {
        let all = ones(field.bits());
        let mask = mask.map(|mask| mask & all);
        (field, Masked { value: value & mask.unwrap_or(all), mask })
    })
}

fn matching() -> impl Strategy<Value = Match> {
    vec(masked(), 0..6).prop_map(|fields| Match(fields.into_iter().collect()))
}

/// Some bits of a field, at most `most`.
fn subfield(most: u16) -> impl Strategy<Value = Subfield> {
    field().prop_flat_map(move |field| {
        (Just(field), 0..field.bits()).prop_flat_map(move |(field, offset)| {
            let bits = 1..=(field.bits() - offset).min(most);
            bits.prop_map(move |bits| Subfield { field, offset, bits })
        })
    })
}

fn learn() -> impl Strategy<Value = Learn> {
    let spec = (subfield(128), proptest::option::of(any::<u128>()), 0..3_u8).prop_map(|(place, number, target)| {
        let Subfield { field, offset, bits } = place;
        let here = LearnSource::Field { field, offset };
        let target = match target {
            0 => LearnTarget::Match { field, offset },
            1 => LearnTarget::Load { field, offset },
            _ => LearnTarget::Output,
        };
        let constant = number.filter(|_| target != LearnTarget::Output);
        LearnSpec { bits, source: constant.map_or(here, |number| LearnSource::Immediate(number & ones(bits))), target }
    });
    let numbers = (any::<[u16; 5]>(), any::<u64>(), any::<u8>(), 0..4_u16, prop_oneof![Just(0), any::<u32>()]);
    (numbers, proptest::option::of(subfield(1)), vec(spec, 0..5)).prop_map(
        |(
            ([priority, idle_timeout, hard_timeout, fin_idle_timeout, fin_hard_timeout], cookie, table, flags, limit),
            result_dst,
            specs,
        )| {
            Learn {
                table,
                priority,
                cookie,
                idle_timeout,
                hard_timeout,
                fin_idle_timeout,
                fin_hard_timeout,
                flags,
                limit,
                result_dst,
                specs,
            }
        },
    )
}

/// Type 0x5555 is nobody's.
fn opaque() -> impl Strategy<Value = Vec<u8>> {
    (1_usize..5, any::<u8>()).prop_map(|(eights, fill)| {
        let mut bytes = vec![fill; eights * 8];
        bytes[..4].copy_from_slice(&[0x55, 0x55, 0, u8::try_from(eights * 8).unwrap()]);
        bytes
    })
}

fn action() -> impl Strategy<Value = Action> {
    let port =
        prop_oneof![0..0xff00_u32, Just(port::LOCAL), Just(port::NORMAL), Just(port::CONTROLLER), Just(port::FLOOD)];
    let other = prop_oneof![0..0xff00_u32, Just(port::LOCAL)];
    prop_oneof![
        port.prop_map(Action::Output),
        masked().prop_map(|(field, Masked { value, mask })| Action::SetField { field, value, mask }),
        any::<u16>().prop_map(Action::PushVlan),
        Just(Action::PopVlan),
        (proptest::option::of(other), proptest::option::of(0..255_u8))
            .prop_map(|(port, table)| Action::Resubmit { port, table }),
        subfield(128).prop_map(|src| Action::Move { src, dst: Subfield { field: Field::Ipv6Dst, offset: 0, ..src } }),
        (subfield(64), any::<u64>())
            .prop_map(|(dst, value)| {
                Action::Load { dst, value: value & u64::try_from(ones(dst.bits)).unwrap_or(u64::MAX) }
            })
            .prop_filter("a load names its field in four bytes", |action| {
                !matches!(
                    action,
                    Action::Load { dst: Subfield { field: Field::Unknown { class: 0xffff, .. }, .. }, .. }
                )
            }),
        learn().prop_map(|learn| Action::Learn(Box::new(learn))),
        opaque().prop_map(Action::Opaque),
    ]
}

fn instruction() -> impl Strategy<Value = Instruction> {
    prop_oneof![
        4 => vec(action(), 0..5).prop_map(Instruction::Apply),
        1 => vec(action(), 0..3).prop_map(Instruction::Write),
        1 => Just(Instruction::Clear),
        2 => any::<u8>().prop_map(Instruction::GotoTable),
        1 => any::<(u64, u64)>().prop_map(|(value, mask)| Instruction::Metadata { value, mask }),
        1 => any::<u32>().prop_map(Instruction::Meter),
        1 => opaque().prop_map(Instruction::Opaque),
    ]
}

fn flow() -> impl Strategy<Value = Flow> {
    (any::<(u8, u16, u64, u16, u16)>(), 0..32_u16, matching(), vec(instruction(), 0..4)).prop_map(
        |((table, priority, cookie, idle_timeout, hard_timeout), flags, matching, instructions)| Flow {
            table,
            priority,
            matching,
            instructions,
            cookie,
            idle_timeout,
            hard_timeout,
            flags,
        },
    )
}

fn filter() -> impl Strategy<Value = FlowFilter> {
    (proptest::option::of(0..255_u8), matching(), any::<(u64, u64)>(), proptest::option::of(0..0xff00_u32)).prop_map(
        |(table, matching, (cookie, cookie_mask), out_port)| FlowFilter {
            table,
            matching,
            cookie,
            cookie_mask,
            out_port,
        },
    )
}

fn flow_mod() -> impl Strategy<Value = FlowMod> {
    use Command::*;
    let command = proptest::sample::select(vec![Add, Modify, ModifyStrict, Delete, DeleteStrict]);
    (command, flow(), any::<u64>(), proptest::option::of(0..0xff00_u32))
        .prop_map(|(command, flow, cookie_mask, out_port)| FlowMod { command, flow, cookie_mask, out_port })
}

fn duration() -> impl Strategy<Value = Duration> {
    (any::<u32>(), 0..1_000_000_000_u32).prop_map(|(seconds, rest)| Duration::new(seconds.into(), rest))
}

fn port_desc() -> impl Strategy<Value = PortDesc> {
    (any::<[u32; 9]>(), any::<[u8; 6]>(), "[a-z0-9-]{0,15}").prop_map(|(n, mac, name)| PortDesc {
        port: n[0],
        mac,
        name,
        config: n[1],
        state: n[2],
        ethernet: Ethernet {
            current: n[3],
            advertised: n[4],
            supported: n[5],
            peer: n[6],
            current_speed: n[7],
            max_speed: n[8],
        },
    })
}

fn port_stats() -> impl Strategy<Value = PortStats> {
    (any::<u32>(), duration(), any::<[u64; 8]>()).prop_map(|(port, duration, n)| PortStats {
        port,
        duration,
        rx_packets: n[0],
        tx_packets: n[1],
        rx_bytes: n[2],
        tx_bytes: n[3],
        rx_dropped: n[4],
        tx_dropped: n[5],
        rx_errors: n[6],
        tx_errors: n[7],
    })
}

fn part() -> impl Strategy<Value = MultipartReply> {
    let stats = (flow(), duration(), any::<(u64, u64)>()).prop_map(|(flow, duration, (packets, bytes))| FlowStats {
        flow,
        duration,
        packets,
        bytes,
    });
    let table = any::<(u8, u32, u64, u64)>().prop_map(|(table, active, lookups, matched)| TableStats {
        table,
        active,
        lookups,
        matched,
    });
    prop_oneof![
        3 => vec(stats, 0..4).prop_map(MultipartReply::Flows),
        1 => any::<(u64, u64, u32)>()
            .prop_map(|(packets, bytes, flows)| MultipartReply::Aggregate(Aggregate { packets, bytes, flows })),
        1 => vec(table, 0..4).prop_map(MultipartReply::Tables),
        1 => vec(port_stats(), 0..4).prop_map(MultipartReply::PortStats),
        1 => vec(port_desc(), 0..4).prop_map(MultipartReply::PortDescs),
        1 => vec(update(), 0..4).prop_map(MultipartReply::FlowUpdates),
        1 => vec(any::<u8>(), 0..40).prop_map(|body| MultipartReply::Opaque { kind: 99, body }),
    ]
}

fn update() -> impl Strategy<Value = FlowUpdate> {
    use FlowEvent::*;
    let event = proptest::sample::select(vec![Initial, Added, Removed, Modified]);
    prop_oneof![
        3 => (event, any::<u8>(), flow()).prop_map(|(event, reason, flow)| {
            FlowUpdate::Full { event, reason, flow: Flow { flags: 0, ..flow } }
        }),
        1 => any::<u32>().prop_map(|xid| FlowUpdate::Own { xid }),
        1 => Just(FlowUpdate::Paused),
        1 => Just(FlowUpdate::Resumed),
    ]
}

fn monitor() -> impl Strategy<Value = FlowMonitor> {
    (any::<(u32, u16)>(), proptest::option::of(0..u8::MAX), filter()).prop_map(|((id, flags), table, filter)| {
        FlowMonitor { id, flags, table, matching: filter.matching, begin: flags % 2 == 0 }
    })
}

fn request() -> impl Strategy<Value = MultipartRequest> {
    prop_oneof![
        filter().prop_map(MultipartRequest::Flows),
        filter().prop_map(MultipartRequest::Aggregate),
        Just(MultipartRequest::Tables),
        any::<u32>().prop_map(MultipartRequest::PortStats),
        Just(MultipartRequest::PortDescs),
        monitor().prop_map(MultipartRequest::FlowMonitor),
        vec(any::<u8>(), 0..40).prop_map(|body| MultipartRequest::Opaque { kind: 99, body }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    use BundleStep::*;
    let step = proptest::sample::select(vec![Open, Opened, Close, Closed, Commit, Committed, Discard, Discarded]);
    let reason = proptest::sample::select(vec![PortReason::Added, PortReason::Deleted, PortReason::Modified]);
    let body = || vec(any::<u8>(), 0..40);
    prop_oneof![
        5 => flow_mod().prop_map(Message::FlowMod),
        4 => (any::<bool>(), part()).prop_map(|(more, part)| Message::MultipartReply { more, part }),
        2 => request().prop_map(Message::MultipartRequest),
        1 => (any::<(u32, u16)>(), flow_mod()).prop_map(|((bundle, flags), flow_mod)| {
            Message::BundleAdd { bundle, flags, message: Box::new(Message::FlowMod(flow_mod)) }
        }),
        1 => (any::<u32>(), step, any::<u16>())
            .prop_map(|(bundle, step, flags)| Message::BundleControl(BundleControl { bundle, step, flags })),
        1 => (any::<(u16, u16, u32)>(), body()).prop_map(|((kind, code, experimenter), data)| {
            let experimenter = (kind == u16::MAX).then_some(experimenter);
            Message::Error(SwitchError { kind, code, experimenter, data })
        }),
        1 => body().prop_map(Message::EchoRequest),
        1 => body().prop_map(Message::EchoReply),
        1 => Just(Message::BarrierReply),
        1 => any::<(u64, u32, u8, u8, u32)>().prop_map(|(datapath_id, buffers, tables, auxiliary_id, capabilities)| {
            Message::FeaturesReply(Features { datapath_id, buffers, tables, auxiliary_id, capabilities })
        }),
        1 => (reason, port_desc()).prop_map(|(reason, port)| Message::PortStatus { reason, port }),
        1 => (any::<(u8, u16, u64, u8, u16, u16, u64, u64)>(), duration(), matching()).prop_map(|(n, duration, matching)| {
            let (table, priority, cookie, reason, idle_timeout, hard_timeout, packets, bytes) = n;
            Message::FlowRemoved(FlowRemoved {
                table, priority, matching, cookie, reason, duration, idle_timeout, hard_timeout, packets, bytes,
            })
        }),
        1 => body().prop_map(|body| Message::Opaque { kind: 10, body }),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V1_3), Just(Version::V1_4)]
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(message in message(), version in version(), xid: u32) {
        let mut bytes = Vec::new();
        encode(&message, version, xid, &mut bytes).unwrap();
        let (frame, taken) = split(&bytes).unwrap().unwrap();
        prop_assert_eq!((taken, frame.xid), (bytes.len(), xid));
        prop_assert_eq!(decode(&frame).unwrap(), message);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(kind in 0_u8..40, version in 3_u8..7, body in vec(any::<u8>(), 0..300)) {
        let frame = openflow::codec::Frame { version, kind, xid: 0, body: &body };
        let _ = decode(&frame);
        let _ = split(&body);
    }

    /// What comes close to a message gets deeper into the decoder than noise does.
    #[test]
    fn no_damage_to_a_message_makes_the_decoder_panic(
        message in message(),
        version in version(),
        damage in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut: proptest::sample::Index,
    ) {
        let mut bytes = Vec::new();
        encode(&message, version, 1, &mut bytes).unwrap();
        for (place, value) in damage {
            *place.get_mut(&mut bytes) = value;
        }
        if let Ok(Some((frame, _))) = split(&bytes) {
            if let Ok(again) = decode(&frame) {
                // What was understood can be written again.
                let _ = encode(&again, version, 1, &mut Vec::new());
            }
            let body = &frame.body[..cut.index(frame.body.len() + 1)];
            let _ = decode(&openflow::codec::Frame { body, ..frame });
        }
    }

    #[test]
    fn normal_form_is_a_fixed_point(flow in flow()) {
        let normal = flow.normalised();
        prop_assert_eq!(&normal.normalised(), &normal);
        prop_assert_eq!((normal.key(), normal.meaning()), (flow.key(), flow.meaning()));
    }

    /// Only one list of actions can be applied in the text form; and a match is brought to its normal form.
    #[test]
    fn text_means_what_it_was_printed_from(flow in flow(), actions in vec(action(), 0..5)) {
        let mut flow = flow;
        flow.instructions.retain(|instruction| !matches!(instruction, Instruction::Apply(_)));
        flow.instructions.push(Instruction::Apply(actions));
        // What ovs-ofctl's syntax cannot say, or says of something else.
        flow.matching.0.remove(&Field::VlanVid);
        flow.matching.0.remove(&Field::VlanPcp);
        flow.matching.0.remove(&Field::VlanTci);
        flow.matching.0.remove(&Field::InPortNxm);
        for field in [Field::Icmpv4Type, Field::Icmpv4Code, Field::Icmpv6Type, Field::Icmpv6Code] {
            flow.matching.0.remove(&field);
        }
        let text = flow.to_string();
        let again: Flow = text.parse().map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(again.normalised(), flow.normalised(), "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}", words in vec(proptest::sample::select(vec![
        "actions=", "learn(", "load:", "->", "set_field:", "NXM_NX_REG0[", "0..", "]", ",", "=", "/", ":", "(", ")", "arp",
        "dl_vlan", "priority", "1", "0xffffffffffffffffffffffffffffffffff", "reg", "output:", "resubmit(", "é", "move:",
    ]), 0..30)) {
        let _ = text.parse::<Flow>();
        let _ = words.concat().parse::<Flow>();
    }
}
