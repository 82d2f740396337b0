//! What fuzzing starts from, in `fuzz/seeds`, is of use: the targets read all of it.

use std::fs;
use std::path::Path;

use oslo::Json;
use oslo::codec::Message;
use oslo::object::{AddressGroup, Network, Object, Port, SecurityGroup, SecurityGroupRule, Subnet};

fn seeds(target: &str) -> Vec<(String, String)> {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn messages_are_read() {
    let seeds = seeds("message");
    for (name, text) in &seeds {
        let envelope = serde_json::json!({ "oslo.version": "2.0", "oslo.message": text }).to_string();
        let read = [text, &envelope].map(|body| Message::decode(body.as_bytes()).is_ok());
        assert!(read.contains(&true), "{name}");
    }
    assert!(seeds.len() > 4);
}

#[test]
fn objects_are_read() {
    let readers: [fn(&Json) -> bool; 6] = [
        |it| Port::read(it).is_ok(),
        |it| Network::read(it).is_ok(),
        |it| Subnet::read(it).is_ok(),
        |it| SecurityGroup::read(it).is_ok(),
        |it| SecurityGroupRule::read(it).is_ok(),
        |it| AddressGroup::read(it).is_ok(),
    ];
    let seeds: Vec<_> = seeds("object").into_iter().map(|(_, text)| serde_json::from_str(&text).unwrap()).collect();
    for reader in readers {
        assert!(seeds.iter().any(reader), "a seed of each type");
    }
    assert!(seeds.iter().all(|seed| readers.iter().any(|reader| reader(seed))));
}
