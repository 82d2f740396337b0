use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use model::{HostName, Segment, TunnelType};
use server::admin::report::{ExplainDrop, Explanation};

use super::admin::Socket;

/// Say why something happens
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Why a host drops frames that come in over a tunnel with some key
    ///
    /// Example: culvert explain drop --host compute1 --tunnel vxlan --key 6
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
    socket: Socket,
}

impl Verb {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let Verb::Drop(Drop { host, tunnel, key, from, socket }) = self;
        let Segment { tunnel_type, key } = Segment::new(tunnel, key.into())?;
        let answer = socket.post("/explain/drop", &ExplainDrop { host, tunnel_type, key, from }).await?;
        let Explanation { explanation } = answer.json().await.context("the server's answer is not an explanation")?;
        println!("{explanation}");
        Ok(ExitCode::SUCCESS)
    }
}
