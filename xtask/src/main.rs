//! Chores of the project.
//!
//! `cargo xtask reliability DIR` writes figures that `make reliability` measured into `docs/reliability.md`.
//! `cargo xtask proto [--check]` writes, or compares, the code that is generated from
//! `crates/sync/proto/sync.proto`. It is checked in, so that a build needs none of the generator's crates.

mod reliability;

use std::path::Path;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["proto"] => proto::write(),
        ["proto", "--check"] => proto::check(),
        ["reliability", directory] => reliability::write(Path::new(directory)),
        _ => bail!("usage: cargo xtask proto [--check] | reliability DIR"),
    }
}

#[cfg(not(feature = "proto"))]
mod proto {
    use anyhow::{Result, bail};

    pub(crate) fn write() -> Result<()> {
        bail!("the generator is not built in: add --features proto to cargo run")
    }

    pub(crate) fn check() -> Result<()> {
        write()
    }
}

#[cfg(feature = "proto")]
mod proto {
    use std::fs;
    use std::path::{Path, PathBuf};

    use anyhow::{Context, Result, bail};

    const FILE: &str = "culvert.sync.v1.rs";

    pub(crate) fn write() -> Result<()> {
        generate(&checked_in())
    }

    pub(crate) fn check() -> Result<()> {
        let fresh = std::env::temp_dir().join(format!("culvert-proto-check-{}", std::process::id()));
        fs::create_dir_all(&fresh)?;
        let same =
            generate(&fresh).and_then(|()| Ok(fs::read(fresh.join(FILE))? == fs::read(checked_in().join(FILE))?));
        fs::remove_dir_all(&fresh)?;
        if !same? {
            bail!("crates/sync/src/gen/{FILE} is not what sync.proto gives: run `cargo xtask proto` and commit");
        }
        println!("crates/sync/src/gen/{FILE} is current");
        Ok(())
    }

    fn generate(into: &Path) -> Result<()> {
        let proto = sync().join("proto");
        let set = protox::compile([proto.join("sync.proto")], [&proto]).context("sync.proto does not compile")?;
        tonic_prost_build::configure().out_dir(into).compile_fds(set).context("no code could be generated")
    }

    fn checked_in() -> PathBuf {
        sync().join("src/gen")
    }

    fn sync() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/sync")
    }
}
