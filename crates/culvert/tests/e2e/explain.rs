//! Behaviour 7: why is it dropped?

use lab::ControlSpec;
use model::TunnelType;

use crate::overlay::Overlay;

/// On compute1 key 6 is a GRE network's. A VXLAN frame with that key is dropped, though there is a VXLAN tunnel that it
/// comes in by; one with the key of the VXLAN network arrives. The tools say why.
#[tokio::test]
async fn explain_drop_says_why_in_a_sentence() {
    let overlay = Overlay::up("explain", ControlSpec::default()).await;
    let gre = overlay.network(TunnelType::Gre, 6, "81.1.180.0/24").await;
    let vxlan = overlay.network(TunnelType::Vxlan, 1001, "91.1.180.0/24").await;
    for (network, name, subnet) in [(&gre, "gre", "81.1.180"), (&vxlan, "vxlan", "91.1.180")] {
        overlay.add_vm(network, &format!("{name}1"), "compute1", &format!("{subnet}.8")).await;
        overlay.add_vm(network, &format!("{name}2"), "compute2", &format!("{subnet}.9")).await;
    }

    for (key, arrives) in [(6, false), (1001, true)] {
        let gre = overlay.vm("gre1").unwrap().capture("eth0", "").await.unwrap();
        let vxlan = overlay.vm("vxlan1").unwrap().capture("eth0", "").await.unwrap();
        let before = dropped(&overlay).await;
        let send = format!(
            "in_port=patch-int,packet=ffffffffffff{},actions=set_field:{key}->tun_id,output:vxlan-0a00011f",
            // A frame of an experimental EtherType (IEEE Std 802, 0x88b5), so that it is nobody else's.
            format_args!("fa163e00007788b5{}", "00".repeat(46))
        );
        let (_, frames) = overlay
            .watch_underlay(async || overlay.at("compute2").ofctl(["packet-out", "br-tun", &send]).await.unwrap())
            .await;
        let of_key = frames.iter().filter(|frame| frame.tunnel_type == TunnelType::Vxlan && frame.key == key);
        assert_eq!(of_key.count(), 1, "it is on the way");
        let after = dropped(&overlay).await;
        let seen = |frames: Vec<lab::Frame>| frames.iter().any(|frame| frame.bytes[12..14] == [0x88, 0xb5]);
        assert_eq!(after - before, u64::from(!arrives), "dropped where the keys of VXLAN are looked up");
        assert_eq!(seen(vxlan.stop().await.unwrap()), arrives);
        assert!(!seen(gre.stop().await.unwrap()));
    }

    let why = explain(&overlay, "--host compute1 --tunnel vxlan --key 6").await;
    assert!(why.starts_with("VXLAN key 6 is dropped: no vxlan network with key 6 has a port on this host"), "{why}");
    assert!(why.contains(&format!("by gre network {}", gre.id)), "{why}");
    let from = explain(&overlay, "--host compute1 --tunnel vxlan --key 6 --from 10.0.1.39").await;
    assert!(from.starts_with("VXLAN key 6") && from.contains("is dropped: no vxlan network with key 6"), "{from}");

    // What is not dropped is not called so; a host where it would be for another reason says that one.
    let not = explain(&overlay, "--host compute1 --tunnel vxlan --key 1001 --from 10.0.1.39").await;
    assert!(not.contains("is not dropped") && not.contains(&vxlan.id), "{not}");
    let stranger = explain(&overlay, "--host compute1 --tunnel vxlan --key 1001 --from 10.0.1.21").await;
    assert!(stranger.contains("there is no tunnel vxlan-0a000115 on this host"), "{stranger}");
}

/// How many packets the last row of compute1's VXLAN table has dropped.
async fn dropped(overlay: &Overlay) -> u64 {
    let host = overlay.at("compute1");
    // Counters lag by up to a second unless the datapath's are fetched.
    host.appctl(["revalidator/wait"]).await.unwrap();
    let dump = host.ofctl(["dump-flows", "br-tun", "table=4"]).await.unwrap();
    let row = dump.lines().find(|line| line.contains("priority=0")).unwrap();
    row.split("n_packets=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
}

/// What `culvert explain drop` says.
pub(crate) async fn explain(overlay: &Overlay, question: &str) -> String {
    let arguments = ["explain", "drop"].into_iter().chain(question.split(' '));
    overlay.server().exec(env!("CARGO_BIN_EXE_culvert"), arguments).await.unwrap()
}
