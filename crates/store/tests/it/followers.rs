use model::{Change, Committed, Generation, PortStatus, Revision, TunnelType};
use store::{NetworkUpdate, Port, PortUpdate, Store, WiredReport};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::support::{
    always, create_ports, delete_port, host, network, never, new_port, open, registration, subnet, update_network,
};

fn drain(receiver: &mut UnboundedReceiver<Committed>) -> Vec<Committed> {
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

/// State, then commits: what one who follows would know.
fn ports(state: &Committed, commits: &[Committed]) -> Vec<model::Port> {
    let mut ports = std::collections::BTreeMap::new();
    for change in std::iter::once(state).chain(commits).flat_map(|committed| &committed.changes) {
        match change {
            Change::Port(port) => drop(ports.insert(port.id, port.clone())),
            Change::PortDeleted(id) => drop(ports.remove(id)),
            _ => {}
        }
    }
    ports.into_values().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_follows_in_the_midst_of_writes_misses_nothing() {
    let (store, _directory) = open().await;
    let network = network(&store, TunnelType::Vxlan).await;
    subnet(&store, network, "10.0.0.0/16").await;
    let writer = |store: Store| async move {
        for _ in 0..50 {
            let port = create_ports(&store, vec![new_port(network, Some("h1"), None)], always()).await.unwrap();
            if port[0].mac.0[5] % 3 == 0 {
                delete_port(&store, port[0].id).await.unwrap();
            }
        }
    };
    let writers: Vec<_> = (0..4).map(|_| tokio::spawn(writer(store.clone()))).collect();
    let (state, mut receiver) = store.follow().await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    let commits = drain(&mut receiver);
    assert!(commits.len() > 100, "the writers were through before anybody followed");
    let expected: Vec<Revision> =
        std::iter::successors(Some(state.revision.next()), |last| Some(last.next())).take(commits.len()).collect();
    assert_eq!(commits.iter().map(|committed| committed.revision).collect::<Vec<_>>(), expected);
    assert_eq!(commits.last().unwrap().revision, store.revision());
    let now = store.load().await.unwrap();
    assert_eq!(ports(&state, &commits), ports(&now, &[]));
}

#[tokio::test]
async fn revisions_and_epoch_outlive_the_process_and_nothing_new_is_no_revision() {
    let (store, directory) = open().await;
    let network = network(&store, TunnelType::Gre).await;
    let host_row = store.register_host(registration("h1", "10.0.0.1")).await.unwrap();
    let (epoch, revision) = (store.epoch(), store.revision());
    assert_eq!(revision, Revision(2));
    store.close().await;

    let store = Store::open(&directory.path().join("culvert.db")).await.unwrap();
    assert_eq!((store.epoch(), store.revision()), (epoch, revision));
    let (state, mut receiver) = store.follow().await.unwrap();
    assert_eq!((state.revision, state.changes.len()), (revision, 2));
    // an agent that comes back, and says nothing new
    let again = store.register_host(registration("h1", "10.0.0.1")).await.unwrap();
    assert_eq!(again.id, host_row.id);
    store.heartbeat(vec![host("h1")]).await.unwrap();
    store.bind_pending(host("h1")).await.unwrap();
    store.set_wired(Vec::new()).await.unwrap();
    assert_eq!((store.revision(), drain(&mut receiver)), (revision, vec![]));
    // a new name is a revision, but nothing that hosts must know
    let update = NetworkUpdate { name: Some("new".to_owned()), ..NetworkUpdate::default() };
    update_network(&store, network, update).await.unwrap();
    assert_eq!(drain(&mut receiver), [Committed { revision: revision.next(), changes: vec![] }]);
    let update = NetworkUpdate { mtu: Some(1000), ..NetworkUpdate::default() };
    update_network(&store, network, update).await.unwrap();
    assert!(matches!(drain(&mut receiver)[..], [Committed { ref changes, .. }] if changes.len() == 1));
}

#[tokio::test]
async fn a_failed_write_is_no_revision_and_leaves_nothing() {
    let (store, _directory) = open().await;
    let network = network(&store, TunnelType::Vxlan).await;
    subnet(&store, network, "10.0.0.0/30").await;
    let (state, mut receiver) = store.follow().await.unwrap();
    // two addresses for three ports
    let three = (0..3).map(|_| new_port(network, None, None)).collect();
    assert!(matches!(create_ports(&store, three, never()).await, Err(store::Error::NoFreeIp(_))));
    assert_eq!(store.revision(), state.revision);
    assert_eq!(ports(&store.load().await.unwrap(), &drain(&mut receiver)), []);
    let two = (0..2).map(|_| new_port(network, None, None)).collect();
    assert_eq!(create_ports(&store, two, never()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_write_that_ends_midway_leaves_nothing_and_is_in_nobodys_way() {
    let (store, _directory) = open().await;
    let network = network(&store, TunnelType::Vxlan).await;
    let made = create_ports(&store, vec![new_port(network, None, None)], never()).await.unwrap();
    let id = made[0].id;
    let revision = store.revision();
    let ended: Result<(), store::Error> = store
        .write(move |write| {
            Box::pin(async move {
                write.get::<Port>(id.0).await?.delete(write).await?;
                assert!(write.get::<Port>(id.0).await.is_ok(), "what was deleted is gone, for this write");
                Ok(())
            })
        })
        .await;
    assert!(matches!(ended, Err(store::Error::Closed)), "{ended:?}");
    assert_eq!(store.get::<Port>(id.0).await.unwrap(), made[0]);
    create_ports(&store, vec![new_port(network, None, None)], never()).await.unwrap();
    assert_eq!(store.revision(), revision.next());
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_part_a_commit_from_its_announcement() {
    let (store, _directory) = open().await;
    let network = network(&store, TunnelType::Vxlan).await;
    let (state, mut receiver) = store.follow().await.unwrap();
    for _ in 0..50 {
        let call = create_ports(&store, vec![new_port(network, None, None)], never());
        // polled once, then dropped
        let _ = tokio::time::timeout(std::time::Duration::ZERO, call).await;
    }
    // the next write waits for those that are under way
    create_ports(&store, vec![new_port(network, None, None)], never()).await.unwrap();
    let commits = drain(&mut receiver);
    assert_eq!(commits.len(), 51, "the calls that nobody waited for were carried out");
    let now = store.load().await.unwrap();
    assert_eq!(now.revision.0 - state.revision.0, commits.len() as u64);
    assert_eq!(ports(&state, &commits), ports(&now, &[]));
}

#[tokio::test]
async fn reports_count_only_for_the_binding_that_they_are_of() {
    let (store, _directory) = open().await;
    let network = network(&store, TunnelType::Vxlan).await;
    subnet(&store, network, "10.0.0.0/24").await;
    subnet(&store, network, "2001:db8::/64").await;
    let made = vec![new_port(network, Some("h1"), None), new_port(network, None, None)];
    let made = create_ports(&store, made, always()).await.unwrap();
    let mut stored = store.list::<Port>(&store::Filter::default()).await.unwrap();
    stored.sort_by_key(|port| made.iter().position(|one| one.id == port.id));
    assert_eq!(stored, made, "what is returned is what is stored");
    let (bound, unbound) = (made[0].id, made[1].id);
    let report = |port, generation| WiredReport { port, generation: Generation(generation), wired: true };
    let reports =
        vec![report(bound, 0), report(bound, 2), report(unbound, 0), report(model::PortId(uuid::Uuid::nil()), 1)];
    let revision = store.revision();
    assert_eq!(store.set_wired(reports.clone()).await.unwrap(), reports);
    store.set_status(vec![(bound, PortStatus::Active), (unbound, PortStatus::Build)]).await.unwrap();
    assert_eq!(store.revision(), revision, "all of it was stale");

    assert_eq!(store.record(vec![report(bound, 1)], vec![(bound, PortStatus::Active)]).await.unwrap(), []);
    assert_eq!(store.revision(), revision.next(), "one transaction");
    let port = store.list::<Port>(&store::Filter::by_id(bound.0)).await.unwrap().pop().unwrap();
    assert_eq!((port.wired, port.status), (true, PortStatus::Active));
}

/// A port that is bound elsewhere stays wired where it was until its new host has it and all know that, or the old one no
/// longer does.
#[tokio::test]
async fn a_port_that_moves_is_still_where_it_was() {
    let (store, _directory) = open().await;
    let network = network(&store, TunnelType::Vxlan).await;
    subnet(&store, network, "10.0.0.0/24").await;
    let made = create_ports(&store, vec![new_port(network, Some("h1"), None)], always()).await.unwrap();
    let id = made[0].id;
    let to = async |host: &'static str| {
        let update = PortUpdate { host: Some(host.parse().ok()), ..PortUpdate::default() };
        update_port(&store, id, update).await;
    };
    let report = async |generation, wired| {
        let report = WiredReport { port: id, generation: Generation(generation), wired };
        assert_eq!(store.set_wired(vec![report]).await.unwrap(), []);
    };
    let shown = async || {
        let port = store.list::<Port>(&store::Filter::by_id(id.0)).await.unwrap().pop().unwrap();
        let loaded = store.load().await.unwrap().changes;
        assert!(loaded.contains(&Change::Port(port.to_model())), "what the hub loads is that");
        (port.former.map(|former| (former.host.to_string(), former.generation.0)), port.wired)
    };
    let at = |host: &str, generation| Some((host.to_owned(), generation));

    to("h2").await;
    assert_eq!(shown().await, (None, false), "nobody had wired it");
    report(2, true).await;
    to("h1").await;
    assert_eq!(shown().await, (at("h2", 2), false));
    to("h3").await;
    assert_eq!(shown().await, (at("h2", 2), false), "nor has h1 meanwhile");
    report(4, true).await;
    assert_eq!(shown().await, (at("h2", 2), true), "it has arrived, and not all have heard");
    store.set_status(vec![(id, PortStatus::Build)]).await.unwrap();
    assert_eq!(shown().await, (at("h2", 2), true));
    store.set_status(vec![(id, PortStatus::Active)]).await.unwrap();
    assert_eq!(shown().await, (None, true), "all have");
    to("h1").await;
    report(4, false).await;
    assert_eq!(shown().await, (None, false), "its old host no longer has it");
    report(5, true).await;
    to("h2").await;
    report(6, true).await;
    assert_eq!(shown().await, (at("h1", 5), true));
    report(6, false).await;
    assert_eq!(shown().await, (None, false), "what has arrived does not go back");
    report(6, true).await;
    to("h1").await;
    report(7, true).await;
    to("h2").await;
    let both = [(7, false), (8, true)].map(|(generation, wired)| WiredReport {
        port: id,
        generation: Generation(generation),
        wired,
    });
    assert_eq!(store.set_wired(both.to_vec()).await.unwrap(), []);
    assert_eq!(shown().await, (None, true), "both in one");
    to("h1").await;
    let down = PortUpdate { admin_state_up: Some(false), ..PortUpdate::default() };
    update_port(&store, id, down).await;
    assert_eq!(shown().await, (None, false), "it is down everywhere");
}

async fn update_port(store: &Store, id: model::PortId, update: PortUpdate) {
    let write = store.write(move |write| {
        Box::pin(async move {
            let port: Port = write.get(id.0).await?;
            port.update(write, update, &|_, _| true).await.map(drop)
        })
    });
    write.await.unwrap();
}

#[tokio::test]
async fn a_new_history_has_an_epoch_of_its_own_and_the_same_contents() {
    let (store, directory) = open().await;
    network(&store, TunnelType::Gre).await;
    let (before, revision) = (store.epoch(), store.revision());
    let epoch = store.begin_history().await.unwrap();
    assert_ne!(epoch, before);
    network(&store, TunnelType::Gre).await;
    store.close().await;

    let store = Store::open(&directory.path().join("culvert.db")).await.unwrap();
    assert_eq!((store.epoch(), store.revision()), (epoch, revision.next()));
    assert_eq!(store.load().await.unwrap().changes.len(), 2);
}
