use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use model::{HostName, Segment, TunnelType};
use server::admin::report::{ExplainDrop, Explanation};

use super::admin::Socket;
use super::exit::Failure;
use super::output::Output;

/// Say why something happens
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Example:
  culvert explain drop --host compute1 --tunnel vxlan --key 6")]
pub(crate) enum Verb {
    /// Why a host drops frames that come in over a tunnel with some key
    #[command(after_help = "\
Examples:
  culvert explain drop --host compute1 --tunnel vxlan --key 6
  culvert explain drop --host compute1 --tunnel gre --key 6 --from 10.0.1.39")]
    Drop(Drop),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Drop {
    /// The host that drops the frames
    #[arg(long)]
    host: HostName,
    /// The tunnel type that they come over: gre or vxlan
    #[arg(long, value_name = "TYPE")]
    tunnel: TunnelType,
    /// Their tunnel key (VNI, GRE key)
    #[arg(long)]
    key: u32,
    /// The tunnel endpoint that sends them [default: any]
    #[arg(long, value_name = "ENDPOINT")]
    from: Option<IpAddr>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    socket: Socket,
}

impl Verb {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let Verb::Drop(Drop { host, tunnel, key, from, output, socket }) = self;
        let segment = Segment::new(tunnel, key.into()).map_err(|error| Failure::Usage { what: error.to_string() })?;
        let Segment { tunnel_type, key } = segment;
        let answer = socket.post("/explain/drop", &ExplainDrop { host, tunnel_type, key, from }).await?;
        let answer: Explanation = answer.json().await.context("the server's answer is not an explanation")?;
        output.print(&serde_json::to_value(&answer)?, |_| answer.explanation.clone())?;
        Ok(ExitCode::SUCCESS)
    }
}
