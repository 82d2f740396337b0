use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use model::PortId;
use serde_json::Value;
use server::admin::report::{Confirmation, Confirmed, Propagation, Status};
use tokio::time::{Instant, sleep};

use super::admin::Socket;
use super::exit::Failure;
use super::output::Output;
use super::resource::PORT;
use super::table::Table;

/// Wait until every host that must know a port has confirmed it
///
/// Confirmed: the host's switch has answered the barrier after the flows. A host whose agent is not connected is not waited
/// for. Says of each host how far it is, and why.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  culvert wait --port p1
  culvert wait --port 7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b --timeout 5 -o json")]
pub(crate) struct Args {
    /// Name or id of the port
    #[arg(long)]
    port: String,
    /// How long to wait at most; 0: only look
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    socket: Socket,
}

/// Between two questions.
const ASK_EVERY: Duration = Duration::from_millis(100);

impl Args {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let deadline = Instant::now() + Duration::from_secs(self.timeout);
        let path = format!("/ports/{}/propagation", self.id().await?);
        loop {
            let answer: Value =
                self.socket.get(&path, &[]).await?.json().await.context("the server's answer broke off")?;
            let known: Propagation =
                serde_json::from_value(answer.clone()).context("the server's answer is not a propagation")?;
            if known.propagated {
                self.output.print(&answer, |screen| table(&known).render(screen))?;
                return Ok(ExitCode::SUCCESS);
            }
            if Instant::now() >= deadline {
                return Err(self.late(&known).into());
            }
            sleep(ASK_EVERY).await;
        }
    }

    async fn id(&self) -> anyhow::Result<PortId> {
        if let Ok(id) = self.port.parse() {
            return Ok(id);
        }
        let status: Status =
            self.socket.get("/status", &[]).await?.json().await.context("the server's answer is not a status")?;
        let ids: Vec<_> = status.ports.iter().filter(|port| port.name == self.port).map(|port| port.id).collect();
        match ids[..] {
            [only] => Ok(only),
            _ => Err(PORT.unclear(&self.port, &ids.iter().map(ToString::to_string).collect::<Vec<_>>()).into()),
        }
    }

    fn late(&self, known: &Propagation) -> Failure {
        let lagging = known.hosts.iter().filter(|host| host.state == Confirmed::Lagging);
        let lagging = lagging.map(|host| format!("{}: {}", host.host, host.reason.as_deref().unwrap_or("lags")));
        let why = known.unpublished.clone().unwrap_or_else(|| lagging.collect::<Vec<_>>().join("; "));
        let what = format!("port {} is not confirmed everywhere after {} s: {why}", self.port, self.timeout);
        Failure::TimedOut { what, hint: Some("`culvert status` shows hosts, lag and problems".to_owned()) }
    }
}

fn table(known: &Propagation) -> Table {
    let row = |Confirmation { host, state, confirmed, reason }: &Confirmation| {
        let state = match state {
            Confirmed::Confirmed => "confirmed",
            Confirmed::Lagging => "lagging",
            Confirmed::Disconnected => "disconnected",
        };
        let revision = confirmed.map_or_else(|| "-".to_owned(), |revision| revision.to_string());
        [host.to_string(), state.to_owned(), revision, reason.clone().unwrap_or_else(|| "-".to_owned())]
    };
    Table::new(["HOST", "STATE", "REVISION", "REASON"], known.hosts.iter().map(row))
}
