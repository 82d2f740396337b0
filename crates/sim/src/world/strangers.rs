//! What comes to the server and should not: messages of a stream that is over, and machines that say that they are another.

use std::net::{IpAddr, Ipv4Addr};

use server::hub::Event;
use sync::messages::{Hello, Interfaces, ToServer};
use sync::server::ConnectionId;

use super::World;
use crate::defect::Defect;
use crate::judge::Violation;
use crate::setup::host_name;

impl World {
    /// What a host said on an earlier stream comes once more, when it has another.
    pub(super) fn again(&mut self, host: u8) -> Result<(), Violation> {
        let newest = self.streams.iter().rfind(|(_, stream)| stream.host == host && stream.server_end);
        let Some(newest) = newest.map(|(id, _)| ConnectionId(*id)) else { return Ok(()) };
        let heard = self.heard.entry(host).or_default();
        let Some(late) = heard.iter().rposition(|(id, _)| *id < newest).and_then(|at| heard.remove(at)) else {
            return Ok(());
        };
        let (id, message) = late;
        let id = if Defect::OldCounts.is(self.defect) { newest } else { id };
        self.with_server(|server, _, now| server.handle(Event::Said { id, message }, now))
    }

    /// Another machine has this host's name, while the server hears the host. It has no interfaces.
    pub(super) fn namesake(&mut self, host: u8) -> Result<(), Violation> {
        let Some(own) = self.hosts.get(usize::from(host)).map(super::Host::endpoint).filter(|_| self.hears(host))
        else {
            return Ok(());
        };
        let other = IpAddr::from(Ipv4Addr::new(10, 255, 0, host + 1));
        let hello = Hello {
            boot_id: "another".to_owned(),
            ..Hello::new(host_name(host), if Defect::LetNamesakeIn.is(self.defect) { own } else { other })
        };
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let nothing = Interfaces { inventory: true, present: Vec::new(), gone: Vec::new() };
        let said = Event::Said { id, message: ToServer::Interfaces(nothing) };
        self.with_server(|server, _, now| server.handle(Event::Opened { id, hello: Box::new(hello) }, now))?;
        self.with_server(|server, _, now| server.handle(said, now))
    }
}
