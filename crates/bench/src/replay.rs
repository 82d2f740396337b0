use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lab::Host;
use openflow::codec::{encode, split};
use openflow::{Hello, Message, Version};
use tokio::net::UnixStream;

use crate::recorder::Recorded;
use crate::site::flows;

/// OpenFlow 1.4 section 7.1, `ofp_type`.
const ERROR: u8 = 1;
const BARRIER_REPLY: u8 = 21;

/// The bridge that the replay has to itself.
const BRIDGE: &str = "br-replay";

/// What Open vSwitch can do: flow-mods that are ready as bytes, on one socket that is never waited for while it takes
/// more, offered in one piece; one barrier at the end. On a fresh bridge. The time from the first byte to the barrier's reply.
pub(crate) async fn replay(host: &Host, recorded: &Recorded) -> anyhow::Result<Duration> {
    let make = format!("add-br {BRIDGE} -- set Bridge {BRIDGE} datapath_type=netdev fail_mode=secure");
    host.vsctl(make.split(' ')).await?;
    let took = timed(host, recorded).await?;
    let count = flows(host, BRIDGE).await?;
    host.vsctl(["del-br", BRIDGE]).await?;
    if count < recorded.count as u64 {
        bail!("the replay of {} flow-mods made {count} flows", recorded.count);
    }
    Ok(took)
}

async fn timed(host: &Host, recorded: &Recorded) -> anyhow::Result<Duration> {
    let stream = UnixStream::connect(host.rundir().join(format!("{BRIDGE}.mgmt"))).await?;
    let mut hello = Vec::new();
    encode(&Message::Hello(Hello { versions: Some(1 << Version::V1_4.wire()) }), Version::V1_4, 1, &mut hello)?;
    let mut bytes = recorded.bytes.clone();
    encode(&Message::BarrierRequest, Version::V1_4, 2, &mut bytes)?;
    let (mut answers, mut left) = (Vec::new(), hello.as_slice());
    let mut started: Option<Instant> = None;
    loop {
        if left.is_empty() {
            stream.readable().await?;
        } else {
            tokio::select! { ready = stream.readable() => ready?, ready = stream.writable() => ready? }
        }
        while !left.is_empty() {
            match stream.try_write(left) {
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        match stream.try_read_buf(&mut answers) {
            Ok(0) => bail!("Open vSwitch has closed the connection"),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        }
        while let Some((frame, length)) = split(&answers)? {
            match (frame.kind, started) {
                (ERROR, _) => bail!("Open vSwitch refused a flow-mod: {:?}", frame.body.get(..4)),
                (BARRIER_REPLY, started) => return Ok(started.context("a reply before its request")?.elapsed()),
                // Its hello: both have agreed.
                (0, None) => (left, started) = (&bytes, Some(Instant::now())),
                _ => {}
            }
            answers.drain(..length);
        }
    }
}
