use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::topology::SERVER;
use crate::{Error, Host, Lab, Process, Rest, SERVER_ADDRESS};

/// How the server and the agents of a lab are to run, beyond what makes them find each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlSpec {
    /// More arguments for `culvert server`, each as `--name=value`; one that the lab gives too wins over the lab's.
    pub server: Vec<String>,
    /// More arguments for every `culvert agent`.
    pub agents: Vec<String>,
    /// More arguments for the agents of single hosts, after those for all.
    pub hosts: BTreeMap<String, Vec<String>>,
}

/// How long server and agents may take until they are ready; it takes well under a second on a quiet machine.
const READY: Duration = Duration::from_secs(30);

/// Where agents connect.
const AGENTS_PORT: u16 = 9690;

impl Lab {
    /// Starts the server and an agent on each host, and waits until each agent has its bridges and counts as alive.
    pub async fn start_control(&self, spec: &ControlSpec) -> Result<Rest, Error> {
        self.start_control_server(&spec.server).await?;
        for host in self.hosts() {
            host.start_control_agent(spec)?;
        }
        let rest = self.rest().await?;
        self.until_alive(&rest).await?;
        Ok(rest)
    }

    /// Starts the server on [`SERVER_ADDRESS`] for agents and on its own loopback for REST, and waits until it answers.
    pub async fn start_control_server(&self, more: &[String]) -> Result<Process, Error> {
        let directory = self.state.control(SERVER);
        let mut args = vec![
            // Not the settings of a server that this machine may have.
            "--config=/dev/null".to_owned(),
            format!("--agents-listen={SERVER_ADDRESS}:{AGENTS_PORT}"),
            // The management network is the lab's own.
            "--insecure-listen".to_owned(),
            format!("--database={}", directory.join("culvert.db").display()),
            format!("--run-dir={}", directory.display()),
        ];
        add_options(&mut args, more);
        let process = self.start_server(args)?;
        let (rest, socket) = (self.rest().await?, self.admin_socket());
        self.until(std::slice::from_ref(&process), "answered", async || {
            UnixStream::connect(&socket).await.is_ok() && rest.list("agent", "").await.is_ok()
        })
        .await?;
        Ok(process)
    }

    /// The server's admin socket, for `culvert status`, `watch` and `explain`.
    pub fn admin_socket(&self) -> PathBuf {
        self.state.control(SERVER).join("server.sock")
    }

    /// The processes of server and agents that run, or ran until they ended by themselves.
    pub fn control_processes(&self) -> Result<Vec<Process>, Error> {
        let mut processes = self.processes()?;
        processes.retain(|process| ["server", "agent"].contains(&process.name()));
        Ok(processes)
    }

    /// An error with the end of its log if one of server and agents has ended that was not asked to.
    pub fn check_control(&self) -> Result<(), Error> {
        match self.control_processes()?.iter().find(|process| !process.is_alive()) {
            Some(ended) => Err(ended.error("has ended")),
            None => Ok(()),
        }
    }

    async fn until_alive(&self, rest: &Rest) -> Result<(), Error> {
        let agents =
            self.hosts().iter().filter_map(|host| host.process("agent").transpose()).collect::<Result<Vec<_>, _>>()?;
        self.until(&agents, "made its bridges and registered with the server", async || {
            let known = rest.list("agent", "").await.unwrap_or_default();
            self.hosts().iter().all(|host| {
                let is_this = |agent: &&serde_json::Value| agent["host"] == host.name() && agent["alive"] == true;
                known.iter().any(|agent| is_this(&agent)) && host.has_bridges()
            })
        })
        .await
    }

    /// Waits for what these processes are to bring about; an error if one of them ends instead, or if it takes too long.
    async fn until(&self, processes: &[Process], what: &str, ready: impl AsyncFn() -> bool) -> Result<(), Error> {
        let deadline = Instant::now() + READY;
        loop {
            let ended = processes.iter().find(|process| !process.is_alive());
            if ready().await {
                return Ok(());
            }
            if let Some(ended) = ended {
                return Err(ended.error(&format!("ended before it {what}")));
            }
            if Instant::now() >= deadline {
                let text = format!("has not {what} within {} s", READY.as_secs());
                return Err(processes.first().map_or(Error::Inside, |process| process.error(&text)));
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Host {
    /// The admin socket of this host's agent: its own state.
    pub fn agent_socket(&self) -> PathBuf {
        self.state.control(self.name()).join("agent.sock")
    }

    /// Starts the agent of this host, for the server of this lab.
    pub fn start_control_agent(&self, spec: &ControlSpec) -> Result<Process, Error> {
        let run_dir = self.state.control(self.name());
        let mut args = vec![
            "--config=/dev/null".to_owned(),
            format!("--server={SERVER_ADDRESS}:{AGENTS_PORT}"),
            "--insecure-server".to_owned(),
            format!("--host={}", self.name()),
            format!("--local-ip={}", self.endpoint()),
            "--datapath-type=netdev".to_owned(),
            format!("--ovsdb={}", self.ovsdb_socket().display()),
            format!("--ovs-rundir={}", self.rundir().display()),
            format!("--run-dir={}", run_dir.display()),
            format!("--state-dir={}", run_dir.display()),
        ];
        add_options(&mut args, &spec.agents);
        add_options(&mut args, spec.hosts.get(self.name()).map(Vec::as_slice).unwrap_or_default());
        self.start_agent(args)
    }

    /// Ends the agent and starts it anew, perhaps in another mode. What it wired stays as it is in between.
    pub async fn restart_control_agent(&self, spec: &ControlSpec) -> Result<Process, Error> {
        if let Some(agent) = self.process("agent")? {
            agent.stop().await?;
        }
        self.start_control_agent(spec)
    }

    fn has_bridges(&self) -> bool {
        ["br-int", "br-tun"].iter().all(|bridge| self.rundir().join(format!("{bridge}.mgmt")).exists())
    }
}

/// Adds options written `--name=value`, each in place of an earlier one of the same name: to be given twice is an error.
fn add_options(args: &mut Vec<String>, more: &[String]) {
    let name = |option: &str| option.split('=').next().map(ToOwned::to_owned);
    args.retain(|given| more.iter().all(|option| name(option) != name(given)));
    args.extend_from_slice(more);
}

/// A server or agent of a lab goes by its arguments alone, not by the settings of the surroundings.
pub(crate) fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if ["CULVERT_SERVER_", "CULVERT_AGENT_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_wins_over_an_earlier_one_of_its_name() {
        let options = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut args = options(&["--server=a", "--insecure-server", "--host=b"]);
        add_options(&mut args, &options(&["--server=c"]));
        add_options(&mut args, &options(&["--insecure-server=false", "--new=d"]));
        assert_eq!(args, options(&["--host=b", "--server=c", "--insecure-server=false", "--new=d"]));
    }
}
