use super::{Column, DISABLE, Described, ENABLE, Fixed, LIST, Opt, Resource, SET_LIST, Verb, as_given};

/// The agent of a host, to the API.
pub(super) static HOST: Resource = Resource {
    noun: "host",
    api: ("agent", "agents"),
    name: "host",
    about: "Hosts: those whose agent has registered with the server",
    verbs: &[
        Described {
            verb: Verb::List,
            about: "List hosts; `culvert status` says how far each has got",
            examples: &["culvert host list", "culvert host list --alive -o json"],
        },
        Described {
            verb: Verb::Show,
            about: "Show the agent of a host with all its attributes",
            examples: &["culvert host show compute1"],
        },
        Described {
            verb: Verb::Set,
            about: "Mark a host as administratively up or down: one that is down has no more ports bound to it",
            examples: &["culvert host set compute1 --disable"],
        },
        Described {
            verb: Verb::Delete,
            about: "Forget hosts that are gone for good; one that is alive is refused",
            examples: &["culvert host delete compute9"],
        },
    ],
    columns: &[
        Column { title: "HOST", path: "host" },
        Column { title: "ALIVE", path: "alive" },
        Column { title: "ADMIN UP", path: "admin_state_up" },
        Column { title: "ENDPOINT", path: "configurations/tunneling_ip" },
        Column { title: "TUNNELS", path: "configurations/tunnel_types" },
        Column { title: "STARTED", path: "started_at" },
        Column { title: "ID", path: "id" },
    ],
    options: &[
        Opt::text("name", LIST, "host", "HOST").filter("Only the one of this name").alias("host"),
        Opt::flag("alive", LIST, "alive", Fixed::True).filter("Only those whose agent is connected"),
        Opt::flag("dead", LIST, "alive", Fixed::False).filter("Only those whose agent is not"),
        Opt { verbs: SET_LIST, ..ENABLE },
        Opt { verbs: SET_LIST, ..DISABLE },
    ],
    waits: false,
    complete: as_given,
};
