//! What one can ask of a switch.

use tokio::sync::mpsc;
use tracing::debug;

use super::Connection;
use super::outbox::PIECE;
use super::pending::{Answer, Ticket};
use crate::codec;
use crate::error::{Error, Result};
use crate::{
    Aggregate, BundleControl, BundleStep, FlowFilter, FlowMod, FlowMonitor, FlowStats, Message, MultipartReply,
    MultipartRequest, PortDesc, PortNo, PortStats, TableStats, Version,
};

/// Parts of a long answer that may wait for the caller, 64 KiB each on the wire.
const PARTS: usize = 2;

const BUNDLE_FLAGS: u16 = BundleControl::ATOMIC | BundleControl::ORDERED;

/// What became of a batch of flow-mods.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Those that failed, by their index in the batch: [`Error::Switch`] if the switch refused it, another error if it
    /// cannot be written at all.
    pub failed: Vec<(usize, Error)>,
}

impl Outcome {
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty()
    }
}

/// A batch of flow-mods on its way.
#[derive(Debug)]
pub struct Sent {
    connection: Connection,
    barrier: usize,
    answers: mpsc::UnboundedReceiver<Answer>,
    outcome: Outcome,
    _ticket: Ticket,
}

impl Sent {
    /// Waits for the reply to the barrier that was sent last.
    pub async fn outcome(mut self) -> Result<Outcome> {
        self.connection.until(&mut self.answers, self.barrier, &mut self.outcome, "a barrier").await?;
        self.outcome.failed.sort_by_key(|(index, _)| *index);
        Ok(self.outcome)
    }
}

impl Connection {
    /// Sends flow-mods and one barrier after them, and waits for its reply. All but those named as failed are in then.
    ///
    /// If the caller gives up waiting, an unknown part of them is in. Batches sent at the same time from several tasks
    /// may mix.
    pub async fn flow_mods(&self, flow_mods: &[FlowMod]) -> Result<Outcome> {
        self.send_flow_mods(flow_mods).await?.outcome().await
    }

    /// As [`Connection::flow_mods`], but only until all are queued for the switch: so the next batch can follow at once.
    pub async fn send_flow_mods(&self, flow_mods: &[FlowMod]) -> Result<Sent> {
        let (ticket, answers) = self.0.pending.few(flow_mods.len() + 1)?;
        let mut outcome = Outcome::default();
        let mut writer = Writer::new(self, &ticket);
        for (index, flow_mod) in flow_mods.iter().enumerate() {
            if let Err(error) = writer.flow_mod(index, flow_mod).await? {
                outcome.failed.push((index, error));
            }
        }
        writer.message(flow_mods.len(), &Message::BarrierRequest).await??;
        writer.finish().await?;
        Ok(Sent { connection: self.clone(), barrier: flow_mods.len(), answers, outcome, _ticket: ticket })
    }

    /// All of the flow-mods or none of them, in their order: if any is named as failed, nothing has changed.
    ///
    /// The switch holds all in memory and stops forwarding while it commits (about 1.5 µs per flow-mod): keep
    /// bundles bounded. [`Error::Unsupported`] if the switch has no bundles.
    pub async fn bundle(&self, flow_mods: &[FlowMod]) -> Result<Outcome> {
        if !self.supports_bundles().await? {
            return Err(Error::Unsupported { what: "bundles" });
        }
        let count = flow_mods.len();
        let (open, close, commit) = (count, count + 1, count + 2);
        let (ticket, mut answers) = self.0.pending.few(count + 3)?;
        let bundle = ticket.first; // unique on this connection, as the id is
        let step = |step| Message::BundleControl(BundleControl { bundle, step, flags: BUNDLE_FLAGS });
        let mut outcome = Outcome::default();
        let mut writer = Writer::new(self, &ticket);
        writer.message(open, &step(BundleStep::Open)).await??;
        for (index, flow_mod) in flow_mods.iter().enumerate() {
            if let Err(error) = writer.bundled(bundle, index, flow_mod).await? {
                outcome.failed.push((index, error));
            }
        }
        // What is refused when it is added is known once the bundle is closed: answers come in order.
        writer.message(close, &step(BundleStep::Close)).await??;
        writer.finish().await?;
        self.until(&mut answers, open, &mut outcome, "the opening of a bundle").await?;
        let closed = self.until(&mut answers, close, &mut outcome, "the closing of a bundle").await;
        if !outcome.is_ok() {
            // If even this is refused the switch has dropped the bundle by itself.
            let discarded = self.request(&step(BundleStep::Discard)).await;
            debug!(?discarded, failed = outcome.failed.len(), "bundle discarded");
            return Ok(outcome);
        }
        closed?;
        let mut writer = Writer::new(self, &ticket);
        writer.message(commit, &step(BundleStep::Commit)).await??;
        writer.finish().await?;
        match self.until(&mut answers, commit, &mut outcome, "the commit of a bundle").await {
            Err(Error::Switch(_)) if !outcome.is_ok() => Ok(outcome),
            other => other.map(|()| outcome),
        }
    }

    /// From now on the switch tells of all flows that others change ([`super::Event::FlowUpdates`]). `false`: it cannot.
    pub async fn monitor_flows(&self) -> Result<bool> {
        if self.version() < Version::V1_4 {
            return Ok(false);
        }
        let request = Message::MultipartRequest(MultipartRequest::FlowMonitor(FlowMonitor::of_others()));
        match self.request(&request).await {
            Ok(_) => Ok(true),
            Err(Error::Switch(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The switch tells no more, until [`Connection::monitor_flows`].
    pub async fn unmonitor_flows(&self) -> Result<()> {
        let end = FlowMonitor { begin: false, ..FlowMonitor::of_others() };
        self.post(&Message::MultipartRequest(MultipartRequest::FlowMonitor(end))).await
    }

    /// Whether the switch has bundles: tried once, with an empty one.
    pub async fn supports_bundles(&self) -> Result<bool> {
        let attempt = async || {
            let (ticket, mut answers) = self.0.pending.few(2)?;
            let step = |step| Message::BundleControl(BundleControl { bundle: ticket.first, step, flags: BUNDLE_FLAGS });
            let mut writer = Writer::new(self, &ticket);
            writer.message(0, &step(BundleStep::Open)).await??;
            writer.message(1, &step(BundleStep::Discard)).await??;
            writer.finish().await?;
            match self.next(&mut answers, "the opening of a bundle").await? {
                (_, Ok(_)) => Ok(true),
                (_, Err(Error::Switch(error))) => {
                    debug!(%error, "the switch has no bundles");
                    Ok(false)
                }
                (_, Err(error)) => Err(error),
            }
        };
        self.0.bundles.get_or_try_init(attempt).await.copied()
    }

    /// Calls `each` with every flow that the filter lets through, as they come. While `each` runs the connection is not
    /// read, so memory stays bounded; it should be quick.
    pub async fn dump_flows(&self, filter: FlowFilter, mut each: impl FnMut(FlowStats)) -> Result<()> {
        self.multipart(MultipartRequest::Flows(filter), |part| match part {
            MultipartReply::Flows(flows) => {
                flows.into_iter().for_each(&mut each);
                Some(())
            }
            _ => None,
        })
        .await
    }

    /// How many flows, packets and bytes the filter lets through.
    pub async fn aggregate(&self, filter: FlowFilter) -> Result<Aggregate> {
        let mut sums = Aggregate { packets: 0, bytes: 0, flows: 0 };
        self.multipart(MultipartRequest::Aggregate(filter), |part| match part {
            MultipartReply::Aggregate(all) => {
                sums = all;
                Some(())
            }
            _ => None,
        })
        .await?;
        Ok(sums)
    }

    /// The bridge's ports, the local one included.
    pub async fn port_descs(&self) -> Result<Vec<PortDesc>> {
        let mut ports = Vec::new();
        self.multipart(MultipartRequest::PortDescs, |part| match part {
            MultipartReply::PortDescs(more) => {
                ports.extend(more);
                Some(())
            }
            _ => None,
        })
        .await?;
        Ok(ports)
    }

    /// Counters of one port, or of all ([`crate::port::ANY`]).
    pub async fn port_stats(&self, port: PortNo) -> Result<Vec<PortStats>> {
        let mut ports = Vec::new();
        self.multipart(MultipartRequest::PortStats(port), |part| match part {
            MultipartReply::PortStats(more) => {
                ports.extend(more);
                Some(())
            }
            _ => None,
        })
        .await?;
        Ok(ports)
    }

    /// Counters of every table.
    pub async fn table_stats(&self) -> Result<Vec<TableStats>> {
        let mut tables = Vec::new();
        self.multipart(MultipartRequest::Tables, |part| match part {
            MultipartReply::Tables(more) => {
                tables.extend(more);
                Some(())
            }
            _ => None,
        })
        .await?;
        Ok(tables)
    }

    /// Waits until the switch has done all that it was asked before.
    pub async fn barrier(&self) -> Result<()> {
        match self.request(&Message::BarrierRequest).await? {
            Message::BarrierReply => Ok(()),
            _ => Err(Error::Unexpected { what: "a barrier" }),
        }
    }

    /// Any message that has one answer, [`Message::Opaque`] ones included; the answer.
    pub async fn request(&self, message: &Message) -> Result<Message> {
        let (ticket, mut answers) = self.0.pending.few(1)?;
        let mut writer = Writer::new(self, &ticket);
        writer.message(0, message).await??;
        writer.finish().await?;
        self.next(&mut answers, "a request").await?.1
    }

    /// Any message that has no answer.
    pub async fn post(&self, message: &Message) -> Result<()> {
        let (ticket, _answers) = self.0.pending.few(1)?;
        let mut writer = Writer::new(self, &ticket);
        writer.message(0, message).await??;
        writer.finish().await
    }

    /// Sends the request and gives each part of the reply to `take`, which says whether it is of the right kind.
    async fn multipart(
        &self,
        request: MultipartRequest,
        mut take: impl FnMut(MultipartReply) -> Option<()>,
    ) -> Result<()> {
        let (ticket, mut parts) = self.0.pending.many(PARTS)?;
        let mut writer = Writer::new(self, &ticket);
        writer.message(0, &Message::MultipartRequest(request)).await??;
        writer.finish().await?;
        loop {
            let limit = self.0.options.answer;
            let part = tokio::time::timeout(limit, parts.recv()).await;
            let part = part.map_err(|_| Error::Timeout { what: "a multipart request", after: limit })?;
            let unexpected = Error::Unexpected { what: "a multipart request" };
            match part.ok_or_else(|| self.0.pending.reason())?.1? {
                Message::MultipartReply { more, part } => {
                    take(part).ok_or(unexpected)?;
                    if !more {
                        return Ok(());
                    }
                }
                _ => return Err(unexpected),
            }
        }
    }

    /// Collects refusals until message `last` is answered.
    async fn until(
        &self,
        answers: &mut mpsc::UnboundedReceiver<Answer>,
        last: usize,
        outcome: &mut Outcome,
        what: &'static str,
    ) -> Result<()> {
        loop {
            match self.next(answers, what).await? {
                (index, answer) if index == last => return answer.map(|_| ()),
                (index, Err(error)) => outcome.failed.push((index, error)),
                (_, Ok(_)) => return Err(Error::Unexpected { what }),
            }
        }
    }

    async fn next(&self, answers: &mut mpsc::UnboundedReceiver<Answer>, what: &'static str) -> Result<Answer> {
        let limit = self.0.options.answer;
        let answer = tokio::time::timeout(limit, answers.recv()).await;
        answer.map_err(|_| Error::Timeout { what, after: limit })?.ok_or_else(|| self.0.pending.reason())
    }
}

/// Encodes a request's messages and queues them in large pieces.
///
/// Results are double: the outer one is the connection's, the inner one says whether the message can be written at all.
struct Writer<'a> {
    connection: &'a Connection,
    first: u32,
    bytes: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(connection: &'a Connection, ticket: &Ticket) -> Self {
        Writer { connection, first: ticket.first, bytes: Vec::new() }
    }

    async fn message(&mut self, index: usize, message: &Message) -> Result<Result<()>> {
        let encoded = codec::encode(message, self.version(), self.xid(index), &mut self.bytes);
        self.flush().await.map(|()| encoded)
    }

    async fn flow_mod(&mut self, index: usize, flow_mod: &FlowMod) -> Result<Result<()>> {
        let encoded = codec::encode_flow_mod(flow_mod, self.version(), self.xid(index), &mut self.bytes);
        self.flush().await.map(|()| encoded)
    }

    async fn bundled(&mut self, bundle: u32, index: usize, flow_mod: &FlowMod) -> Result<Result<()>> {
        let bundle = (bundle, BUNDLE_FLAGS);
        let encoded = codec::encode_bundled(bundle, flow_mod, self.version(), self.xid(index), &mut self.bytes);
        self.flush().await.map(|()| encoded)
    }

    fn version(&self) -> Version {
        self.connection.0.version
    }

    fn xid(&self, index: usize) -> u32 {
        self.first.wrapping_add(u32::try_from(index).unwrap_or(0))
    }

    async fn flush(&mut self) -> Result<()> {
        if self.bytes.len() < PIECE {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.bytes, Vec::with_capacity(PIECE + (PIECE >> 3)));
        self.send(piece).await
    }

    async fn finish(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.bytes);
        if rest.is_empty() { Ok(()) } else { self.send(rest).await }
    }

    async fn send(&self, piece: Vec<u8>) -> Result<()> {
        let sent = self.connection.0.outbox.send(piece).await;
        if sent { Ok(()) } else { Err(self.connection.0.pending.reason()) }
    }
}
