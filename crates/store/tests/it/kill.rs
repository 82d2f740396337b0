//! A process that writes is killed at random moments: what it acknowledged is there, nothing is half-written, and no
//! revision is given twice.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use model::{PortId, TunnelType};
use store::{Filter, NewPort, Port, PortUpdate, Store};
use uuid::Uuid;

use crate::support::{create_ports, delete_port, network, never, new_port, subnet};
use crate::versions::{Database, OLD_PORT};

const ROUNDS: u32 = 6;
/// Ports that are made together.
const BULK: usize = 7;
/// Set in the child, which is this test run once more: the database that it is to write to.
const DATABASE: &str = "CULVERT_TEST_KILL_DATABASE";

#[tokio::test]
async fn what_was_acknowledged_outlives_kill_9() {
    if let Some(path) = std::env::var_os(DATABASE) {
        return write_until_killed(Path::new(&path)).await;
    }
    let database = Database::new();
    let mut said = Said::default();
    for round in 0..ROUNDS {
        let mut writer = Writer::start(&database.path);
        writer.hear(20 + round as usize * 37);
        // some moment within a few transactions
        said.add(&writer.kill_after(random(Duration::from_millis(5))));
        check(&database.path, &said).await;
    }
    assert!(
        said.numbers.len() > 100 && said.revisions.len() > 150,
        "{} ports, {} revisions",
        said.numbers.len(),
        said.revisions.len()
    );
}

#[tokio::test]
async fn a_kill_while_the_database_is_made_does_no_harm() {
    kill_from_the_beginning(async || Database::new(), &Said::default()).await;
}

#[tokio::test]
async fn a_kill_while_the_database_is_brought_up_to_date_does_no_harm() {
    let mut rows = Said::default();
    rows.numbers.insert(OLD_PORT, 8);
    kill_from_the_beginning(Database::of_version_1, &rows).await;
}

/// At moments from the opening of the database, in which there is something already, to a little after the first ports.
async fn kill_from_the_beginning(database: impl AsyncFn() -> Database, before: &Said) {
    let mut writer = Writer::start(&database().await.path);
    let begun = Instant::now();
    writer.hear(1);
    let step = begun.elapsed().mul_f64(1.2) / ROUNDS;
    writer.kill_after(Duration::ZERO);
    let mut silent = 0;
    for round in 0..ROUNDS {
        let database = database().await;
        let lines = Writer::start(&database.path).kill_after(step * round + random(step));
        silent += u32::from(lines.is_empty());
        let mut said = before.clone();
        said.add(&lines);
        check(&database.path, &said).await;
    }
    assert!(silent > 0, "each had said something");
}

/// The child's part: ports that are made together, one that is changed twice, one that is made and deleted.
async fn write_until_killed(path: &Path) {
    println!("opening");
    let store = Store::open(path).await.unwrap();
    let (_, mut commits) = store.follow().await.unwrap();
    let mut revisions = || {
        while let Ok(committed) = commits.try_recv() {
            println!("revision {}", committed.revision);
        }
    };
    let network = network(&store, TunnelType::Gre).await;
    subnet(&store, network, "10.0.0.0/16").await;
    loop {
        let device_id = Uuid::new_v4().to_string();
        let new = || NewPort { device_id: device_id.clone(), name: "0".to_owned(), ..new_port(network, None, None) };
        let made = create_ports(&store, (0..BULK).map(|_| new()).collect(), never()).await.unwrap();
        for port in &made {
            println!("port {} 0", port.id);
        }
        revisions();
        for number in 1..=2 {
            rename(&store, made[0].id, number).await;
            println!("port {} {number}", made[0].id);
            revisions();
        }
        let made = create_ports(&store, vec![new_port(network, None, None)], never()).await.unwrap();
        delete_port(&store, made[0].id).await.unwrap();
        println!("deleted {}", made[0].id);
        revisions();
    }
}

async fn rename(store: &Store, id: PortId, number: u32) {
    let update = PortUpdate { name: Some(number.to_string()), ..PortUpdate::default() };
    let renamed: store::Result<Port> = store
        .write(move |write| {
            Box::pin(async move { write.get::<Port>(id.0).await?.update(write, update, never().as_ref()).await })
        })
        .await;
    renamed.unwrap();
}

/// A child that writes.
struct Writer {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Writer {
    /// It is about to open the database.
    fn start(path: &Path) -> Writer {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::what_was_acknowledged_outlives_kill_9", "--nocapture"])
            .env(DATABASE, path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        // the test harness has words of its own
        assert!(output.by_ref().map_while(Result::ok).any(|line| line.ends_with("opening")));
        Writer { process, output, said: Vec::new() }
    }

    /// Waits until it has said so many lines more.
    fn hear(&mut self, lines: usize) {
        self.said.extend(self.output.by_ref().map_while(Result::ok).take(lines));
    }

    /// All that it had said before it died.
    fn kill_after(mut self, time: Duration) -> Vec<String> {
        let moment = Instant::now() + time;
        while Instant::now() < moment {}
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.hear(usize::MAX);
        self.said
    }
}

fn random(below: Duration) -> Duration {
    below.mul_f64(f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX))
}

/// What children have acknowledged.
#[derive(Debug, Default, Clone)]
struct Said {
    revisions: BTreeSet<u64>,
    /// How far each port's name had been counted.
    numbers: BTreeMap<Uuid, u32>,
    deleted: BTreeSet<Uuid>,
}

impl Said {
    fn add(&mut self, lines: &[String]) {
        for line in lines {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["revision", revision] => {
                    assert!(self.revisions.insert(revision.parse().unwrap()), "{line}: it was given twice");
                }
                ["port", id, number] => drop(self.numbers.insert(id.parse().unwrap(), number.parse().unwrap())),
                ["deleted", id] => drop(self.deleted.insert(id.parse().unwrap())),
                _ => {}
            }
        }
    }

    /// What is not there, or is there and must not be.
    fn contradicted_by(&self, ports: &[Port]) -> Vec<String> {
        let found = |id: &Uuid| ports.iter().find(|port| port.id.0 == *id);
        // a change that was not acknowledged any more may be in
        let number = |id: &Uuid| found(id)?.name.parse().ok();
        let is_lost = |id: &Uuid, acknowledged: u32| number(id).is_none_or(|number: u32| number < acknowledged);
        let lost =
            self.numbers.iter().filter(|(id, number)| is_lost(id, **number)).map(|(id, _)| format!("lost: {id}"));
        lost.chain(self.deleted.iter().filter_map(found).map(|port| format!("back: {}", port.id))).collect()
    }
}

async fn check(path: &Path, said: &Said) {
    let store = Store::open(path).await.unwrap();
    store.check_integrity().await.unwrap();
    assert!(said.revisions.last().is_none_or(|last| store.revision().0 >= *last));
    let ports = store.list::<Port>(&Filter::default()).await.unwrap();
    assert_eq!(said.contradicted_by(&ports), Vec::<String>::new());
    // nothing half-written: every port has its address, no address is had twice, what is made together is there together
    let addresses: BTreeSet<_> =
        ports.iter().flat_map(|port| &port.fixed_ips).map(|ip| (ip.subnet_id, ip.ip)).collect();
    assert_eq!(addresses.len(), ports.len());
    let mut together = BTreeMap::<&str, usize>::new();
    for port in ports.iter().filter(|port| Uuid::parse_str(&port.device_id).is_ok()) {
        *together.entry(&port.device_id).or_default() += 1;
    }
    assert!(together.values().all(|count| *count == BULK), "{together:?}");

    // the control: of what is not so
    let mut wrong = said.clone();
    wrong.numbers.insert(Uuid::new_v4(), 0);
    wrong.numbers.extend(ports.iter().take(1).map(|port| (port.id.0, u32::MAX)));
    wrong.deleted.extend(ports.iter().take(1).map(|port| port.id.0));
    assert_eq!(wrong.contradicted_by(&ports).len(), 1 + 2 * ports.len().min(1));
    store.close().await;
}
