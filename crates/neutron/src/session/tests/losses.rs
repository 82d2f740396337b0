//! What is lost, late, repeated or in another order.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Generation, TunnelType};
use oslo::Json;
use serde_json::json;

use super::played::{FAR, NETWORK, OWN, Played, THIRD, port, port_id};
use crate::{Ask, Outcome};

fn members() -> Ask {
    Ask::Members(NETWORK)
}

#[test]
fn a_broker_that_was_away_makes_all_anew() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]).start(&[1]);
    played.report(1, true);
    played.session.down();
    played.run();
    assert!(!played.open);
    // Nobody hears that.
    played.ports[1].host = THIRD;
    played.asked_since();
    played.session.up();
    played.run();
    assert_eq!(played.known(), BTreeMap::from([(THIRD, vec![2])]));
    assert_eq!(played.asked[0], Ask::Alive { start: false, devices: 1 });
    assert_eq!(played.wire(1).unwrap().generation, Generation(2), "so that the agent reports it once more");
    assert!(played.complete.is_some());
}

#[test]
fn what_went_while_nobody_listened_is_reported() {
    let mut played = Played::new(vec![port(1, OWN)]).start(&[1]);
    played.report(1, true);
    played.session.down();
    played.run();
    played.plugged.clear();
    played.asked_since();
    played.session.up();
    played.run();
    assert!(played.asked.contains(&Ask::Devices { up: Vec::new(), down: vec![port_id(1)], refresh: false }));
}

#[test]
fn a_server_that_does_not_answer_is_waited_for() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]);
    played.deaf = |_| true;
    let mut played = played.start(&[1]);
    assert!(!played.open && played.asked.len() == 1, "nothing is said, and nothing else is asked");
    played.silence();
    assert_eq!(played.asked.len(), 1, "not at once");
    played.wait(2);
    assert_eq!(played.asked.len(), 2);
    played.silence();
    played.deaf = |_| false;
    played.wait(4);
    assert!(played.complete.is_some());
}

#[test]
fn a_sign_of_life_that_is_not_answered_ends_the_stream_and_the_next_begins_another() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]).start(&[1]);
    played.deaf = |ask| matches!(ask, Ask::Alive { .. });
    played.session.beat();
    played.run();
    played.silence();
    assert!(!played.open);
    played.ports[1].host = THIRD;
    played.deaf = |_| false;
    played.wait(2);
    assert_eq!((played.streams, played.known()), (2, BTreeMap::from([(THIRD, vec![2])])));
}

#[test]
fn a_server_that_had_given_the_agent_up_is_told_all_again() {
    let mut played = Played::new(vec![port(1, OWN)]).start(&[1]);
    played.alive = Json::of("revived").unwrap();
    played.session.beat();
    played.run();
    assert_eq!((played.streams, played.wire(1).unwrap().generation), (2, Generation(2)));
}

#[test]
fn a_server_that_takes_no_account_of_the_agent_is_not_there() {
    let mut played = Played::new(vec![port(1, OWN)]);
    played.alive = Json::default();
    let mut played = played.start(&[1]);
    assert_eq!(played.streams, 0);
    played.alive = Json::of("new").unwrap();
    played.wait(2);
    assert_eq!(played.streams, 1);
}

#[test]
fn a_slow_answer_brings_everything_anew() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]).start(&[1]);
    played.deaf = |ask| matches!(ask, Ask::Alive { .. });
    played.session.beat();
    played.run();
    played.ports[1].host = THIRD;
    let (number, _) = played.waiting.remove(0);
    played.session.answered(number, Outcome::Answer(Json::of("alive").unwrap(), Duration::from_secs(9)));
    played.run();
    assert_eq!((played.streams, played.known()), (1, BTreeMap::from([(THIRD, vec![2])])));
}

#[test]
fn a_lost_cast_shows_by_the_push() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]).start(&[1]);
    played.asked_since();
    played.push(2, |port| (port.host, port.status) = (THIRD, "ACTIVE"));
    assert_eq!(played.known(), BTreeMap::from([(FAR, vec![2])]), "a cast may be on its way");
    played.wait(3);
    assert_eq!((played.known(), played.asked_since()), (BTreeMap::from([(THIRD, vec![2])]), vec![members()]));
}

#[test]
fn a_cast_that_agrees_with_the_push_brings_no_question() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]).start(&[1]);
    played.ports.push(super::played::Port { status: "DOWN", ..port(3, THIRD) });
    played.asked_since();
    played.push(3, |port| port.status = "ACTIVE");
    played.fdb("add_fdb_entries", THIRD, &[3], true);
    played.fdb("add_fdb_entries", THIRD, &[3], true);
    played.wait(10);
    assert_eq!(played.known(), BTreeMap::from([(FAR, vec![2]), (THIRD, vec![3])]));
    assert_eq!(played.asked_since(), []);
    played.push(3, |port| port.status = "DOWN");
    played.fdb("remove_fdb_entries", THIRD, &[3], true);
    played.wait(10);
    assert_eq!((played.known(), played.asked_since()), (BTreeMap::from([(FAR, vec![2])]), vec![]));
}

#[test]
fn a_late_addition_of_what_is_gone_does_not_stay() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]).start(&[1]);
    played.push(2, |port| port.status = "DOWN");
    played.fdb("remove_fdb_entries", FAR, &[2], true);
    played.fdb("add_fdb_entries", FAR, &[2], true);
    assert_eq!(played.known(), BTreeMap::from([(FAR, vec![2])]));
    played.wait(3);
    assert!(played.known().is_empty());
}

#[test]
fn a_push_that_is_late_says_nothing() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]).start(&[1]);
    let (old, own) = (played.ports[1].primitive(), played.ports[0].primitive());
    played.push(2, |port| port.host = THIRD);
    played.wait(3);
    played.asked_since();
    played.push_as_is(&old);
    played.wait(5);
    assert_eq!((played.known(), played.asked_since()), (BTreeMap::from([(THIRD, vec![2])]), vec![]));
    played.push(1, |port| port.admin_up = false);
    played.push_as_is(&own);
    assert!(played.isolated(1).contains("administratively"));
}

#[test]
fn what_is_pushed_while_ports_are_fetched_is_newer_than_they_are() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR), port(3, FAR)]).start(&[1]);
    played.deaf = |ask| matches!(ask, Ask::Members(_));
    played.session.review();
    played.run();
    let (number, ask) = played.waiting.remove(0);
    let before = played.ports.clone();
    played.push(2, |port| port.host = THIRD);
    let gone = played.ports.remove(2).primitive();
    played.cast("push", &json!({"resource_list": [gone], "event_type": "deleted"}));
    let after = std::mem::replace(&mut played.ports, before);
    played.answer(number, &ask);
    played.ports = after;
    played.run();
    assert_eq!(played.known(), BTreeMap::from([(THIRD, vec![2])]));
}

#[test]
fn a_port_that_its_host_wires_anew_stays_where_it_was() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]).start(&[1]);
    played.push(2, |port| port.status = "BUILD");
    played.session.review();
    played.run();
    assert_eq!(played.known(), BTreeMap::from([(FAR, vec![2])]));
}

#[test]
fn a_port_that_the_server_takes_for_down_is_reported_again() {
    let mut played = Played::new(vec![port(1, OWN)]).start(&[1]);
    played.report(1, true);
    played.asked_since();
    played.push(1, |port| port.status = "DOWN");
    assert_eq!(played.asked_since(), [Ask::Devices { up: vec![port_id(1)], down: Vec::new(), refresh: false }]);
}

#[test]
fn a_report_that_is_lost_is_made_again() {
    let mut played = Played::new(vec![port(1, OWN)]).start(&[1]);
    played.deaf = |ask| matches!(ask, Ask::Devices { .. });
    played.report(1, true);
    played.silence();
    played.deaf = |_| false;
    played.asked_since();
    played.wait(2);
    assert!(played.asked_since().contains(&Ask::Devices { up: vec![port_id(1)], down: Vec::new(), refresh: true }));
}

#[test]
fn a_type_that_the_server_does_not_serve_hinders_nothing() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]);
    played.deaf = |ask| *ask == Ask::Endpoints(TunnelType::Gre);
    let mut played = played.start(&[1]);
    let (number, _) = played.waiting.remove(0);
    played.refuse(number, "neutron_lib.exceptions", "InvalidInput");
    assert_eq!(played.known(), BTreeMap::from([(FAR, vec![2])]));
    assert!(played.complete.is_some());
}

#[test]
fn what_cannot_be_read_brings_everything_anew() {
    let mut played = Played::new(vec![port(1, OWN)]).start(&[1]);
    played.asked_since();
    played.cast(
        "add_fdb_entries",
        &json!({"fdb_entries": {NETWORK.to_string(): {"ports": {"10.0.1.39": [["x", "y"]]}}}}),
    );
    let asked = played.asked_since();
    assert!(asked.contains(&members()) && asked.contains(&Ask::Ports(vec![port_id(1)])), "{asked:?}");
    played.cast("nobody_knows", &json!({}));
    assert_eq!(played.asked_since(), []);
}

#[test]
fn an_answer_of_the_stream_before_is_not_taken() {
    let mut played = Played::new(vec![port(1, OWN)]);
    played.deaf = |ask| matches!(ask, Ask::Ports(_));
    let mut played = played.start(&[1]);
    let (number, ask) = played.waiting.remove(0);
    played.session.down();
    played.session.up();
    played.answer(number, &ask);
    played.run();
    assert!(played.orders.is_empty());
}
