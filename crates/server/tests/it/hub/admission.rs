//! Two hosts of one name whose registrations cross; the hub's state by itself, without a database.

use std::time::Duration;

use model::{Change, Committed, Epoch, Host, Revision, TunnelType};
use server::hub::{Bounds, Command, Database, Event, State};
use sync::messages::Hello;
use sync::server::{Closing, ConnectionId};
use uuid::Uuid;

const NOW: Duration = Duration::ZERO;

fn state() -> State {
    let bounds = Bounds { limits: directory::Limits::default(), propagation: NOW, alive: Duration::from_secs(10) };
    let database = Database { epoch: Epoch(Uuid::from_u128(1)), place: "a test's".to_owned(), adopt_agents: false };
    let nothing = Committed { revision: Revision::ZERO, changes: Vec::new() };
    State::new(&nothing, database, bounds, server::hosts::Hosts::default(), server::writer::Writer::default())
}

/// A stream from compute1 at this endpoint opens; returns what is to be done about it.
fn opens(state: &mut State, id: u64, endpoint: [u8; 4]) -> Vec<Command> {
    let hello = Hello::new("compute1".parse().unwrap(), endpoint.into());
    state.handle(Event::Opened { id: ConnectionId(id), hello: Box::new(hello) }, NOW);
    state.settle(NOW)
}

fn registers(commands: &[Command]) -> bool {
    matches!(commands, [Command::Register { known: false, .. }])
}

fn refuses(commands: &[Command]) -> bool {
    matches!(commands, [Command::Close { closing: Closing::Refused(_), .. }])
}

#[test]
fn a_host_waits_until_another_of_its_name_is_registered_also_if_that_one_has_gone() {
    let mut state = state();
    assert!(registers(&opens(&mut state, 1, [10, 0, 1, 1])));
    assert!(refuses(&opens(&mut state, 2, [10, 0, 1, 2])), "two registrations would cross");
    assert!(registers(&opens(&mut state, 3, [10, 0, 1, 1])), "the same host again");
    state.handle(Event::Closed { id: ConnectionId(1), reason: String::new() }, NOW);
    state.handle(Event::Closed { id: ConnectionId(3), reason: String::new() }, NOW);
    assert!(refuses(&opens(&mut state, 4, [10, 0, 1, 2])), "what is on its way into the store gets there");

    let host = Host {
        name: "compute1".parse().unwrap(),
        endpoint: [10, 0, 1, 1].into(),
        tunnel_types: TunnelType::ALL.to_vec(),
    };
    state.committed(&Committed { revision: Revision(1), changes: vec![Change::Host(host)] }, NOW);
    state.registered(ConnectionId(1), Ok(()), NOW);
    state.registered(ConnectionId(3), Ok(()), NOW);
    assert_eq!(state.connected().count(), 0);
    // The control: it has no stream and was never admitted, so another of the name may have it.
    assert!(registers(&opens(&mut state, 5, [10, 0, 1, 2])));
}
