use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lab::Host;
use openflow::codec::{encode, split};
use openflow::{Hello, Message, Version};
use tokio::net::UnixStream;

use crate::recorder::Recorded;
use crate::report::{Figure, Verdict};
use crate::samples::Samples;
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

/// Flow-mods a second below which the machine is too busy, or too slow, to say anything.
pub(crate) const LEAST_REPLAYED: f64 = 100_000.0;
/// Rounds at most until one is beside replays that say something.
const ROUNDS: usize = 3;

/// What was measured in turns with replays of the same flow-mods.
pub(crate) struct Beside {
    times: Samples,
    replays: Samples,
    rounds: usize,
}

/// Measures in rounds, each of its own and giving both times, until the replays say something.
pub(crate) async fn beside_replays(
    recorded: &Recorded,
    mut round: impl AsyncFnMut() -> anyhow::Result<(Samples, Samples)>,
) -> anyhow::Result<Beside> {
    let mut rounds = 0;
    loop {
        let (times, replays) = round().await?;
        rounds += 1;
        let beside = Beside { times, replays, rounds };
        if beside.rate(recorded) >= LEAST_REPLAYED || rounds == ROUNDS {
            return Ok(beside);
        }
    }
}

impl Beside {
    /// Flow-mods a second that were replayed.
    fn rate(&self, recorded: &Recorded) -> f64 {
        recorded.count as f64 / self.replays.median().as_secs_f64()
    }

    /// `most`: times the replay that it may take.
    pub(crate) fn figure(&self, what: &str, recorded: &Recorded, most: f64, quoted: Option<&str>) -> Figure {
        let rate = self.rate(recorded);
        let ratio = self.times.median().as_secs_f64() / self.replays.median().as_secs_f64();
        Figure {
            what: format!("{what} (round {})", self.rounds),
            value: self.times.spread(),
            reference: format!(
                "the same {} flow-mods replayed: {}, {rate:.0}/s{}",
                recorded.count,
                self.replays.spread(),
                quoted.map(|quoted| format!("; quoted: {quoted}")).unwrap_or_default(),
            ),
            ratio: Some(ratio),
            target: format!("≤ {most} × the replay"),
            verdict: if rate >= LEAST_REPLAYED { Verdict::of(ratio <= most) } else { Verdict::Invalid },
        }
    }
}
