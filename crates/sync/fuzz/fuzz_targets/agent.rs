//! Any messages from a server: an error ends the stream at most; what is held is what was complete, and is not confirmed
//! beyond what came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::Revision;
use sync::agent::{Held, Update};
use sync::messages::{Complete, Delta, HostComplete, Snapshot, Sum, ToAgent, Welcome};
use sync_fuzz::{entry, epoch, hello, messages, network, port, seed};

fuzz_target!(init: seed([stream()]), |bytes: &[u8]| {
    let mut held = Held::new();
    let first = held.begin(hello());
    assert!(first.held.is_empty());
    for message in messages(bytes) {
        let Ok(Some(message)) = ToAgent::decode(message) else { continue };
        assert_eq!(ToAgent::decode(&message.clone().encode()).expect("what was written"), Some(message.clone()));
        let Ok(received) = held.receive(message) else {
            held.begin(hello());
            continue;
        };
        if let Some(Update::Entries { network, revision, .. }) = received.update {
            held.confirm(network, revision, Vec::new());
            assert!(held.confirmed(network) <= held.received(network));
        }
    }
    let _ = held.begin(hello());
});

/// What a server says to an agent that is new.
fn stream() -> Vec<Vec<u8>> {
    let (network, entries) = (network(0), vec![entry(1), entry(3)]);
    let sum = Sum::of(&entries);
    let more = entry(5);
    let all = Sum::of(entries.iter().skip(1).chain([&more]));
    let stream = [
        ToAgent::Welcome(Welcome { minor: 1, software: "fuzz".to_owned(), epoch: epoch() }),
        ToAgent::Snapshot(Snapshot { network, first: true, entries, removes: vec![] }),
        ToAgent::Complete(Complete { network, revision: Revision(9), sum }),
        ToAgent::HostComplete(HostComplete { revision: Revision(9), networks: vec![(network, Revision(9))] }),
        ToAgent::Delta(Delta {
            network,
            previous: Revision(9),
            revision: Revision(10),
            upserts: vec![more],
            removes: vec![port(1)],
            sum: all,
            more: false,
        }),
        ToAgent::Dropped(network),
    ];
    stream.map(ToAgent::encode).to_vec()
}
