//! Two labs at a time do not know of each other.

use lab::encapsulated;
use model::{Segment, TunnelType};

use crate::by_hand::Network;
use crate::support::TestLab;

#[tokio::test]
async fn two_labs_side_by_side() {
    let (one, two) = tokio::join!(TestLab::of_two("one"), TestLab::of_two("two"));
    let segment = Segment::new(TunnelType::Vxlan, 1001).unwrap();
    for lab in [&one, &two] {
        lab.plug_vm(1, "compute1", "81.1.180.8/24", 1450).await;
        lab.plug_vm(2, "compute2", "81.1.180.9/24", 1450).await;
        Network { segment }.wire(lab).await;
    }
    let peer = "81.1.180.9".parse().unwrap();

    // All is the same in both, names and keys and addresses; yet what one sends the other does not see.
    let capture = two.host("compute2").unwrap().capture_underlay("").await.unwrap();
    assert_eq!(one.vm("vm1").unwrap().ping(peer, 3).await.unwrap().received, 3);
    assert_eq!(encapsulated(&capture.stop().await.unwrap()).len(), 0);

    let capture = two.host("compute2").unwrap().capture_underlay("").await.unwrap();
    assert_eq!(two.vm("vm1").unwrap().ping(peer, 3).await.unwrap().received, 3);
    assert_eq!(encapsulated(&capture.stop().await.unwrap()).len(), 6);

    // And when one goes, the other stays.
    one.down().unwrap();
    assert_eq!(two.vm("vm1").unwrap().ping(peer, 3).await.unwrap().received, 3);
}
