//! Two labs at a time do not know of each other.

use std::collections::BTreeSet;

use lab::ControlSpec;
use model::TunnelType;

use crate::overlay::{Overlay, Port};
use crate::support::TestLab;

/// All is the same in both, server and agents included: names, keys, addresses. Yet what one sends the other does not see,
/// and when one goes, the other stays.
#[tokio::test]
async fn two_labs_side_by_side() {
    let ((one, ones), (two, twos)) = tokio::join!(inhabited("one"), inhabited("two"));
    for (lab, ports, other) in [(&one, &ones, &two), (&two, &twos, &one)] {
        for [from, to] in ports {
            let ((answered, own), foreign) = other.watch_underlay(async || lab.ping(from, to, 3).await).await;
            assert!(answered, "{} reaches {}", from.vm, to.vm);
            assert_eq!((own.len(), foreign.len()), (6, 0), "three questions, three answers: {own:?} {foreign:?}");
        }
    }
    let (in_one, in_two) = (ids(&one).await, ids(&two).await);
    assert_eq!((in_one.len(), in_two.len(), in_one.intersection(&in_two).count()), (4, 4, 0));

    one.check_control().unwrap();
    one.down().unwrap();
    assert!(one.at("compute1").vsctl(["show"]).await.is_err(), "it is gone");
    for [from, to] in &twos {
        assert!(two.ping(from, to, 3).await.0, "{} reaches {}", from.vm, to.vm);
    }
    // Server and agents too.
    two.unplug(&twos[0][1].vm).await.unwrap();
    two.until_status(&twos[0][1], "DOWN").await;
    two.plug_port(&twos[0][1]).await;
    two.until_status(&twos[0][1], "ACTIVE").await;
    assert!(two.ping(&twos[0][0], &twos[0][1], 3).await.0);
    two.check_control().unwrap();
}

/// A lab with a GRE and a VXLAN network, and two VMs on each.
async fn inhabited(name: &str) -> (Overlay, [[Port; 2]; 2]) {
    let overlay = Overlay::start(TestLab::of_two(name).await, ControlSpec::default()).await;
    let gre = overlay.network(TunnelType::Gre, 6, "81.1.180.0/24").await;
    let vxlan = overlay.network(TunnelType::Vxlan, 1001, "81.1.180.0/24").await;
    let ports = [
        [
            overlay.add_vm(&gre, "gre1", "compute1", "81.1.180.8").await,
            overlay.add_vm(&gre, "gre2", "compute2", "81.1.180.9").await,
        ],
        [
            overlay.add_vm(&vxlan, "vxlan1", "compute1", "81.1.180.8").await,
            overlay.add_vm(&vxlan, "vxlan2", "compute2", "81.1.180.9").await,
        ],
    ];
    (overlay, ports)
}

async fn ids(overlay: &Overlay) -> BTreeSet<String> {
    let ports = overlay.rest.list("port", "fields=id").await.unwrap();
    ports.iter().map(|port| port["id"].as_str().unwrap().to_owned()).collect()
}
