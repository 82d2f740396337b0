//! A lab of one host, gone when the test is over.

use std::ops::Deref;

use lab::{Host, HostSpec, Lab, Spec};

pub(crate) struct OneHost {
    lab: Lab,
    host: Host,
}

impl OneHost {
    /// `name`: the test's own, 8 bytes at most.
    pub(crate) async fn up(name: &str) -> OneHost {
        let mut spec = Spec::new(format!("s{}_{name}", std::process::id()).parse().unwrap()).unwrap();
        spec.base = "/run/culvert-lab-tests".into();
        spec.hosts = vec![HostSpec::new("one", 31).unwrap()];
        let lab = Lab::up(&spec).await.unwrap_or_else(|error| panic!("the lab did not come up: {error}"));
        let host = lab.host("one").unwrap();
        OneHost { lab, host }
    }
}

impl Deref for OneHost {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Drop for OneHost {
    fn drop(&mut self) {
        if let Err(error) = self.lab.down() {
            eprintln!("{error}");
        }
    }
}
