//! An observer of a bridge's flows: Open vSwitch's own monitor, which tells every change in its order.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::{Host, Process};
use uuid::Uuid;

use crate::switch::Switch;

/// A monitor that runs (`ovs-ofctl monitor`, section "watch" of ovs-ofctl(8)).
#[derive(Debug)]
pub(crate) struct Monitor {
    host: Host,
    bridge: &'static str,
    process: Process,
    /// Changes told before.
    told: usize,
    /// The interfaces of the bridge by their numbers, those that have gone too: no number is soon given again.
    names: BTreeMap<u32, String>,
}

/// A change as Open vSwitch tells it: `event=ADDED table=22 cookie=… dl_vlan=1 actions=…`, with names for the
/// numbers of ports.
pub(crate) type Event = String;

const DEADLINE: Duration = Duration::from_secs(30);

/// No table of ours: what is added here shows that all changes before it have been told.
const MARK_TABLE: &str = "table=200";

impl Monitor {
    pub(crate) async fn start(host: &Host, bridge: &'static str) -> Monitor {
        let name = format!("monitor-{}", Uuid::new_v4().simple());
        let args = ["-O", "OpenFlow13", "--no-names", "monitor", bridge, "watch:!initial"];
        let process = host.spawn(&name, "ovs-ofctl", args).unwrap();
        let mut monitor = Monitor { host: host.clone(), bridge, process, told: 0, names: BTreeMap::new() };
        // It tells nothing of its own when it is ready, so the first mark may come too early.
        while monitor.mark(Duration::from_millis(200)).await.is_none() {}
        monitor.find_names().await;
        monitor
    }

    /// All changes since the last call, in their order.
    pub(crate) async fn events(&mut self) -> Vec<Event> {
        let events = self.mark(DEADLINE).await;
        self.find_names().await;
        match events {
            Some(events) => events.iter().map(|event| self.with_names(event)).collect(),
            None => panic!("the monitor of {} tells nothing any more", self.host.name()),
        }
    }

    /// The tool knows the names of the ports that there were when it started, and no others.
    async fn find_names(&mut self) {
        let names = self.host.vsctl(["list-ports", self.bridge]).await.unwrap();
        let numbers = Switch::of(&self.host).await.numbers;
        self.names.extend(names.lines().filter_map(|name| Some((*numbers.get(name)?, name.to_owned()))));
    }

    fn with_names(&self, event: &str) -> String {
        let named = |word: &str| {
            let (key, number) = word.split_once([':', '='])?;
            let name = self.names.get(&number.parse().ok()?)?;
            ["output", "in_port"].contains(&key).then(|| format!("{key}:{name}").replace("in_port:", "in_port="))
        };
        let words = event.split(' ').map(|words| {
            let words = words.split(',').map(|word| match word.strip_prefix("actions=") {
                Some(action) => format!("actions={}", named(action).unwrap_or_else(|| action.to_owned())),
                None => named(word).unwrap_or_else(|| word.to_owned()),
            });
            words.collect::<Vec<_>>().join(",")
        });
        words.collect::<Vec<_>>().join(" ")
    }

    async fn mark(&mut self, deadline: Duration) -> Option<Vec<Event>> {
        let key = format!("reg9={:#x}", Uuid::new_v4().as_fields().0);
        let mark = format!("{MARK_TABLE},{key}");
        self.host.add_flows(self.bridge, &format!("{mark} actions=drop")).await.unwrap();
        self.host.del_flows(self.bridge, &mark).await.unwrap();
        let told = || self.process.log().lines().any(|line| line.contains("event=DELETED") && line.contains(&key));
        self.process.until("told of the mark", deadline, told).await.ok()?;
        let log = self.process.log();
        let events: Vec<&str> = log.lines().map(str::trim).filter(|line| line.contains("event=")).collect();
        let new = events.get(self.told..).unwrap_or_default();
        let new = new.iter().filter(|event| !event.contains(MARK_TABLE)).map(ToString::to_string).collect();
        self.told = events.len();
        Some(new)
    }
}
