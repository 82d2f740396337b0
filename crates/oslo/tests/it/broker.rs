//! A real RabbitMQ on the loopback interface, with ports and directories of its own.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Debian's; the one in the path gives root's rights away, and then cannot write here.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

pub(crate) struct RabbitMq {
    dir: TempDir,
    pub(crate) port: u16,
    distribution: u16,
    names: u16,
    /// Erlang's name server.
    epmd: Child,
    server: Option<Child>,
}

impl RabbitMq {
    pub(crate) fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("culvert-rabbitmq-").tempdir().unwrap();
        let [port, distribution, names] = free_ports();
        let settings = format!("loopback_users = none\nlisteners.tcp.1 = 127.0.0.1:{port}\nlog.file.level = warning\n");
        std::fs::write(dir.path().join("rabbitmq.conf"), settings).unwrap();
        std::fs::write(dir.path().join("plugins"), "[].").unwrap();
        let mut epmd = Command::new("epmd");
        epmd.args(["-port", &names.to_string(), "-address", "127.0.0.1"]);
        let epmd = silent(&mut epmd, dir.path()).spawn().unwrap();
        let mut rabbit = RabbitMq { dir, port, distribution, names, epmd, server: None };
        rabbit.start_again();
        rabbit
    }

    /// With what it had on its disk.
    pub(crate) fn start_again(&mut self) {
        let dir = self.dir.path();
        let mut server = Command::new(SERVER);
        server
            .env("HOME", dir)
            .env("RABBITMQ_NODENAME", "culvert@localhost")
            .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("plugins"))
            .env("RABBITMQ_MNESIA_BASE", dir.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", dir.join("log"))
            .env("RABBITMQ_PID_FILE", dir.join("pid"))
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.names.to_string())
            // It gets a group of its own, so that all of it can be killed.
            .process_group(0);
        self.server = Some(silent(&mut server, dir).spawn().unwrap());
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let group = format!("-{}", server.id());
            Command::new("kill").args(["-9", "--", &group]).status().unwrap();
            server.wait().unwrap();
        }
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.kill();
        let _ = self.epmd.kill();
        let _ = self.epmd.wait();
    }
}

fn silent<'a>(command: &'a mut Command, dir: &Path) -> &'a mut Command {
    let log = std::fs::File::options().create(true).append(true).open(dir.join("output")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log)
}

/// All held until all are known.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.each_ref().map(|listener| listener.local_addr().unwrap().port())
}
