//! A prober: UDP packets with sequence numbers between points of a lab, at a fixed pace, in both directions of every pair.
//!
//! Each point sends by an absolute schedule: a sender that was held up does not fall behind, and what it could not send in
//! time is counted as *unsent*, never as lost. Each packet names its slot of the schedule, so what arrives late, twice or
//! out of order is told from what does not arrive at all.

mod packet;
mod receiver;
mod report;
mod sender;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use crate::namespace::enter_thread;
use crate::teardown::NAMESPACES;
use crate::{Error, Node};
use receiver::{Arrival, Received};
pub use report::{Loss, PairReport, ProbeReport};
use sender::{Outlet, Sender, Sent};

/// Discard (RFC 863): a service that nobody runs.
const PORT: u16 = 9;

/// Takes half a minute of probes from ten peers at 1 ms while the receiver is held up, in bytes as the kernel counts them.
const RECEIVE_BUFFER: usize = 256 << 20;

/// How long after another a straggler may come once the last probe was sent. They are waited for only while some are missing.
const STRAGGLERS: Duration = Duration::from_millis(300);

/// How long an address may be in use by what is about to let it go.
const IN_USE: Duration = Duration::from_secs(10);

/// How soon threads notice that they are to end.
const NOTICE: Duration = Duration::from_millis(20);

/// One end of probes: a VM or a host, by one of its addresses.
#[derive(Debug, Clone)]
pub struct Point {
    /// What the report calls it.
    pub name: String,
    /// Points of one group probe each other, and nobody else.
    pub group: String,
    pub node: Node,
    pub address: IpAddr,
    /// Bytes of UDP payload of what it sends; 20 at the least.
    pub bytes: usize,
}

/// Probes under way. They end with this.
#[derive(Debug)]
pub struct Probes {
    origin: Instant,
    interval: Duration,
    points: Arc<Vec<Point>>,
    /// Where each point's probes go out; in the order of the points.
    outlets: Vec<Outlet>,
    /// Where points are heard already, and will send from once they have moved.
    arriving: BTreeMap<String, UdpSocket>,
    senders: Vec<JoinHandle<Sent>>,
    receivers: Vec<JoinHandle<Vec<Arrival>>>,
    received: Arc<Received>,
    sending: Arc<AtomicBool>,
    receiving: Arc<AtomicBool>,
}

impl Probes {
    /// Starts to probe, every `interval`, between all points of a group. `name`s must differ within a group.
    pub fn start(interval: Duration, points: Vec<Point>) -> Result<Probes, Error> {
        let sockets = points.iter().map(|point| open(&point.node, point.address)).collect::<Result<Vec<_>, _>>()?;
        let points = Arc::new(points);
        let mut probes = Probes {
            origin: Instant::now(),
            interval,
            received: Arc::new(Received::new(points.len())),
            points,
            outlets: Vec::new(),
            arriving: BTreeMap::new(),
            senders: Vec::new(),
            receivers: Vec::new(),
            sending: Arc::new(AtomicBool::new(true)),
            receiving: Arc::new(AtomicBool::new(true)),
        };
        for socket in &sockets {
            probes.receive(socket)?;
        }
        for (number, socket) in sockets.into_iter().enumerate() {
            probes.send(number, socket)?;
        }
        Ok(probes)
    }

    /// Time since the first slot of the schedule: what the report's times are counted from.
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// How many probes each pair of a group has received so far: sender, receiver, count.
    pub fn counts(&self, group: &str) -> Vec<(&str, &str, u64)> {
        let name = |number: usize| self.points.get(number).filter(|point| point.group == group).map(|at| &*at.name);
        let count = |(from, to)| Some((name(from)?, name(to)?, self.received.count(from, to)));
        self.pairs().filter_map(count).collect()
    }

    /// What arrives for the point at this node counts too from now on, as with a VM that is about to take over from the one
    /// that it is a copy of.
    pub fn arrives(&mut self, point: &str, node: &Node) -> Result<(), Error> {
        let points = self.points.clone();
        let Some(at) = points.iter().find(|at| at.name == point) else { return Ok(()) };
        let socket = open(node, at.address)?;
        self.receive(&socket)?;
        self.arriving.insert(at.name.clone(), socket);
        Ok(())
    }

    /// From now on the point is at another node, as a VM that has been migrated. What still arrives at the old one counts
    /// too.
    pub fn moved(&mut self, point: &str, node: &Node) -> Result<(), Error> {
        if !self.arriving.contains_key(point) {
            self.arrives(point, node)?;
        }
        let number = self.points.iter().position(|at| at.name == point);
        let outlet = number.and_then(|number| self.outlets.get(number));
        if let Some((outlet, socket)) = outlet.zip(self.arriving.remove(point)) {
            *outlet.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = socket;
        }
        Ok(())
    }

    /// Ends the probes, waits for stragglers, and draws the sum.
    pub async fn stop(mut self) -> Result<ProbeReport, Error> {
        self.sending.store(false, Ordering::Relaxed);
        let sent = self.senders.drain(..).map(join).collect::<Result<Vec<_>, _>>()?;
        let due: u64 = sent.iter().map(Sent::total).sum();
        let (mut received, mut since) = (self.received.total(), Instant::now());
        while received < due && since.elapsed() < STRAGGLERS {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = self.received.total();
            if std::mem::replace(&mut received, now) != now {
                since = Instant::now();
            }
        }
        self.receiving.store(false, Ordering::Relaxed);
        let mut arrivals = Vec::new();
        for receiver in self.receivers.drain(..) {
            arrivals.extend(join(receiver)?);
        }
        let pairs: Vec<_> = self.pairs().collect();
        Ok(ProbeReport::draw(self.interval, self.elapsed(), &self.points, &pairs, &sent, &arrivals))
    }

    /// Who sends to whom, by the points' numbers.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let numbered = self.points.iter().enumerate();
        numbered.flat_map(|(from, point)| self.peers(from, point).map(move |to| (from, to)))
    }

    fn peers(&self, number: usize, point: &Point) -> impl Iterator<Item = usize> {
        let others = self.points.iter().enumerate();
        others.filter(move |(other, at)| *other != number && at.group == point.group).map(|(other, _)| other)
    }

    fn receive(&mut self, socket: &UdpSocket) -> Result<(), Error> {
        let socket = socket.try_clone().map_err(Error::probe("share a socket"))?;
        let (received, receiving, origin) = (self.received.clone(), self.receiving.clone(), self.origin);
        let thread = start("receives", move || receiver::run(&socket, origin, &received, &receiving))?;
        self.receivers.push(thread);
        Ok(())
    }

    fn send(&mut self, number: usize, socket: UdpSocket) -> Result<(), Error> {
        let Some(point) = self.points.get(number) else { return Ok(()) };
        let peer = |to: usize| Some((to, SocketAddr::new(self.points.get(to)?.address, PORT)));
        let outlet = Arc::new(Mutex::new(socket));
        let sender = Sender {
            number,
            peers: self.peers(number, point).filter_map(peer).collect(),
            outlet: outlet.clone(),
            origin: self.origin,
            interval: self.interval,
            run: self.received.run,
            bytes: point.bytes,
            sending: self.sending.clone(),
        };
        self.outlets.push(outlet);
        self.senders.push(start("sends", move || sender.run())?);
        Ok(())
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.sending.store(false, Ordering::Relaxed);
        self.receiving.store(false, Ordering::Relaxed);
    }
}

/// A socket in the node's namespace: it stays there, whichever thread uses it.
fn open(node: &Node, address: IpAddr) -> Result<UdpSocket, Error> {
    let path = Path::new(NAMESPACES).join(node.namespace());
    let open = move || -> io::Result<UdpSocket> {
        enter_thread(&path)?;
        let socket = bind(address)?;
        set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
        socket.set_read_timeout(Some(NOTICE))?;
        Ok(socket)
    };
    let failed = Error::probe("open a socket");
    join(start("opens", open)?)?.map_err(failed)
}

/// A process that was started a moment ago holds all that this one has open until it becomes another program: also the
/// sockets of probes that have ended.
fn bind(address: IpAddr) -> io::Result<UdpSocket> {
    let begin = Instant::now();
    loop {
        match UdpSocket::bind((address, PORT)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && begin.elapsed() < IN_USE => thread::sleep(NOTICE),
            done => return done,
        }
    }
}

/// A thread that comes first, where that is permitted: what it measures is not to be its own wait for a core.
fn start<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Error> {
    let first = move || {
        // Not permitted: the report's `unsent` then shows what that costs.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -15);
        run()
    };
    thread::Builder::new().name(format!("probe-{what}")).spawn(first).map_err(Error::probe("start a thread"))
}

fn join<T>(thread: JoinHandle<T>) -> Result<T, Error> {
    thread.join().map_err(|_| Error::Inside)
}
