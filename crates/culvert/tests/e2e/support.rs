//! What all tests use: a lab that is gone when the test is over, and things to put into it.

use std::ops::Deref;
use std::path::Path;
use std::process;
use std::time::{Duration, Instant};

use lab::{HostSpec, Identity, Lab, LabName, Spec, Vm, VmSpec};
use model::Mac;
use uuid::Uuid;

/// Where the tests' labs keep their state: apart from a person's.
pub(crate) const BASE: &str = "/run/culvert-lab-tests";

/// A lab that is removed when this goes out of scope, on a panic too. The test fails at once where it cannot be made.
#[derive(Debug)]
pub(crate) struct TestLab(Lab);

impl TestLab {
    /// A lab of `compute1` and `compute2`. `name` is the test's own, 8 bytes at most.
    pub(crate) async fn of_two(name: &str) -> TestLab {
        TestLab::of(name, &[("compute1", 31), ("compute2", 39)]).await
    }

    /// The lab of the reference scenario: `compute1`, `compute2` and `network`.
    pub(crate) async fn of_three(name: &str) -> TestLab {
        TestLab::of(name, &[("compute1", 31), ("compute2", 39), ("network", 21)]).await
    }

    async fn of(name: &str, hosts: &[(&str, u8)]) -> TestLab {
        sweep();
        let mut spec = Spec::new(lab_name(name)).unwrap();
        spec.base = BASE.into();
        spec.culvert = env!("CARGO_BIN_EXE_culvert").into();
        spec.hosts = hosts.iter().map(|(name, last)| HostSpec::new(name, *last).unwrap()).collect();
        match Lab::up(&spec).await {
            Ok(lab) => TestLab(lab),
            Err(error) => panic!("the lab did not come up: {error}"),
        }
    }

    /// Plugs a VM with one address into a host; its MAC and port id are its number's.
    pub(crate) async fn plug_vm(&self, number: u8, host: &str, address: &str, mtu: u32) -> Vm {
        let spec = VmSpec {
            name: format!("vm{number}").parse().unwrap(),
            port: model::PortId(Uuid::from_u128(u128::from(number) << 96)),
            mac: Mac([0xfa, 0x16, 0x3e, 0, 0, number]),
            addresses: vec![address.parse().unwrap()],
            mtu,
        };
        self.plug(host, spec).await.unwrap()
    }
}

impl Deref for TestLab {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.0
    }
}

impl Drop for TestLab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in self.processes().unwrap_or_default() {
                eprintln!("--- the end of the log of {}:\n{}", process.title(), process.log_tail());
            }
        }
        if let Err(error) = self.down() {
            eprintln!("{error}");
        }
    }
}

/// `t<process id>_<name>`: the tests' labs never meet, and of each one can tell whether its test still runs.
pub(crate) fn lab_name(name: &str) -> LabName {
    format!("t{}_{name}", process::id()).parse().unwrap()
}

/// Removes what is left of tests that were killed: nobody else would.
fn sweep() {
    for name in lab::list(Path::new(BASE)) {
        let text = name.to_string();
        let owner = text.strip_prefix('t').and_then(|rest| rest.split_once('_')?.0.parse().ok());
        if owner.is_some_and(|pid| Identity::of(pid).is_none()) {
            let _ = lab::down(Path::new(BASE), &name);
        }
    }
}

/// Waits for something that must come, and fails the test with `what` if it does not in half a minute.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "this has not come about: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
