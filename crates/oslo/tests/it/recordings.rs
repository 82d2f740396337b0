/// A message as it was on the wire.
pub(crate) struct Recording {
    pub(crate) name: &'static str,
    pub(crate) exchange: &'static str,
    pub(crate) routing_key: &'static str,
    pub(crate) body: &'static str,
}

pub(crate) fn all() -> Vec<Recording> {
    let lines = include_str!("../data/neutron-21/messages.tsv").lines();
    let fields = lines.map(|line| line.split('\t').collect::<Vec<_>>());
    let all: Vec<_> = fields
        .map(|fields| match fields[..] {
            [name, exchange, routing_key, _, body] => Recording { name, exchange, routing_key, body },
            _ => panic!("not five fields: {fields:?}"),
        })
        .collect();
    assert!(all.len() > 100);
    all
}

pub(crate) fn named(name: &str) -> Recording {
    all().into_iter().find(|recording| recording.name == name).unwrap()
}
