//! What can happen, one at a time. A run is a list of these; what is not possible when its turn comes does nothing, so
//! that any part of a list is a run too.

use pipeline::Bridge;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    // API
    CreateNetwork {
        network: u8,
    },
    DeleteNetwork {
        network: u8,
    },
    CreatePort {
        port: u8,
        network: u8,
        host: Option<u8>,
    },
    DeletePort {
        port: u8,
    },
    Bind {
        port: u8,
        host: Option<u8>,
    },
    SetUp {
        port: u8,
        up: bool,
    },
    Readdress {
        port: u8,
    },
    /// A binding is prepared on a host to which the port may move.
    Prepare {
        port: u8,
        host: u8,
    },
    /// It is not to move there.
    Forget {
        port: u8,
        host: u8,
    },

    // VMs
    Plug {
        host: u8,
        port: u8,
    },
    Unplug {
        host: u8,
        port: u8,
    },
    /// A VM announces its address (RFC 5227 section 2.3), and all switches learn from it.
    Announce {
        host: u8,
        port: u8,
    },
    /// A VM sends to another, and all switches learn from it.
    Talk {
        from: u8,
        to: u8,
    },

    // the server and its database
    /// A commit reaches the hub.
    Commit,
    /// The writer writes what is wished for.
    Write,
    /// A registration is done.
    Register,
    StoreFails,
    StoreHeals,
    /// The hub has missed commits and loads the whole state.
    FollowAnew,
    ServerDies,
    ServerStarts,
    /// Somebody copies the database.
    Backup,
    /// The server is stopped, and the copy put in the place of the database.
    Restore,
    /// The database is given a new epoch, which the hub has asked for.
    BeginHistory,

    // streams
    Dial {
        host: u8,
    },
    /// A stream breaks: the agent knows, the server reads `kept` messages more and then knows too.
    Cut {
        host: u8,
        kept: u8,
    },
    /// The server reads from the newest stream of a host, or the oldest.
    ToServer {
        host: u8,
        oldest: bool,
    },
    /// What a host said on an earlier stream comes once more.
    Again {
        host: u8,
    },
    /// Another machine says that it is this host.
    Namesake {
        host: u8,
    },
    /// The connection has room for more.
    Room {
        host: u8,
    },
    ToAgent {
        host: u8,
    },

    // a host's own parts
    /// `ovsdb-server` carries out a transaction.
    Transact {
        host: u8,
    },
    FromDatabase {
        host: u8,
    },
    Reconfigure {
        host: u8,
    },
    /// A bridge takes one flow-mod, or a bundle; or many of them.
    Flows {
        host: u8,
        bridge: Side,
        #[serde(default)]
        many: bool,
    },
    FromSwitch {
        host: u8,
        bridge: Side,
    },
    SwitchLost {
        host: u8,
        bridge: Side,
    },
    SwitchConnects {
        host: u8,
        bridge: Side,
    },
    /// `kill -9`; of what was sent to the bridges they still take `kept` flow-mods.
    AgentDies {
        host: u8,
        kept: u8,
    },
    AgentStarts {
        host: u8,
    },
    VswitchdRestarts {
        host: u8,
    },
    OvsdbRestarts {
        host: u8,
    },
    Retry {
        host: u8,
    },
    /// The agent compares all that its bridges hold.
    Review {
        host: u8,
    },
    /// Everything on a host starts anew, and its VMs are gone.
    HostReboots {
        host: u8,
    },
    /// Somebody removes a flow by hand.
    RemoveFlow {
        host: u8,
        nth: u8,
    },
    /// The tunnel bridge refuses some flows from now on, or none any more.
    Refuse {
        host: u8,
        some: bool,
    },
    /// The host has another address on the underlay, and its agent is started anew with that.
    MoveEndpoint {
        host: u8,
    },

    /// Time passes.
    Wait {
        seconds: u16,
    },
    /// Everything goes on until nothing is left to do; then all must be as it should.
    Quiet,
    /// All agents, the server, or both are killed when all is quiet, and nothing may be sent to a switch by their return.
    RestartAll {
        agents: bool,
        server: bool,
    },
}

/// A bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Int,
    Tun,
}

impl Side {
    pub const ALL: [Side; 2] = [Side::Int, Side::Tun];

    pub fn bridge(self) -> Bridge {
        match self {
            Side::Int => Bridge::Integration,
            Side::Tun => Bridge::Tunnel,
        }
    }

    pub fn of(bridge: Bridge) -> Self {
        match bridge {
            Bridge::Integration => Side::Int,
            Bridge::Tunnel => Side::Tun,
        }
    }
}

/// Names of all kinds, and each step's own.
macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// Every kind: none may be absent from a run of many seeds.
        pub const KINDS: &[&str] = &[$(stringify!($kind)),*];

        /// As it is counted: the name alone.
        pub fn kind(self) -> &'static str {
            match self {
                $(Step::$kind { .. } => stringify!($kind),)*
            }
        }
    };
}

impl Step {
    kinds!(
        CreateNetwork,
        DeleteNetwork,
        CreatePort,
        DeletePort,
        Bind,
        SetUp,
        Readdress,
        Prepare,
        Forget,
        Plug,
        Unplug,
        Announce,
        Talk,
        Commit,
        Write,
        Register,
        StoreFails,
        StoreHeals,
        FollowAnew,
        ServerDies,
        ServerStarts,
        Backup,
        Restore,
        BeginHistory,
        Dial,
        Cut,
        ToServer,
        Again,
        Namesake,
        Room,
        ToAgent,
        Transact,
        FromDatabase,
        Reconfigure,
        Flows,
        FromSwitch,
        SwitchLost,
        SwitchConnects,
        AgentDies,
        AgentStarts,
        VswitchdRestarts,
        OvsdbRestarts,
        Retry,
        Review,
        HostReboots,
        RemoveFlow,
        Refuse,
        MoveEndpoint,
        Wait,
        Quiet,
        RestartAll,
    );
}
