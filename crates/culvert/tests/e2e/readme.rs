//! The README's "A real deployment", walked through: two machines, and the commands of its code blocks, word for word.

mod machine;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use self::machine::Machine;
use crate::support::eventually;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/openstack-client");

#[test]
fn the_readmes_real_deployment_passes_traffic_with_its_own_command_line() {
    walk_through("culvert");
}

#[test]
fn the_readmes_real_deployment_passes_traffic_with_the_openstack_client() {
    // Out here, as the machines reach no package index.
    assert!(Command::new(CLIENT).arg("--install").status().unwrap().success());
    walk_through("openstack");
}

/// From nothing but Open vSwitch to frames between two VMs; networks and ports are made by this client, of the two that
/// the README shows. A command that is new in the README needs a line here.
fn walk_through(client: &str) {
    let dir = tempfile::tempdir().unwrap();
    symlink(env!("CARGO_BIN_EXE_culvert"), dir.path().join("culvert")).unwrap();
    symlink(fs::canonicalize(CLIENT).unwrap(), dir.path().join("openstack")).unwrap();
    let (mut h1, mut h2) = (Machine::new("h1", dir.path()), Machine::new("h2", dir.path()));
    Machine::connect([(&h1, "192.0.2.11"), (&h2, "192.0.2.12")]);
    let watched = dir.path().join("watch.log");

    let mut plug = String::new();
    for line in commands(&fs::read_to_string(README).unwrap()) {
        let (command, comment) = line.split_once("  #").unwrap_or((&line, ""));
        let words: Vec<&str> = command.split_whitespace().collect();
        match (words[..].get(..2).unwrap_or_default(), comment.trim()) {
            (["cargo", "build"], _) => {}
            (["culvert", "server"], _) => {
                h1.start(command, &dir.path().join("server.log"));
                eventually("the server answers", || h1.succeeds("culvert status"));
            }
            (["culvert", "agent"], "on h1") => h1.start(command, &dir.path().join("h1.log")),
            (["culvert", "agent"], "on h2") => h2.start(command, &dir.path().join("h2.log")),
            (["openstack", _] | ["culvert", "network" | "subnet" | "port"], _) if words.get(2) == Some(&"create") => {
                if words.first() != Some(&client) {
                    continue;
                }
                eventually("both agents are there", || {
                    let hosts = status(&h1)["hosts"].as_array().unwrap().clone();
                    hosts.len() == 2 && hosts.iter().all(|host| host["alive"] == true)
                });
                h1.run(command);
            }
            (["ovs-vsctl", "add-port"], _) => {
                command.clone_into(&mut plug);
                for (machine, name) in [(&h1, "p1"), (&h2, "p2")] {
                    let port = port(&h1, name);
                    plug_vm(machine, &port);
                    machine.run(&command.replace("PORT-ID", port["id"].as_str().unwrap()));
                }
                until_active(&h1);
            }
            (["culvert", "watch"], _) => h1.start(command, &watched),
            (["culvert", "status"], _) => {
                let shown = h1.run(command);
                assert!(
                    ["h1", "h2", "192.0.2.12", "n1", "p1", "ACTIVE"].iter().all(|part| shown.contains(part)),
                    "{shown}"
                );
            }
            (["culvert", "port"], _) => drop(h1.run(command)),
            (["culvert", "explain"], _) => {
                let why = h1.run(command);
                assert!(why.contains("VXLAN key 6 is dropped: no vxlan network with key 6"), "{why}");
            }
            _ => panic!("the README has a command that this test does not walk through: {command}"),
        }
    }

    let ping = format!("ip netns exec vm ping -c 3 -W 5 {}", port(&h1, "p2")["ips"][0].as_str().unwrap());
    // Open vSwitch in userspace drops the first frame to an endpoint whose MAC it has not seen, and asks for it.
    eventually("the endpoints know each other's MAC", || h1.succeeds(&ping));
    let answers = h1.run(&ping);
    assert!(answers.contains(" 0% packet loss"), "{answers}");

    // What is watched shows when a port goes and comes; and the frames passed because it was plugged.
    let said = |what: &str| fs::read_to_string(&watched).unwrap_or_default().contains(what);
    h1.run("ovs-vsctl del-port br-int tap0");
    eventually("the port goes, and watch shows it", || said("remove_fdb_entries"));
    assert!(!h1.succeeds(&ping));
    h1.run(&plug.replace("PORT-ID", port(&h1, "p1")["id"].as_str().unwrap()));
    eventually("the port comes, and watch shows it", || said("add_fdb_entries"));
    until_active(&h1);
    h1.run(&ping);
}

/// The lines of the section's code blocks.
fn commands(readme: &str) -> Vec<String> {
    let section = readme.split_once("\n## A real deployment\n").unwrap().1;
    let section = section.split("\n## ").next().unwrap().replace("\\\n", " ");
    section.lines().filter_map(|line| line.strip_prefix("    ")).map(ToOwned::to_owned).collect()
}

/// A VM with the port's addresses, by the name of which the README plugs it; the MTU is the README's for VXLAN.
fn plug_vm(machine: &Machine, port: &Value) {
    let (mac, ip) = (port["mac"].as_str().unwrap(), port["ips"][0].as_str().unwrap());
    machine.run(&format!(
        "ip netns add vm; ip link add tap0 type veth peer name eth0 netns vm; ip link set tap0 up
         ip -n vm link set eth0 address {mac} mtu 1450 up; ip -n vm address add {ip}/24 dev eth0"
    ));
}

fn until_active(h1: &Machine) {
    eventually("both ports are ACTIVE", || ["p1", "p2"].iter().all(|name| port(h1, name)["status"] == "ACTIVE"));
}

fn port(h1: &Machine, name: &str) -> Value {
    let status = status(h1);
    let ports = status["ports"].as_array().unwrap();
    ports.iter().find(|port| port["name"] == name).unwrap_or_else(|| panic!("no port {name}: {status}")).clone()
}

fn status(h1: &Machine) -> Value {
    serde_json::from_str(&h1.run("culvert status -o json")).unwrap()
}
