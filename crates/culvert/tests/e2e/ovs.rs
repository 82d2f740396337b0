//! A host's Open vSwitch, stopped, killed and started under the lab's hands.

use lab::{Daemon, Signal};

use crate::support::TestLab;

#[tokio::test]
async fn a_killed_vswitchd_comes_back_with_the_endpoint() {
    let lab = TestLab::of_two("vswitchd").await;
    let (one, two) = (lab.host("compute1").unwrap(), lab.host("compute2").unwrap());
    assert_eq!(two.ping(one.endpoint().into(), 2).await.unwrap().received, 2);

    one.kill(Daemon::Vswitchd).await.unwrap();
    assert_eq!(two.ping(one.endpoint().into(), 2).await.unwrap().received, 0);

    one.start(Daemon::Vswitchd).await.unwrap();
    assert_eq!(two.ping(one.endpoint().into(), 2).await.unwrap().received, 2);
    assert!(one.start(Daemon::Vswitchd).await.is_err(), "there is one already");
}

/// The kernel of a host has the link under the endpoint's bridge as a device too. It must not answer there as well: a switch
/// would send a tunnel's packets to whichever MAC address it heard last.
#[tokio::test]
async fn an_endpoint_answers_arp_with_one_address() {
    let lab = TestLab::of_two("endpoint").await;
    let (one, two) = (lab.host("compute1").unwrap(), lab.host("compute2").unwrap());
    let capture = one.capture_underlay("arp[6:2] = 2").await.unwrap();
    one.arping("br-ul", two.endpoint().into(), 2).await.unwrap();
    let answers: Vec<_> = capture.stop().await.unwrap().iter().map(|frame| frame.bytes[6..12].to_vec()).collect();
    assert!(answers.len() >= 2, "{answers:?}");
    assert!(answers.iter().all(|from| *from == [2, 0, 10, 0, 1, 39]), "{answers:?}");
}

#[tokio::test]
async fn a_restarted_ovsdb_server_keeps_the_database() {
    let lab = TestLab::of_two("ovsdb").await;
    let host = lab.host("compute1").unwrap();
    host.vsctl(["add-br", "br-kept", "--", "set", "Bridge", "br-kept", "datapath_type=netdev"]).await.unwrap();

    host.stop(Daemon::OvsdbServer).await.unwrap();
    assert!(std::os::unix::net::UnixStream::connect(host.ovsdb_socket()).is_err());
    host.start(Daemon::OvsdbServer).await.unwrap();
    assert_eq!(host.vsctl(["list-br"]).await.unwrap(), "br-kept\nbr-ul\n");

    host.kill(Daemon::OvsdbServer).await.unwrap();
    host.restart(Daemon::OvsdbServer).await.unwrap();
    assert_eq!(host.vsctl(["list-br"]).await.unwrap(), "br-kept\nbr-ul\n");
}

#[tokio::test]
async fn an_error_tells_the_end_of_the_log() {
    let lab = TestLab::of_two("error").await;
    let host = lab.host("compute1").unwrap();
    host.stop(Daemon::Vswitchd).await.unwrap();
    host.kill(Daemon::OvsdbServer).await.unwrap();
    std::fs::write(host.rundir().join("conf.db"), "no database").unwrap();
    let error = host.start(Daemon::OvsdbServer).await.unwrap_err().to_string();
    assert!(error.starts_with("compute1 ovsdb-server ended before it answered on its socket"), "{error}");
    assert!(error.contains("conf.db"), "what ovsdb-server said: {error}");
}

#[tokio::test]
async fn a_process_that_hangs_is_alive_until_it_is_killed() {
    let lab = TestLab::of_two("hang").await;
    let sleeper = lab.server().spawn("sleeper", "sleep", ["3600"]).unwrap();
    assert!(sleeper.signal(Signal::STOP) && sleeper.is_alive());
    sleeper.kill().await.unwrap();
    assert!(!sleeper.is_alive() && !sleeper.signal(Signal::CONT));
    assert!(lab.server().process("sleeper").unwrap().is_none());
}
