use std::ffi::OsStr;
use std::fs::File;
use std::net::IpAddr;
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::capture::Capture;
use crate::command;
use crate::namespace::Inside;
use crate::process::{Identity, Process, Record};
use crate::state::StateDir;
use crate::{Error, LabName};

/// A network namespace of a lab: a host, a VM, the server or the switch.
#[derive(Debug, Clone)]
pub struct Node {
    lab: LabName,
    name: String,
    namespace: String,
    /// What tools on this node find its OVS or its server by.
    environment: Vec<(&'static str, String)>,
    pub(crate) state: StateDir,
}

impl Node {
    pub(crate) fn new(lab: &LabName, name: &str, state: &StateDir) -> Self {
        let namespace = lab.namespace(name);
        Node { lab: lab.clone(), name: name.to_owned(), namespace, environment: Vec::new(), state: state.clone() }
    }

    pub(crate) fn with_environment(self, environment: Vec<(&'static str, String)>) -> Self {
        Node { environment, ..self }
    }

    /// `compute1`, `server`, `vm-vm1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `cv-demo-compute1`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A command in this namespace, not yet started. On a host, the OVS tools find the host's own OVS; on the server, the
    /// `openstack` client and the verbs of `culvert` find the lab's server.
    pub fn command<I, S>(&self, program: impl AsRef<OsStr>, args: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        // `ip netns exec` sets the namespace up and then becomes the program: same process id.
        let mut command = command::marked(&self.lab, "ip");
        command.args(["netns", "exec", &self.namespace]).arg(program).args(args);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end; its standard output. Any exit status but 0, and more than 60 s, is an error.
    pub async fn exec<I, S>(&self, program: impl AsRef<OsStr>, args: I) -> Result<String, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        command::run(self.command(program, args), None).await
    }

    /// Runs a command to its end, whatever its exit status and however long it takes.
    pub async fn output<I, S>(&self, program: impl AsRef<OsStr>, args: I) -> Result<Output, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        command::output(self.command(program, args), None).await
    }

    /// Runs `ip` commands in this namespace, one a line, in one process.
    pub(crate) async fn ip(&self, lines: &[String]) -> Result<(), Error> {
        let mut command = command::marked(&self.lab, "ip");
        command.args(["-n", &self.namespace, "-batch", "-"]);
        command::run(command, Some(&lines.join("\n"))).await.map(drop)
    }

    /// Makes the namespace, with nothing in it but `lo`.
    pub(crate) async fn create(&self) -> Result<(), Error> {
        let mut command = command::marked(&self.lab, "ip");
        command.args(["netns", "add", &self.namespace]);
        command::run(command, None).await?;
        self.ip(&["link set lo up".to_owned()]).await
    }

    /// Starts a process that goes on by itself, under a name that is free on this node; what it prints goes to its log.
    pub fn spawn<I, S>(&self, name: &str, program: impl AsRef<OsStr>, args: I) -> Result<Process, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.spawn_command(name, self.command(program, args))
    }

    pub(crate) fn spawn_command(&self, name: &str, mut command: Command) -> Result<Process, Error> {
        if let Some(running) = self.process(name)?.filter(Process::is_alive) {
            return Err(Error::Running { node: self.name.clone(), name: name.to_owned(), pid: running.pid() });
        }
        let path = self.state.log(&self.name, name);
        let log = File::options().create(true).append(true).open(&path).map_err(Error::io("open", &path))?;
        let log_too = log.try_clone().map_err(Error::io("open", &path))?;
        // A process group of its own, so that Ctrl-C at the terminal does not reach it.
        command.stdin(Stdio::null()).stdout(log).stderr(log_too).process_group(0);
        let child = command.spawn().map_err(|error| command::spawn_error(&command, error))?;
        let shown = command::show(&command);
        let identity = child.id().and_then(|pid| Identity::of(pid.try_into().ok()?));
        let identity = identity.ok_or_else(|| Error::Command {
            command: shown.clone(),
            status: "ended at once".to_owned(),
            stderr: std::fs::read_to_string(&path).unwrap_or_default(),
        })?;
        let record = Record { node: self.name.clone(), name: name.to_owned(), identity, command: shown };
        Process::remember(&self.state, record)
    }

    /// The process that was started here under this name, alive or not.
    pub fn process(&self, name: &str) -> Result<Option<Process>, Error> {
        Process::find(&self.state, &self.name, name)
    }

    /// Sends `count` echo requests at once. Waits 2 s for a first answer and, if there is one, 5 s for the rest.
    pub async fn ping(&self, to: IpAddr, count: u32) -> Result<Ping, Error> {
        let (to, count) = (to.to_string(), count.to_string());
        // After a first answer `ping` waits no longer than the interval, and `-W` means nothing any more (ping(8)): a long
        // interval, and a preload of all, so that a busy machine is not taken for a lossy one.
        let output = self.output("ping", ["-n", "-q", "-l", &count, "-i", "5", "-W", "2", "-c", &count, &to]).await?;
        Ping::parse(&output).ok_or_else(|| failed("ping", &output))
    }

    /// Sends `count` ARP requests for an address from a device, 1 s apart, and waits 1 s more; how many were answered.
    pub async fn arping(&self, device: &str, to: IpAddr, count: u32) -> Result<Ping, Error> {
        let (to, deadline, count) = (to.to_string(), (count + 1).to_string(), count.to_string());
        let output = self.output("arping", ["-I", device, "-w", &deadline, "-c", &count, &to]).await?;
        Ping::parse(&output).ok_or_else(|| failed("arping", &output))
    }

    /// A thread in this namespace, for sockets that are to be there.
    pub async fn enter(&self) -> Result<Inside, Error> {
        Inside::enter(&self.namespace).await
    }

    /// Starts to capture what passes a device; `filter` as in pcap-filter(7), empty for all.
    pub async fn capture(&self, device: &str, filter: &str) -> Result<Capture, Error> {
        Capture::start(self, device, filter).await
    }
}

/// How many requests went out and how many answers came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    pub sent: u32,
    pub received: u32,
}

impl Ping {
    /// From the closing lines of `ping` or of either of Debian's two `arping`s:
    /// `3 packets transmitted, 2 received`, `1 packets transmitted, 1 packets received`, `Sent 3 probes …` / `Received 2 response(s)`.
    fn parse(output: &Output) -> Option<Ping> {
        let text = String::from_utf8_lossy(&output.stdout);
        let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c == ',').filter(|w| !w.is_empty()).collect();
        let before = |word| words.iter().rposition(|w| *w == word).and_then(|at| number_before(&words, at));
        let after = |word| words.iter().rposition(|w| *w == word).and_then(|at| words.get(at + 1)?.parse().ok());
        let sent = before("transmitted").or_else(|| after("Sent"))?;
        Some(Ping { sent, received: before("received").or_else(|| after("Received"))? })
    }

    /// Every request was answered.
    pub fn is_complete(self) -> bool {
        self.sent > 0 && self.received == self.sent
    }
}

/// The number one or two words before this one: `3 packets transmitted`, `2 received`.
fn number_before(words: &[&str], at: usize) -> Option<u32> {
    [1, 2].iter().find_map(|back| words.get(at.checked_sub(*back)?)?.parse().ok())
}

fn failed(tool: &str, output: &Output) -> Error {
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Error::Command { command: tool.to_owned(), status: output.status.to_string(), stderr }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn reads_the_counts_of_ping_and_both_arpings() {
        let counts = |text: &str| {
            let output = Output { status: ExitStatus::from_raw(0), stdout: text.into(), stderr: Vec::new() };
            Ping::parse(&output).map(|ping| (ping.sent, ping.received))
        };
        assert_eq!(counts("3 packets transmitted, 2 received, 33% packet loss, time 101ms"), Some((3, 2)));
        assert_eq!(counts("1 packets transmitted, 1 packets received,   0% unanswered (0 extra)"), Some((1, 1)));
        assert_eq!(counts("Sent 3 probes (3 broadcast(s))\nReceived 2 response(s)"), Some((3, 2)));
        assert_eq!(counts("2 packets transmitted, 0 received, +2 errors, 100% packet loss"), Some((2, 0)));
        assert_eq!(counts("ping: connect: Network is unreachable"), None);
    }
}
