use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, LabName};

/// A lab's state directory: what was made and where its logs are, for whoever comes later.
///
/// ```text
/// lab.json                   what the lab is (a `Spec`), written before anything else is made
/// processes/<node>.<name>.json   a process that runs in it: process id, start time, command
/// vms/<vm>.json              a VM: what it is and where it is plugged
/// logs/<node>.<name>.log     what that process printed
/// captures/                  packet captures
/// hosts/<host>/              the host's OVS run directory: database, sockets
/// control/<node>/            what `culvert server` and `culvert agent` keep: database, admin socket
/// ```
///
/// A file per thing instead of one for all: each is written whole by rename, so commands that run at the same time need no lock.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    root: PathBuf,
}

impl StateDir {
    pub(crate) fn new(base: &Path, lab: &LabName) -> Self {
        StateDir { root: base.join(lab.to_string()) }
    }

    /// Makes the directory; false if there is one already, so that of two who make the same lab only one does.
    pub(crate) fn create(&self) -> Result<bool, Error> {
        let base = self.root.parent().unwrap_or(&self.root);
        fs::create_dir_all(base).map_err(Error::io("make the directory", base))?;
        match fs::create_dir(&self.root) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(Error::io("make the directory", &self.root)(error)),
        }
        for part in ["processes", "vms", "logs", "captures", "hosts", "control"] {
            let dir = self.root.join(part);
            fs::create_dir(&dir).map_err(Error::io("make the directory", dir))?;
        }
        Ok(true)
    }

    pub(crate) fn remove(&self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &self.root)(error)),
            _ => Ok(()),
        }
    }

    pub(crate) fn lab(&self) -> PathBuf {
        self.root.join("lab.json")
    }

    pub(crate) fn processes(&self) -> PathBuf {
        self.root.join("processes")
    }

    pub(crate) fn process(&self, node: &str, name: &str) -> PathBuf {
        self.processes().join(format!("{node}.{name}.json"))
    }

    pub(crate) fn vms(&self) -> PathBuf {
        self.root.join("vms")
    }

    pub(crate) fn vm(&self, name: &str) -> PathBuf {
        self.vms().join(format!("{name}.json"))
    }

    pub(crate) fn log(&self, node: &str, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{node}.{name}.log"))
    }

    pub(crate) fn captures(&self) -> PathBuf {
        self.root.join("captures")
    }

    pub(crate) fn host(&self, host: &str) -> PathBuf {
        self.root.join("hosts").join(host)
    }

    pub(crate) fn control(&self, node: &str) -> PathBuf {
        self.root.join("control").join(node)
    }
}

/// Writes the file whole or not at all.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let json = |source| Error::Json { path: path.to_owned(), source };
    let text = serde_json::to_string_pretty(value).map_err(json)?;
    let new = path.with_extension("new");
    fs::write(&new, text).map_err(Error::io("write", &new))?;
    fs::rename(&new, path).map_err(Error::io("write", path))
}

/// Reads the file; `None` if there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// The `.json` files of a directory in the order of their names; none if there is no such directory.
pub(crate) fn json_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_makes_the_directory() {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::new(base.path(), &"x".parse().unwrap());
        assert!(state.create().unwrap());
        assert!(!state.create().unwrap());
        state.remove().unwrap();
        state.remove().unwrap();
        assert!(!base.path().join("x").exists());
    }

    #[test]
    fn reads_what_it_wrote_and_nothing_half_written() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("a.json");
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), None);
        write_json(&path, &vec![1, 2]).unwrap();
        assert_eq!(read_json(&path).unwrap(), Some(vec![1, 2]));
        assert_eq!(json_files(base.path()), [base.path().join("a.json")]);
        fs::write(&path, "[1,").unwrap();
        assert!(matches!(read_json::<Vec<u8>>(&path), Err(Error::Json { .. })));
    }
}
