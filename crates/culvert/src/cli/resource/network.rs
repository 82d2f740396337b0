use super::{
    ANY_WRITE, CREATE_LIST, Column, DESCRIPTION, DISABLE, Described, ENABLE, Kind, LIST, NAME_FILTER, NEW_NAME, Opt,
    PROJECT, Resource, Verb, as_given,
};

pub(super) static NETWORK: Resource = Resource {
    noun: "network",
    api: ("network", "networks"),
    name: "name",
    about: "Networks: each an L2 broadcast domain of its own, over tunnels of one type and key",
    verbs: &[
        Described {
            verb: Verb::List,
            about: "List networks",
            examples: &["culvert network list", "culvert network list --type gre -o json"],
        },
        Described {
            verb: Verb::Show,
            about: "Show one network with all its attributes",
            examples: &["culvert network show n1"],
        },
        Described {
            verb: Verb::Create,
            about: "Create a network",
            examples: &["culvert network create n1", "culvert network create n1 --type vxlan --key 1001"],
        },
        Described {
            verb: Verb::Set,
            about: "Change a network",
            examples: &["culvert network set n1 --name web --mtu 1400"],
        },
        Described {
            verb: Verb::Delete,
            about: "Delete networks with their subnets; one that has ports is refused",
            examples: &["culvert network delete n1 n2"],
        },
    ],
    columns: &[
        Column { title: "NAME", path: "name" },
        Column { title: "TYPE", path: "provider:network_type" },
        Column { title: "KEY", path: "provider:segmentation_id" },
        Column { title: "MTU", path: "mtu" },
        Column { title: "ADMIN UP", path: "admin_state_up" },
        Column { title: "STATUS", path: "status" },
        Column { title: "ID", path: "id" },
    ],
    options: &[
        NEW_NAME,
        NAME_FILTER,
        Opt::text("type", CREATE_LIST, "provider:network_type", "TYPE")
            .alias("provider-network-type")
            .help("Tunnel type: gre or vxlan")
            .default("the server's setting")
            .filter("Only those of this tunnel type: gre or vxlan"),
        Opt::new("key", CREATE_LIST, "provider:segmentation_id", Kind::Number("KEY"))
            .alias("provider-segment")
            .help("Tunnel key: VNI or GRE key")
            .default("a free one")
            .filter("Only those with this tunnel key: VNI or GRE key"),
        Opt::new("mtu", ANY_WRITE, "mtu", Kind::Number("BYTES"))
            .help("Largest packet of its VMs")
            .default("what fits a tunnel"),
        Opt::text("status", LIST, "status", "STATUS").filter("Only those with this status: ACTIVE, …"),
        DESCRIPTION,
        ENABLE,
        DISABLE,
        PROJECT,
    ],
    waits: false,
    complete: as_given,
};
