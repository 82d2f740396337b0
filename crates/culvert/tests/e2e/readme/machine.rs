//! A machine as an operator has it: its own host name, file system for what runs, and network, and an Open vSwitch that
//! was started as Debian's package starts it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Namespaces that end with this process, whatever becomes of it, and all that runs in them too.
pub(super) struct Machine {
    name: &'static str,
    /// Process 1 of the machine lives as long as its input is open.
    holder: Child,
    pid: String,
    path: String,
    daemons: Vec<Child>,
}

/// Where each of the paths that Open vSwitch and Culvert use by default is this machine's alone.
const START: &str = "
    for dir in /run /var/lib /etc/openvswitch; do mount -t tmpfs tmpfs $dir; done
    ip link set lo up
    mkdir /run/openvswitch
    ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
    ovsdb-server --detach --pidfile -vconsole:off -vsyslog:off \
        --remote=punix:/var/run/openvswitch/db.sock /etc/openvswitch/conf.db
    ovs-vsctl --no-wait init
    ovs-vswitchd --detach --pidfile -vconsole:off -vsyslog:off
    # The datapath is the one in userspace, whose tunnels need the host's address on a bridge of the same Open vSwitch.
    ovs-vsctl add-br br-ul -- set bridge br-ul datapath_type=netdev -- add-port br-ul ul0
    # The kernel has the host's address too, and must not answer for it with the MAC of this link: no tunnel ends there.
    ip link set ul0 arp off up
    # With no VXLAN port left, the userspace datapath of Open vSwitch 3.1 caches other traffic to the host under a wider flow,
    # and with the next VXLAN port corrects that one in the place of the tunnel's, whose frames then go to the host for as
    # long as they come. So there is always one, that nothing uses.
    ovs-vsctl add-br br-spare -- set bridge br-spare datapath_type=netdev fail_mode=secure \
        -- add-port br-spare spare -- set interface spare type=vxlan options:remote_ip=192.0.2.254
";

impl Machine {
    /// `bin` goes before everything else in its PATH.
    pub(super) fn new(name: &'static str, bin: &Path) -> Machine {
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(holder.stdin.as_mut().unwrap(), "up").unwrap();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", holder.id())).unwrap();
        let path = format!("{}:/usr/sbin:/sbin:{}", bin.display(), std::env::var("PATH").unwrap());
        let machine = Machine { name, holder, pid: children.trim().to_owned(), path, daemons: Vec::new() };
        machine.run(&format!("hostname {name}"));
        machine
    }

    /// Joins two machines with a cable, and starts what Debian's package would.
    pub(super) fn connect(machines: [(&Machine, &str); 2]) {
        let [(one, _), (other, _)] = machines;
        let cable = ["link", "add", "ul0", "type", "veth", "peer", "name", "ul0", "netns", &other.pid];
        // Not in the other's process ids: the number is one of ours.
        let made = Command::new("nsenter").args(["-t", &one.pid, "-n", "ip"]).args(cable).status().unwrap();
        assert!(made.success());
        for (machine, address) in machines {
            machine.run(&format!("{START} ip address add {address}/24 dev br-ul; ip link set br-ul up"));
        }
    }

    /// Runs a command line that must succeed; what it prints.
    pub(super) fn run(&self, command: &str) -> String {
        let output = self.command(command).output().unwrap();
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}# {command}\n{out}{error}", self.name);
        out.into_owned()
    }

    /// Whether a command line succeeds.
    pub(super) fn succeeds(&self, command: &str) -> bool {
        self.command(command).output().unwrap().status.success()
    }

    /// Starts what runs until the machine ends; all that it says goes to a file.
    pub(super) fn start(&mut self, command: &str, log: &Path) {
        let log = fs::File::create(log).unwrap();
        let daemon = self.command(&format!("exec {command}")).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.daemons.push(daemon.unwrap());
    }

    fn command(&self, command: &str) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["-t", &self.pid, "-n", "-m", "-u", "-p", "--", "bash", "-ec", command]);
        // The one thing that a machine with Open vSwitch's kernel module does not need.
        nsenter.env("PATH", &self.path).env("CULVERT_AGENT_DATAPATH_TYPE", "netdev").stdin(Stdio::null());
        nsenter
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
        for daemon in &mut self.daemons {
            let _ = daemon.wait();
        }
    }
}
