use std::ffi::OsStr;
use std::path::Path;
use std::time::Instant;

use tokio::task::JoinSet;

use crate::control::without_settings;
use crate::ovs::AS_OVS;
use crate::rest;
use crate::state::{self, StateDir};
use crate::teardown::{namespaces_of, remove_namespace};
use crate::topology::{self, SERVER, SWITCH};
use crate::vm::{Record, Vm, VmSpec};
use crate::{Error, Host, LabName, Node, Process, Spec, down};

/// A lab that is up. It goes on when this is dropped: [`Lab::down`] removes it.
#[derive(Debug, Clone)]
pub struct Lab {
    spec: Spec,
    pub(crate) state: StateDir,
}

impl Lab {
    /// Makes the lab and waits until every host's OVS is ready. On an error nothing of it is left.
    pub async fn up(spec: &Spec) -> Result<Lab, Error> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::NotRoot);
        }
        spec.check()?;
        let lab = Lab { spec: spec.clone(), state: StateDir::new(&spec.base, &spec.name) };
        if !namespaces_of(&spec.name).is_empty() || !lab.state.create()? {
            return Err(Error::Exists(spec.name.clone()));
        }
        let made = lab.make().await;
        if made.is_err() {
            // The first error is the one to tell.
            let _ = lab.down();
        }
        made.map(|()| lab)
    }

    /// Finds a lab that is up.
    pub fn open(base: &Path, name: &LabName) -> Result<Lab, Error> {
        let state = StateDir::new(base, name);
        let spec = state::read_json(&state.lab())?.ok_or_else(|| Error::NoLab(name.clone()))?;
        Ok(Lab { spec, state })
    }

    /// Removes the lab; see [`down`].
    pub fn down(&self) -> Result<(), Error> {
        down(&self.spec.base, &self.spec.name)
    }

    pub fn name(&self) -> &LabName {
        &self.spec.name
    }

    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The hosts in the order of the spec.
    pub fn hosts(&self) -> Vec<Host> {
        self.spec.hosts.iter().map(|host| Host::new(&self.spec, host, &self.state)).collect()
    }

    pub fn host(&self, name: &str) -> Result<Host, Error> {
        let found = self.hosts().into_iter().find(|host| host.name() == name);
        found.ok_or_else(|| self.unknown("host", name, self.spec.hosts.iter().map(|host| host.name.to_string())))
    }

    /// The node that the server runs on; its address is [`SERVER_ADDRESS`](crate::SERVER_ADDRESS).
    pub fn server(&self) -> Node {
        let environment = vec![
            ("CULVERT_SOCKET", self.admin_socket().display().to_string()),
            ("OS_AUTH_TYPE", "none".to_owned()),
            ("OS_ENDPOINT", rest::ENDPOINT.to_owned()),
        ];
        Node::new(&self.spec.name, SERVER, &self.state).with_environment(environment)
    }

    /// The node with the Linux bridges that join all others.
    pub fn switch(&self) -> Node {
        Node::new(&self.spec.name, SWITCH, &self.state)
    }

    /// The VMs that are plugged, in the order of their names.
    pub fn vms(&self) -> Result<Vec<Vm>, Error> {
        let records = state::json_files(&self.state.vms()).into_iter().map(|path| state::read_json::<Record>(&path));
        let records = records.collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
        Ok(records.map(|record| Vm::new(&self.spec.name, record, &self.state)).collect())
    }

    pub fn vm(&self, name: &str) -> Result<Vm, Error> {
        let vms = self.vms()?;
        let found = vms.iter().find(|vm| vm.spec().name.as_str() == name).cloned();
        found.ok_or_else(|| self.unknown("VM", name, vms.iter().map(|vm| vm.spec().name.to_string())))
    }

    /// A host, a VM, `server` or `switch` by its name.
    pub fn node(&self, name: &str) -> Result<Node, Error> {
        let mut nodes = vec![(SERVER.to_owned(), self.server()), (SWITCH.to_owned(), self.switch())];
        nodes.extend(self.hosts().iter().map(|host| (host.name().to_owned(), Node::clone(host))));
        nodes.extend(self.vms()?.iter().map(|vm| (vm.spec().name.to_string(), Node::clone(vm))));
        let found = nodes.iter().find(|(known, _)| known == name).map(|(_, node)| node.clone());
        found.ok_or_else(|| self.unknown("node", name, nodes.into_iter().map(|(known, _)| known)))
    }

    /// All processes that the lab started, alive or not.
    pub fn processes(&self) -> Result<Vec<Process>, Error> {
        Process::all(&self.state)
    }

    /// Starts `culvert server` with these arguments, as the process `server`.
    pub fn start_server<I, S>(&self, args: I) -> Result<Process, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let server = self.server();
        // On a machine of its own it would have no Open vSwitch beside it.
        let mut command = server.command("nice", AS_OVS);
        command.arg(&self.spec.culvert).arg("server").args(args);
        server.spawn_command("server", without_settings(command))
    }

    /// Makes a VM and plugs it into a host's `br-int`, with tag 4095: in no network until somebody wires it.
    pub async fn plug(&self, host: &str, spec: VmSpec) -> Result<Vm, Error> {
        let host = self.host(host)?;
        let taken = self.hosts().iter().any(|host| host.name() == spec.name.as_str());
        if taken || self.vms()?.iter().any(|vm| vm.spec().name == spec.name) {
            return Err(Error::NameTaken { lab: self.spec.name.clone(), name: spec.name.to_string() });
        }
        let record = Record { spec, host: host.spec.name.clone() };
        // Written first: whatever comes of it, the lab knows that there may be such a VM.
        state::write_json(&self.state.vm(record.spec.name.as_str()), &record)?;
        let vm = Vm::new(&self.spec.name, record, &self.state);
        let plugged = vm.plug(&host).await;
        if plugged.is_err() {
            let _ = self.unplug(vm.spec().name.as_str()).await;
        }
        plugged.map(|()| vm)
    }

    /// Takes the VM off its host and removes it with all that runs in it.
    pub async fn unplug(&self, vm: &str) -> Result<(), Error> {
        let vm = self.vm(vm)?;
        let unplugged = vm.unplug(&self.host(vm.host().as_str())?).await;
        // The VM goes even if OVS does not answer.
        remove_namespace(vm.namespace());
        let record = self.state.vm(vm.spec().name.as_str());
        std::fs::remove_file(&record).map_err(Error::io("remove", &record))?;
        unplugged
    }

    async fn make(&self) -> Result<(), Error> {
        let started = Instant::now();
        state::write_json(&self.state.lab(), &self.spec)?;
        topology::make(self).await?;
        tracing::info!("lab {}: namespaces and links ({:.1?})", self.spec.name, started.elapsed());
        let mut starting = JoinSet::new();
        for host in self.hosts() {
            starting.spawn(async move { host.start_ovs().await.map(|()| host) });
        }
        while let Some(joined) = starting.join_next().await {
            match joined.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic())) {
                Ok(host) => {
                    let (name, endpoint) = (host.name(), host.endpoint());
                    tracing::info!("host {name}: Open vSwitch is up, endpoint {endpoint} ({:.1?})", started.elapsed());
                }
                Err(error) => {
                    // The others must have stopped starting things before all is taken down.
                    starting.shutdown().await;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn unknown(&self, kind: &'static str, name: &str, known: impl Iterator<Item = String>) -> Error {
        let known = known.collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        Error::Unknown { lab: self.spec.name.clone(), kind, name: name.to_owned(), known }
    }
}
