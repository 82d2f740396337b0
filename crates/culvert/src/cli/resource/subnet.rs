use super::network::NETWORK;
use super::{
    ANY, ANY_WRITE, CREATE, Column, DESCRIPTION, Described, Fixed, Key, Kind, NAME_FILTER, NEW_NAME, Object, Opt,
    PROJECT, Resource, Verb,
};

pub(super) static SUBNET: Resource = Resource {
    noun: "subnet",
    api: ("subnet", "subnets"),
    name: "name",
    about: "Subnets: the IP addresses of a network's ports",
    verbs: &[
        Described {
            verb: Verb::List,
            about: "List subnets",
            examples: &["culvert subnet list", "culvert subnet list --network n1"],
        },
        Described {
            verb: Verb::Show,
            about: "Show one subnet with all its attributes",
            examples: &["culvert subnet show s1"],
        },
        Described {
            verb: Verb::Create,
            about: "Create a subnet",
            examples: &[
                "culvert subnet create s1 --network n1 --cidr 198.51.100.0/24",
                "culvert subnet create s2 --network n1 --cidr 2001:db8::/64 --no-gateway",
            ],
        },
        Described {
            verb: Verb::Set,
            about: "Change a subnet",
            examples: &[
                "culvert subnet set s1 --gateway 198.51.100.254",
                "culvert subnet set s1 --allocation-pool start=198.51.100.10,end=198.51.100.99",
            ],
        },
        Described {
            verb: Verb::Delete,
            about: "Delete subnets; one that a port has an address of is refused",
            examples: &["culvert subnet delete s1"],
        },
    ],
    columns: &[
        Column { title: "NAME", path: "name" },
        Column { title: "CIDR", path: "cidr" },
        Column { title: "GATEWAY", path: "gateway_ip" },
        Column { title: "DHCP", path: "enable_dhcp" },
        Column { title: "NETWORK", path: "network_id" },
        Column { title: "ID", path: "id" },
    ],
    options: &[
        NEW_NAME,
        NAME_FILTER,
        Opt::new("network", &[Verb::Create, Verb::List], "network_id", Kind::Id(&NETWORK))
            .required()
            .help("The network that it is of")
            .filter("Only those of this network"),
        Opt::text("cidr", &[Verb::Create, Verb::List], "cidr", "ADDRESS/LENGTH")
            .required()
            .alias("subnet-range")
            .help("Its addresses")
            .filter("Only those of these addresses"),
        Opt::text("gateway", ANY, "gateway_ip", "ADDRESS")
            .help("The gateway that its VMs are to use")
            .default("the first address")
            .filter("Only those with this gateway"),
        Opt::flag("no-gateway", ANY_WRITE, "gateway_ip", Fixed::Null).help("It has no gateway").default("it has one"),
        Opt::new("allocation-pool", ANY_WRITE, "allocation_pools", Kind::Objects(POOL))
            .help("Where ports get their addresses from; may be repeated")
            .default("all but the gateway"),
        Opt::flag("dhcp", ANY, "enable_dhcp", Fixed::True)
            .help("Its VMs are to use DHCP, which somebody else serves")
            .default("they are")
            .filter("Only those whose VMs are to use DHCP"),
        Opt::flag("no-dhcp", ANY, "enable_dhcp", Fixed::False)
            .help("Its VMs are not to use DHCP")
            .default("they are")
            .filter("Only those whose VMs are not to use DHCP"),
        Opt::new("dns-nameserver", ANY_WRITE, "dns_nameservers", Kind::Texts("ADDRESS"))
            .help("A resolver that its VMs are to use; may be repeated")
            .default("none"),
        Opt::flag("no-dns-nameservers", &[Verb::Set], "dns_nameservers", Fixed::EmptyList)
            .help("They are told of none"),
        Opt::new("host-route", ANY_WRITE, "host_routes", Kind::Objects(ROUTE))
            .help("A route that its VMs are to have; may be repeated")
            .default("none"),
        Opt::flag("no-host-routes", &[Verb::Set], "host_routes", Fixed::EmptyList).help("They are told of none"),
        Opt::new("ip-version", &[Verb::List], "ip_version", Kind::Number("4|6"))
            .filter("Only those of this version of IP"),
        Opt::text("ipv6-ra-mode", CREATE, "ipv6_ra_mode", "MODE")
            .help("How routers advertise an IPv6 subnet: slaac, dhcpv6-stateful or dhcpv6-stateless")
            .default("they do not"),
        Opt::text("ipv6-address-mode", CREATE, "ipv6_address_mode", "MODE")
            .help("How VMs come to their addresses of an IPv6 subnet: slaac, dhcpv6-stateful or dhcpv6-stateless")
            .default("nobody says"),
        DESCRIPTION,
        PROJECT,
    ],
    waits: false,
    complete: ip_version,
};

const POOL: &[Key] = &[
    Key { word: "start", attribute: "start", value: "ADDRESS", of: None },
    Key { word: "end", attribute: "end", value: "ADDRESS", of: None },
];
const ROUTE: &[Key] = &[
    Key { word: "destination", attribute: "destination", value: "CIDR", of: None },
    Key { word: "gateway", attribute: "nexthop", value: "ADDRESS", of: None },
];

/// The API wants it beside the CIDR, which says it.
fn ip_version(subnet: &mut Object) {
    if let Some(cidr) = subnet.get("cidr").and_then(|cidr| cidr.as_str()) {
        let version = if cidr.contains(':') { 6 } else { 4 };
        subnet.insert("ip_version".to_owned(), version.into());
    }
}
