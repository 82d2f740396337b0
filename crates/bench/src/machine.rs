use std::fmt;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

/// Ticks a second in `/proc`: `USER_HZ`, which is the same on every machine that Linux runs on today.
const TICKS: u64 = 100;

/// What the figures were taken on, and when.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) date: String,
    processor: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    switch: String,
}

impl Machine {
    pub(crate) fn look() -> anyhow::Result<Machine> {
        let read = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
        let value = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = value(&read("/proc/meminfo")?, "MemTotal");
        let kib: u64 = memory.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        Ok(Machine {
            date: output("date", &["-u", "+%Y-%m-%d %H:%M UTC"])?,
            processor: value(&read("/proc/cpuinfo")?, "model name"),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: (kib + (1 << 19)) >> 20,
            kernel: output("uname", &["-r"])?,
            switch: output("ovs-vswitchd", &["--version"])?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { date, processor, cores, memory_gib, kernel, switch } = self;
        write!(f, "{date}; {processor}, {cores} cores, {memory_gib} GiB; Linux {kernel}; {switch}, userspace datapath")
    }
}

/// How much else there is to do: processes that run or want to, averaged over one minute.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Resident memory of a process in bytes (`VmRSS`, proc(5)).
pub(crate) fn resident(pid: i32) -> anyhow::Result<u64> {
    in_status(pid, "VmRSS:")
}

fn in_status(pid: i32, name: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("no {name} in the process's status"))? << 10)
}

/// The most memory that a process had since [`forget_peak`], in bytes (`VmHWM`, proc(5)).
pub(crate) fn peak(pid: i32) -> anyhow::Result<u64> {
    in_status(pid, "VmHWM:")
}

/// What the process has now becomes the most that it had.
pub(crate) fn forget_peak(pid: i32) -> anyhow::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("the process has ended")
}

/// Processor time that a process has taken, all threads together (`utime` and `stime`, proc(5)).
pub(crate) fn processor_time(pid: i32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
    // The name is in brackets and may have anything in it; the times are the 12th and 13th fields behind it.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

fn output(program: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(args).output().with_context(|| format!("cannot run {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}
