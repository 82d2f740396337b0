use super::network::NETWORK;
use super::subnet::SUBNET;
use super::{
    ANY, ANY_WRITE, CREATE_LIST, Column, DESCRIPTION, DISABLE, Described, ENABLE, Fixed, Key, Kind, LIST, NAME_FILTER,
    NEW_NAME, Opt, PROJECT, Resource, SET, Verb, as_given,
};

pub(in crate::cli) static PORT: Resource = Resource {
    noun: "port",
    api: ("port", "ports"),
    name: "name",
    about: "Ports: where a VM is on a network; MAC, fixed IPs, and the host that it is bound to",
    verbs: &[
        Described {
            verb: Verb::List,
            about: "List ports",
            examples: &[
                "culvert port list --network n1",
                "culvert port list --host compute1 --status DOWN",
                "culvert port list --fixed-ip ip-address=198.51.100.8 -o json",
            ],
        },
        Described {
            verb: Verb::Show,
            about: "Show one port with all its attributes",
            examples: &["culvert port show p1"],
        },
        Described {
            verb: Verb::Create,
            about: "Create a port",
            examples: &[
                "culvert port create p1 --network n1 --host compute1",
                "culvert port create p1 --network n1 --host compute1 --fixed-ip subnet=s1,ip-address=198.51.100.8 --wait",
            ],
        },
        Described {
            verb: Verb::Set,
            about: "Change a port",
            examples: &["culvert port set p1 --host compute2 --wait=30", "culvert port set p1 --disable"],
        },
        Described { verb: Verb::Delete, about: "Delete ports", examples: &["culvert port delete p1 p2"] },
    ],
    columns: &[
        Column { title: "NAME", path: "name" },
        Column { title: "MAC", path: "mac_address" },
        Column { title: "FIXED IPS", path: "fixed_ips/*/ip_address" },
        Column { title: "HOST", path: "binding:host_id" },
        Column { title: "STATUS", path: "status" },
        Column { title: "ID", path: "id" },
    ],
    options: &[
        NEW_NAME,
        NAME_FILTER,
        Opt::new("network", CREATE_LIST, "network_id", Kind::Id(&NETWORK))
            .required()
            .help("The network that it is on")
            .filter("Only those on this network"),
        Opt::text("host", ANY, "binding:host_id", "HOST")
            .help("The host that it is bound to, as `culvert host list` has it")
            .default("none")
            .filter("Only those that are bound to this host"),
        Opt::flag("no-host", SET, "binding:host_id", Fixed::Null).help("It is bound to no host any more"),
        Opt::new("fixed-ip", ANY, "fixed_ips", Kind::Objects(FIXED_IP))
            .help("An address, or the subnet to take one from; repeated for several: they are all that it has")
            .default("one of each version of IP")
            .filter("Only those that have this address, or one of this subnet"),
        Opt::flag("no-fixed-ip", ANY_WRITE, "fixed_ips", Fixed::EmptyList)
            .help("It has no address")
            .default("one of each version of IP"),
        Opt::text("mac", ANY, "mac_address", "MAC")
            .alias("mac-address")
            .help("Its MAC address")
            .default("a free one")
            .filter("Only those with this MAC address"),
        Opt::text("status", LIST, "status", "STATUS").filter("Only those with this status: ACTIVE, BUILD, DOWN"),
        Opt::text("device", ANY, "device_id", "ID")
            .help("What it belongs to: the id of a VM")
            .default("nothing")
            .filter("Only those that belong to this: the id of a VM"),
        Opt::text("device-owner", ANY, "device_owner", "OWNER")
            .help("What kind of thing it belongs to, as in compute:nova")
            .default("none")
            .filter("Only those that belong to this kind of thing, as in compute:nova"),
        DESCRIPTION,
        ENABLE,
        DISABLE,
        PROJECT,
    ],
    waits: true,
    complete: as_given,
};

const FIXED_IP: &[Key] = &[
    Key { word: "subnet", attribute: "subnet_id", value: "SUBNET", of: Some(&SUBNET) },
    Key { word: "ip-address", attribute: "ip_address", value: "ADDRESS", of: None },
];
