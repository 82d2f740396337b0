//! What the C library's allocator is told, so that memory of a moment is given back.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

const TUNABLES: &str = "GLIBC_TUNABLES";
/// Bytes from which a piece is mapped on its own, and of free memory at the end of the heap that is given back: glibc's own
/// defaults, but fixed. Left to itself glibc raises both with each large piece that is freed, up to 32 and 64 MiB, and after a
/// large snapshot, or large answers of the API, the heap keeps twice what is in use.
const SETTINGS: &str = "glibc.malloc.mmap_threshold=131072:glibc.malloc.trim_threshold=131072";
/// For a program of one thread.
const ONE_ARENA: &str = ":glibc.malloc.arena_max=1";

/// Starts this program anew with the settings, which glibc reads at the start of a process only (GLIBC_TUNABLES, "Memory
/// Allocation Tunables" of its manual). An operator's own settings are left as they are; where the program cannot be started
/// anew, it goes on without.
pub(crate) fn give_memory_back(one_thread: bool) {
    if env::var_os(TUNABLES).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    let arenas = if one_thread { ONE_ARENA } else { "" };
    let _ = again.args(arguments).env(TUNABLES, [SETTINGS, arenas].concat()).exec();
}
