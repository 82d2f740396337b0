use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use crate::{Error, Frame, Node, Process, Signal, pcap};

/// A packet capture that runs.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Process,
    file: PathBuf,
}

/// How long tcpdump may take to be ready or to have read all.
const DEADLINE: Duration = Duration::from_secs(20);

impl Capture {
    pub(crate) async fn start(node: &Node, device: &str, filter: &str) -> Result<Capture, Error> {
        let name = format!("capture-{}", Uuid::new_v4().simple());
        let file = node.state.captures().join(format!("{}.{name}.pcap", node.name()));
        // `-Z root`: else Debian's tcpdump becomes a user who may not write here.
        let mut command = node.command("tcpdump", ["-n", "-U", "--immediate-mode", "-Z", "root", "-i", device, "-w"]);
        command.arg(&file).args(filter.split_whitespace());
        let tcpdump = node.spawn_command(&name, command)?;
        tcpdump.until("listened", DEADLINE, || tcpdump.log().contains("listening on")).await?;
        Ok(Capture { tcpdump, file })
    }

    /// Ends the capture: all frames that passed before this call, in order.
    ///
    /// A signal alone would lose those that the kernel has and tcpdump has not yet read. So tcpdump is asked for its counts
    /// (SIGUSR1) until it has read as many as the kernel gave it.
    pub async fn stop(self) -> Result<Vec<Frame>, Error> {
        let mut asked = 0;
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            self.tcpdump.signal(Signal::USR1);
            asked += 1;
            self.tcpdump
                .until("said what it has read", DEADLINE, || counts(&self.tcpdump.log()).len() >= asked)
                .await?;
            let log = self.tcpdump.log();
            match counts(&log).last() {
                Some(Counts { dropped: 1.., .. }) => return Err(Error::Capture(log)),
                Some(counts) if counts.captured >= counts.received => break,
                _ if tokio::time::Instant::now() > deadline => return Err(Error::Capture(log)),
                _ => {}
            }
        }
        self.tcpdump.end(Signal::INT).await?;
        let bytes = fs::read(&self.file).map_err(Error::io("read", &self.file))?;
        pcap::read(&bytes)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Counts {
    captured: u64,
    received: u64,
    dropped: u64,
}

/// Each answer to SIGUSR1: `tcpdump: 6 packets captured, 12 packets received by filter, 0 packets dropped by kernel`.
fn counts(log: &str) -> Vec<Counts> {
    let parse = |line: &str| {
        let mut parts = line.strip_prefix("tcpdump: ")?.split(", ");
        let mut number = |what: &str| {
            let part = parts.next().filter(|part| part.ends_with(what))?;
            part.split(' ').next()?.parse().ok()
        };
        let (captured, received) = (number("captured")?, number("received by filter")?);
        Some(Counts { captured, received, dropped: number("dropped by kernel")? })
    };
    log.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_tcpdump_says_of_itself() {
        let log = "tcpdump: listening on ul, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n\
                   tcpdump: 6 packets captured, 12 packets received by filter, 0 packets dropped by kernel\n\
                   tcpdump: 1 packet captured, 1 packet received by filter, 2 packets dropped by kernel\n\
                   6 packets captured\n";
        let expected =
            [Counts { captured: 6, received: 12, dropped: 0 }, Counts { captured: 1, received: 1, dropped: 2 }];
        assert_eq!(counts(log), expected);
    }
}
