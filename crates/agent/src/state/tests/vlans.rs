//! Local VLANs: when one is free.

use sync::messages::PortReport;

use super::facts::{A, B, host_complete, id, isolate, orders, reports, snapshot, welcome};
use super::world::World;

/// Port 1 has the VLAN, port 2 waits for it.
fn two_networks_and_one_vlan() -> World {
    let mut world = World::new(|settings| settings.local_vlans = "1-1".to_owned());
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.plug("tap2", Some(&id(2)), Some(4095));
    world.tell([welcome(), orders(&[(1, A), (2, B)])]);
    world.tell(snapshot(A, 5, &[]));
    world.tell(snapshot(B, 5, &[]));
    world.tell([host_complete(&[A, B])]);
    world
}

#[test]
fn a_vlan_is_free_only_when_nothing_uses_it() {
    let mut world = two_networks_and_one_vlan();
    let refused = |report: &&PortReport| !report.wired && report.reason.contains("1-1");
    assert_eq!(reports(&world).iter().filter(|report| refused(report)).count(), 1, "{:?}", reports(&world));
    assert_eq!((world.tag("tap1"), world.tag("tap2")), (Some(1), Some(4095)));
    world.forget();
    world.hold_switches = true;
    world.unplug("tap1");
    assert_eq!(world.tag("tap2"), Some(4095), "the switch has not confirmed that the VLAN's rows are gone");
    world.release();
    assert_eq!(world.tag("tap2"), Some(1));
    assert_eq!(reports(&world).iter().filter(|report| report.wired).count(), 1);
}

/// Invariant 8: vswitchd still has the old tag in effect, so the VLAN's next network would be heard there.
#[test]
fn a_vlan_is_not_free_before_vswitchd_has_taken_it_from_its_last_port() {
    let mut world = two_networks_and_one_vlan();
    assert_eq!((world.tag("tap1"), world.tag("tap2")), (Some(1), Some(4095)));
    world.vswitchd_stopped = true;
    world.tell([isolate(1)]);
    assert_eq!((world.tag("tap1"), world.tag("tap2")), (Some(4095), Some(4095)), "only the database knows");
    assert_eq!(world.table(3).len(), 0, "no frame of either network comes in");
    world.vswitchd();
    world.vswitchd_stopped = false;
    world.update();
    world.run();
    assert_eq!((world.tag("tap2"), world.table(3).len()), (Some(1), 1));
}
