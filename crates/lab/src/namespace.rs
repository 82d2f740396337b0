use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot};

use crate::Error;
use crate::teardown::NAMESPACES;

/// A thread in a network namespace that runs futures there: a socket belongs to the namespace of the thread that makes it.
///
/// The thread ends with the last clone of this.
#[derive(Debug, Clone)]
pub struct Inside {
    handle: Handle,
    _guard: Arc<Guard>,
}

#[derive(Debug)]
struct Guard(Arc<Notify>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Inside {
    pub(crate) async fn enter(namespace: &str) -> Result<Inside, Error> {
        let path = Path::new(NAMESPACES).join(namespace);
        let failed = |source| Error::Io { doing: "enter the namespace", path: path.clone(), source };
        let stop = Arc::new(Notify::new());
        let (ready, entered) = oneshot::channel();
        let (file, stopped) = (path.clone(), stop.clone());
        let body = move || {
            let runtime = enter_thread(&file).and_then(|()| Builder::new_current_thread().enable_all().build());
            match runtime {
                Ok(runtime) => {
                    // Nobody who waits is as good as the end.
                    if ready.send(Ok(runtime.handle().clone())).is_ok() {
                        runtime.block_on(stopped.notified());
                    }
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        };
        thread::Builder::new().name(namespace.to_owned()).spawn(body).map_err(failed)?;
        let handle = entered.await.unwrap_or_else(|_| Err(io::Error::other("its thread ended"))).map_err(failed)?;
        Ok(Inside { handle, _guard: Arc::new(Guard(stop)) })
    }

    /// Runs the future in the namespace; `None` if it panicked.
    pub async fn run<F>(&self, future: F) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(future).await.ok()
    }
}

/// Moves this thread alone; the rest of the process stays where it is (setns(2)).
pub(crate) fn enter_thread(path: &Path) -> io::Result<()> {
    let namespace = File::open(path)?;
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}
