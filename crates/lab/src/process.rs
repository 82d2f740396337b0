use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::state::{self, StateDir};

/// How long a process may take to end when asked to.
const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// Which process: its id alone may have passed to another by the time it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: i32,
    /// Clock ticks since boot (proc_pid_stat(5), field 22).
    pub start: u64,
}

impl Identity {
    /// The process that has this id now, unless it is a zombie that is all gone.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (start, gone) = parse_stat(&stat)?;
        (!gone).then_some(Identity { pid, start })
    }

    pub fn is_alive(self) -> bool {
        Identity::of(self.pid) == Some(self)
    }

    /// Sends the signal; false if the process has ended.
    pub fn signal(self, signal: Signal) -> bool {
        self.open().is_some_and(|fd| pidfd_send_signal(fd, signal).is_ok())
    }

    /// Blocks until the process has ended, all its threads included; false if it has not in that time.
    pub fn wait(self, timeout: Duration) -> bool {
        let Some(fd) = self.open() else { return true };
        let timeout = Timespec { tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: 0 };
        matches!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)), Ok(ready) if ready > 0)
    }

    /// A handle that can never mean another process: opened first, compared after.
    fn open(self) -> Option<OwnedFd> {
        let fd = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        self.is_alive().then_some(fd)
    }
}

/// Start time, and whether the process is a zombie without living threads. The name in the line may hold anything, `)` too.
fn parse_stat(stat: &str) -> Option<(u64, bool)> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let zombie = matches!(*fields.first()?, "Z" | "X");
    let threads: u64 = fields.get(17)?.parse().ok()?;
    Some((fields.get(19)?.parse().ok()?, zombie && threads <= 1))
}

/// A process that the lab started and goes on without whoever started it.
#[derive(Debug, Clone)]
pub struct Process {
    record: Record,
    record_path: PathBuf,
    log: PathBuf,
}

/// What the state directory keeps of a process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The node it runs on and what it is called there: `compute1`, `ovs-vswitchd`.
    pub(crate) node: String,
    pub(crate) name: String,
    pub(crate) identity: Identity,
    pub(crate) command: String,
}

impl Process {
    /// `compute1 ovs-vswitchd`.
    pub fn title(&self) -> String {
        format!("{} {}", self.record.node, self.record.name)
    }

    pub fn node(&self) -> &str {
        &self.record.node
    }

    pub fn name(&self) -> &str {
        &self.record.name
    }

    pub fn pid(&self) -> i32 {
        self.record.identity.pid
    }

    pub fn identity(&self) -> Identity {
        self.record.identity
    }

    /// The command line that it was started with.
    pub fn command(&self) -> &str {
        &self.record.command
    }

    pub fn is_alive(&self) -> bool {
        self.record.identity.is_alive()
    }

    /// Sends a signal, as `SIGSTOP` for a process that hangs; false if the process has ended.
    pub fn signal(&self, signal: Signal) -> bool {
        self.record.identity.signal(signal)
    }

    /// Asks the process to end (SIGTERM) and waits for that. No error if it has ended already.
    pub async fn stop(&self) -> Result<(), Error> {
        self.end(Signal::TERM).await
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    pub async fn kill(&self) -> Result<(), Error> {
        self.end(Signal::KILL).await
    }

    /// Sends the signal and waits for the end.
    pub(crate) async fn end(&self, signal: Signal) -> Result<(), Error> {
        self.signal(signal);
        if !self.ended_within(STOP_DEADLINE).await {
            return Err(self.error(&format!("still ran {} s after {signal:?}", STOP_DEADLINE.as_secs())));
        }
        match fs::remove_file(&self.record_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &self.record_path)(error)),
            _ => Ok(()),
        }
    }

    /// Waits for the process to end by itself; false if it has not in that time.
    pub async fn ended_within(&self, timeout: Duration) -> bool {
        let identity = self.record.identity;
        tokio::task::spawn_blocking(move || identity.wait(timeout)).await.unwrap_or(false)
    }

    /// All that the process has printed so far, standard output and error together.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until the process is ready; if it ends or is not ready in time, the error holds the end of its log.
    pub async fn until(&self, what: &str, timeout: Duration, ready: impl Fn() -> bool) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            // Asked first, so that what a process did just before it ended still counts.
            let alive = self.is_alive();
            if ready() {
                return Ok(());
            }
            if !alive {
                return Err(self.error(&format!("ended before it {what}")));
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(self.error(&format!("has not {what} within {} s", timeout.as_secs())));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The last lines of the log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
    }

    pub(crate) fn error(&self, what: &str) -> Error {
        let (what, log, tail) = (what.to_owned(), self.log.clone(), self.log_tail());
        Error::Process { process: self.title(), what, log, tail }
    }

    /// Keeps the record of a process that has just been started.
    pub(crate) fn remember(state: &StateDir, record: Record) -> Result<Process, Error> {
        let process = Process::from_record(state, record);
        state::write_json(&process.record_path, &process.record)?;
        Ok(process)
    }

    /// The process by this name that the state directory knows, alive or not.
    pub(crate) fn find(state: &StateDir, node: &str, name: &str) -> Result<Option<Process>, Error> {
        let record = state::read_json(&state.process(node, name))?;
        Ok(record.map(|record| Process::from_record(state, record)))
    }

    /// All processes that the state directory knows, alive or not.
    pub(crate) fn all(state: &StateDir) -> Result<Vec<Process>, Error> {
        let records = state::json_files(&state.processes()).into_iter().map(|path| state::read_json(&path));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        Ok(records.into_iter().flatten().map(|record| Process::from_record(state, record)).collect())
    }

    fn from_record(state: &StateDir, record: Record) -> Process {
        let record_path = state.process(&record.node, &record.name);
        let log = state.log(&record.node, &record.name);
        Process { record, record_path, log }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_its_id_and_its_start() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let identity = Identity::of(pid).unwrap();
        let recycled = Identity { start: identity.start + 1, ..identity };
        assert!(identity.is_alive() && !recycled.is_alive());

        assert!(!recycled.signal(Signal::KILL), "another process with the same id is not touched");
        assert!(!identity.wait(Duration::from_secs(0)), "and so it lives on");
        assert!(identity.signal(Signal::KILL));
        assert!(identity.wait(Duration::from_secs(10)), "a zombie counts as ended");
        assert!(!identity.is_alive());
        child.wait().unwrap();
    }

    #[test]
    fn reads_a_stat_line_with_a_hostile_name() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 4 18 777 20";
        assert_eq!(parse_stat(&format!("42 (a) Z 1 (b)) {tail}")), Some((777, false)));
        assert_eq!(parse_stat(&format!("42 (x) {}", tail.replacen('S', "Z", 1))), Some((777, false)));
        let last = tail.replacen('S', "Z", 1).replace(" 4 18", " 1 18");
        assert_eq!(parse_stat(&format!("42 (x) {last}")), Some((777, true)));
        assert_eq!(parse_stat("42 (x) S 1"), None);
    }
}
