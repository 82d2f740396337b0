//! What a host's Open vSwitch has, read with its own tools: flows by their meaning, ports, local VLANs.

use std::collections::{BTreeMap, BTreeSet};

use lab::Host;
use openflow::{Field, Flow};
use serde_json::Value;

/// A host's `br-int` and `br-tun` at one moment.
#[derive(Debug)]
pub(crate) struct Switch {
    /// Number of each interface that has one.
    pub(crate) numbers: BTreeMap<String, u32>,
    /// `options` of each interface of a tunnel type.
    pub(crate) tunnels: BTreeMap<String, BTreeMap<String, String>>,
    /// Local VLANs by network id, as the ports that are wired bear them.
    vlans: BTreeMap<String, u16>,
    pub(crate) tags: BTreeMap<String, u16>,
    /// The flows of `br-tun`.
    pub(crate) flows: Vec<Flow>,
}

impl Switch {
    pub(crate) async fn of(host: &Host) -> Switch {
        let mut switch = Switch {
            numbers: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            vlans: BTreeMap::new(),
            tags: BTreeMap::new(),
            flows: dump(host, "br-tun").await,
        };
        for row in rows(host, "Interface", "name,type,ofport,options").await {
            let name = row["name"].as_str().unwrap().to_owned();
            if ["gre", "vxlan"].contains(&row["type"].as_str().unwrap()) {
                switch.tunnels.insert(name.clone(), map(&row["options"]));
            }
            if let Some(number) = row["ofport"].as_u64() {
                switch.numbers.insert(name, number.try_into().unwrap());
            }
        }
        for row in rows(host, "Port", "name,tag,other_config").await {
            let Some(tag) = row["tag"].as_u64().map(|tag| tag.try_into().unwrap()) else { continue };
            switch.tags.insert(row["name"].as_str().unwrap().to_owned(), tag);
            if let Some(network) = map(&row["other_config"]).get("net_uuid") {
                switch.vlans.insert(network.clone(), tag);
            }
        }
        switch
    }

    /// The local VLAN of a network, if a port of it is wired here.
    pub(crate) fn vlan(&self, network: &str) -> Option<u16> {
        self.vlans.get(network).copied()
    }

    /// The names of all tunnel ports.
    pub(crate) fn tunnel_names(&self) -> Vec<&str> {
        self.tunnels.keys().map(String::as_str).collect()
    }

    /// The flows of a table of `br-tun` that are for this VLAN, in the one form that all spellings share; not the learned
    /// ones.
    pub(crate) fn of_vlan(&self, table: u8, vlan: u16) -> BTreeSet<String> {
        let is_for = |flow: &&Flow| {
            let vid = flow.matching.normalised().get(Field::VlanVid).map(|vid| vid.value & 0xfff);
            flow.table == table && flow.hard_timeout == 0 && vid == Some(vlan.into())
        };
        self.flows.iter().filter(is_for).map(normal_form).collect()
    }

    /// All flows of a table of `br-tun`, in the one form that all spellings share.
    pub(crate) fn table(&self, table: u8) -> BTreeSet<String> {
        self.flows.iter().filter(|flow| flow.table == table).map(normal_form).collect()
    }

    /// Flows as a person writes them, in the one form that all spellings share; `output:NAME` may name an interface.
    pub(crate) fn meaning<S: AsRef<str>>(&self, flows: impl IntoIterator<Item = S>) -> BTreeSet<String> {
        let numbered = |text: &str| {
            let mut words: Vec<String> = Vec::new();
            for word in text.split_inclusive([',', ' ']) {
                let (name, separator) = word.split_at(word.trim_end_matches([',', ' ']).len());
                let known = ["output:", "in_port="].iter().find_map(|key| {
                    let number = self.numbers.get(name.strip_prefix(key)?)?;
                    Some(format!("{key}{number}{separator}"))
                });
                words.push(known.unwrap_or_else(|| word.to_owned()));
            }
            words.concat()
        };
        let parse = |text: &str| text.parse::<Flow>().unwrap_or_else(|error| panic!("{text}: {error}"));
        flows.into_iter().map(|text| normal_form(&parse(&numbered(text.as_ref())))).collect()
    }
}

/// The flows of a bridge, ports as numbers.
pub(crate) async fn dump(host: &Host, bridge: &str) -> Vec<Flow> {
    let args = ["-O", "OpenFlow14", "--no-names", "--no-stats", "dump-flows", bridge];
    let dump = host.exec("ovs-ofctl", args).await.unwrap();
    let lines = dump.lines().map(str::trim).filter(|line| line.contains("actions="));
    lines.map(|line| line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

fn normal_form(flow: &Flow) -> String {
    let mut flow = flow.normalised();
    flow.cookie = 0;
    flow.to_string()
}

/// Rows of a table of the host's database, each as an object of its columns.
pub(crate) async fn rows(host: &Host, table: &str, columns: &str) -> Vec<Value> {
    let json = host.vsctl(["--format=json", &format!("--columns={columns}"), "list", table]).await.unwrap();
    let answer: Value = serde_json::from_str(&json).unwrap();
    let headings: Vec<&str> = answer["headings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let data = answer["data"].as_array().unwrap().iter().filter_map(Value::as_array);
    data.map(|row| headings.iter().map(ToString::to_string).zip(row.iter().cloned()).collect()).collect()
}

/// A map as OVSDB writes it (RFC 7047 section 5.1).
pub(crate) fn map(value: &Value) -> BTreeMap<String, String> {
    let pairs = value[1].as_array().into_iter().flatten();
    pairs.filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()))).collect()
}
