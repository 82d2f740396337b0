//! A process that writes is killed at random moments: what it acknowledged is there, and no revision is given twice.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use model::TunnelType;
use store::{Filter, Port, Store};
use uuid::Uuid;

use crate::support::{create_ports, delete_port, network, never, new_port, subnet};

const ROUNDS: usize = 6;
/// Set in the child, which is this test run once more: the database that it is to write to.
const DATABASE: &str = "CULVERT_TEST_KILL_DATABASE";

#[tokio::test]
async fn what_was_acknowledged_outlives_kill_9() {
    if let Some(path) = std::env::var_os(DATABASE) {
        return write_until_killed(Path::new(&path)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("culvert.db");
    let (mut revisions, mut acknowledged) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..ROUNDS {
        let lines = run_and_kill(&path, 20 + round * 37);
        for (kind, value) in lines.iter().filter_map(|line| line.split_once(' ')) {
            match kind {
                "revision" => {
                    let revision: u64 = value.parse().unwrap();
                    assert!(revisions.insert(revision), "revision {revision} was given twice");
                }
                "acknowledged" => drop(acknowledged.insert(value.parse::<Uuid>().unwrap())),
                _ => {}
            }
        }
        check(&path, &revisions, &acknowledged).await;
    }
    assert!(
        acknowledged.len() > 100 && revisions.len() > 150,
        "{} ports, {} revisions",
        acknowledged.len(),
        revisions.len()
    );
}

/// The child's part.
async fn write_until_killed(path: &Path) {
    let store = Store::open(path).await.unwrap();
    let (_, mut commits) = store.follow().await.unwrap();
    let network = network(&store, TunnelType::Gre).await;
    subnet(&store, network, "10.0.0.0/16").await;
    loop {
        let made = create_ports(&store, vec![new_port(network, None, None)], never()).await.unwrap();
        if made[0].mac.0[5] % 4 == 0 {
            delete_port(&store, made[0].id).await.unwrap();
        } else {
            println!("acknowledged {}", made[0].id);
        }
        while let Ok(committed) = commits.try_recv() {
            println!("revision {}", committed.revision);
        }
    }
}

/// Lets a child write until it has said so many lines and a little longer, then kills it.
fn run_and_kill(path: &Path, lines: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::what_was_acknowledged_outlives_kill_9", "--nocapture"])
        .env(DATABASE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said: Vec<String> = output.by_ref().take(lines).collect();
    // some moment within a few transactions
    let moment = Instant::now() + Duration::from_micros(Uuid::new_v4().as_u64_pair().1 % 5_000);
    while Instant::now() < moment {}
    child.kill().unwrap();
    child.wait().unwrap();
    // what it had said before it died
    said.extend(output);
    said
}

async fn check(path: &Path, revisions: &BTreeSet<u64>, acknowledged: &BTreeSet<Uuid>) {
    let store = Store::open(path).await.unwrap();
    store.check_integrity().await.unwrap();
    assert!(store.revision().0 >= *revisions.last().unwrap());
    let ports = store.list::<Port>(&Filter::default()).await.unwrap();
    let present: BTreeSet<Uuid> = ports.iter().map(|port| port.id.0).collect();
    assert!(acknowledged.is_subset(&present), "{:?} are lost", acknowledged.difference(&present));
    // nothing half-written: every port has its address, and no address is had twice
    let addresses: BTreeSet<_> =
        ports.iter().flat_map(|port| &port.fixed_ips).map(|ip| (ip.subnet_id, ip.ip)).collect();
    assert_eq!(addresses.len(), ports.len());
    store.close().await;
}
