//! Any messages from an agent: they may be refused, and never break the session; and what it is told comes to an end.
#![no_main]

use directory::{Directory, Limits};
use libfuzzer_sys::fuzz_target;
use model::{Generation, Revision};
use sync::messages::{Ack, Hello, Interface, Interfaces, PortReport, Resync, ToServer};
use sync::server::Session;
use sync_fuzz::{epoch, hello, messages, network, port, seed, world};

fuzz_target!(init: seed([stream()]), |bytes: &[u8]| {
    let mut directory = Directory::new(Limits::default());
    directory.load(&world());
    let mut said = messages(bytes).filter_map(|message| ToServer::decode(message).ok().flatten()).peekable();
    let hello = match said.next_if(|message| matches!(message, ToServer::Hello(_))) {
        // The listener refuses one that the directory does not know.
        Some(ToServer::Hello(said)) => Hello { host: hello().host, ..said },
        _ => hello(),
    };
    let mut session = Session::new(&hello, epoch(), "fuzz");
    for message in said {
        assert_eq!(ToServer::decode(&message.clone().encode()).expect("what was written"), Some(message.clone()));
        session.on_message(message, &mut directory);
        let dirty = directory.take_dirty();
        if let Some(mine) = dirty.hosts.get(session.host()) {
            session.mark(mine);
        }
        let mut rounds = 0;
        while !session.drain(&directory, 1 << 10).messages.is_empty() {
            rounds += 1;
            assert!(rounds < 1000, "there is always more to say");
        }
    }
});

/// What an agent with two ports says.
fn stream() -> Vec<Vec<u8>> {
    let interface = |number| Interface { id: port(number).to_string(), order_held: None, wired: None };
    let present = vec![interface(0), interface(2)];
    let report = |wired| PortReport { port: port(0), generation: Generation(1), wired, reason: String::new() };
    let ack = |revision| ToServer::Ack(Ack { network: network(0), revision, problems: vec![] });
    let stream = [
        ToServer::Hello(hello()),
        ToServer::Interfaces(Interfaces { inventory: true, present, gone: vec![] }),
        ack(Revision(9)),
        ToServer::Report(report(true)),
        ToServer::Resync(Resync { network: Some(network(0)), reason: "gap".to_owned() }),
        ToServer::Interfaces(Interfaces { inventory: false, present: vec![], gone: vec![port(0).to_string()] }),
        ack(Revision::ZERO),
    ];
    stream.map(ToServer::encode).to_vec()
}
