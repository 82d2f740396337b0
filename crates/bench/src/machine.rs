use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::Context as _;

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
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.context("no VmRSS in the process's status")? << 10)
}

fn output(program: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(args).output().with_context(|| format!("cannot run {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}
