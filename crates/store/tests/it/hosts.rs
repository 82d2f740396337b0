use model::{Change, Generation, TunnelType};
use store::{Error, Filter, Port, VifType};

use crate::support::{create_ports, delete_host, host, network, never, new_port, open, registration};

#[tokio::test]
async fn an_endpoint_belongs_to_one_host() {
    let (store, _directory) = open().await;
    let first = store.register_host(registration("h1", "10.0.0.1")).await.unwrap();
    let refused = store.register_host(registration("h2", "10.0.0.1")).await;
    let Err(Error::EndpointInUse { by, .. }) = &refused else { panic!("{refused:?}") };
    assert_eq!(*by, host("h1"));
    assert!(refused.unwrap_err().to_string().contains("h2 claims the tunnel endpoint 10.0.0.1, which host h1 has"));
    // the host itself may move, which frees the address
    store.register_host(registration("h1", "10.0.0.9")).await.unwrap();
    store.register_host(registration("h2", "10.0.0.1")).await.unwrap();
    assert!(matches!(store.register_host(registration("h2", "10.0.0.9")).await, Err(Error::EndpointInUse { .. })));
    // and so does its deletion
    let (_, mut commits) = store.follow().await.unwrap();
    delete_host(&store, first.id).await.unwrap();
    assert_eq!(commits.recv().await.unwrap().changes, [Change::HostDeleted(host("h1"))]);
    store.register_host(registration("h2", "10.0.0.9")).await.unwrap();
}

#[tokio::test]
async fn waiting_ports_are_bound_when_a_host_comes_that_serves_them() {
    let (store, _directory) = open().await;
    let (vxlan, gre) = (network(&store, TunnelType::Vxlan).await, network(&store, TunnelType::Gre).await);
    let new =
        vec![new_port(vxlan, Some("h1"), None), new_port(gre, Some("h1"), None), new_port(vxlan, Some("h2"), None)];
    let made = create_ports(&store, new, never()).await.unwrap();
    assert!(made.iter().all(|port| port.binding.as_ref().unwrap().vif_type == VifType::BindingFailed));
    assert!(made.iter().all(|port| port.to_model().binding.is_none()));

    // this host serves VXLAN alone
    store.register_host(registration("h1", "10.0.0.1")).await.unwrap();
    let revision = store.revision();
    assert_eq!(store.bind_pending(host("h1")).await.unwrap(), [made[0].id]);
    assert_eq!(store.revision(), revision.next());
    let port = store.list::<Port>(&Filter::by_id(made[0].id.0)).await.unwrap().pop().unwrap();
    assert_eq!(port.binding.unwrap().vif_type, VifType::Ovs);
    assert_eq!(port.generation, Generation(2));
    assert_eq!(store.bind_pending(host("h1")).await.unwrap(), []);
    assert_eq!(store.revision(), revision.next());
}
