use std::io;
use std::path::PathBuf;

use thiserror::Error as ThisError;

use crate::LabName;

/// What can go wrong with a lab.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    #[error("a lab needs root, for network namespaces: run this as root")]
    NotRoot,
    #[error("\"{0}\" is not a lab name: use 1 to 20 lower-case letters, digits and underscores")]
    LabName(String),
    #[error(
        "\"{0}\" is not a name for a host or a VM: use 1 to 12 lower-case letters, digits, dashes and underscores, \
         a letter or digit first; server, switch and what begins with vm- are taken"
    )]
    NodeName(String),
    #[error(
        "a lab needs at least one host, and each host a name and an endpoint of its own: {0} comes twice or is missing"
    )]
    Hosts(String),
    #[error("lab {0} exists already: `culvert lab down --name {0}` removes it")]
    Exists(LabName),
    #[error("there is no lab {0}: `culvert lab up --name {0}` makes it, `culvert lab list` shows what there is")]
    NoLab(LabName),
    #[error("lab {lab} has no {kind} {name}: it has {known}")]
    Unknown { lab: LabName, kind: &'static str, name: String, known: String },
    #[error("lab {lab} has a node {name} already: `culvert lab status --name {lab}` shows all")]
    NameTaken { lab: LabName, name: String },
    #[error("{node} has a running process {name} already (process id {pid}): stop it first")]
    Running { node: String, name: String, pid: i32 },
    #[error("{tool} is not installed: `scripts/install-deps run` installs what a lab needs")]
    MissingTool { tool: String },
    #[error("`{command}` failed ({status}): {stderr}")]
    Command { command: String, status: String, stderr: String },
    #[error("`{command}` did not end within {seconds} s")]
    Deadline { command: String, seconds: u64 },
    #[error("{process} {what}; the end of {}:\n{tail}", log.display())]
    Process { process: String, what: String, log: PathBuf, tail: String },
    #[error(
        "the link {device} of {node} is not up after {seconds} s; `culvert lab exec {node} -- ip link` shows what it is"
    )]
    Link { node: String, device: String, seconds: u64 },
    #[error("the capture is not complete: {0}")]
    Capture(String),
    #[error("lab {lab} is not all gone: {left} is still there; try again, as root")]
    Left { lab: LabName, left: String },
    #[error("the lab's server does not answer on its REST API: `culvert lab status` shows whether it runs")]
    Request { source: reqwest::Error },
    #[error("the server refused {request} ({status}): {said}")]
    Refused { request: String, status: u16, said: String },
    #[error("the server's answer to {request} is not what was asked for: {answer}")]
    Answer { request: String, answer: String },
    #[error("a task inside a namespace of the lab broke off")]
    Inside,
    #[error("cannot {doing} for probes: is the address on the node, and does nothing else use its UDP port 9?")]
    Probe { doing: &'static str, source: io::Error },
    #[error("cannot {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot run {command}")]
    Spawn { command: String, source: io::Error },
    #[error("{} is not as a lab writes it: `culvert lab down` still removes that lab", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
}

impl Error {
    pub(crate) fn probe(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Probe { doing, source }
    }

    /// For `map_err`: an I/O error with what was being done to which path.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { doing, path, source }
    }
}
