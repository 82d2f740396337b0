use std::path::Path;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::Status;

/// Questions that wait; more wait in the socket's own queue.
const QUESTIONS: usize = 8;

/// Listens on `<run_dir>/agent.sock`: whoever connects gets the status as one line of JSON. Without the socket the
/// agent does all the rest.
pub(crate) fn start(run_dir: &Path) -> mpsc::Receiver<oneshot::Sender<Status>> {
    let (questions, receiver) = mpsc::channel(QUESTIONS);
    let path = run_dir.join("agent.sock");
    // The socket of an agent that was killed would be in the way.
    let _ = std::fs::remove_file(&path);
    match std::fs::create_dir_all(run_dir).and_then(|()| UnixListener::bind(&path)) {
        Ok(listener) => drop(tokio::spawn(serve(listener, questions))),
        Err(error) => warn!(path = %path.display(), %error, "the admin socket cannot be made"),
    }
    receiver
}

async fn serve(listener: UnixListener, questions: mpsc::Sender<oneshot::Sender<Status>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let (question, answer) = oneshot::channel();
        if questions.send(question).await.is_err() {
            return;
        }
        let Ok(status) = answer.await else { return };
        let Ok(mut line) = serde_json::to_vec(&status) else { continue };
        line.push(b'\n');
        // Who asks and does not read is left alone with it.
        tokio::spawn(async move { stream.write_all(&line).await });
    }
}
