use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status, Streaming};

use crate::messages::{Hello, ToAgent, ToServer};
use crate::proto::sync_client::SyncClient;
use crate::server::{CONNECTION_WINDOW, KEEPALIVE, MOST_MESSAGE_BYTES, STREAM_WINDOW};
use crate::{Error, proto};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages that wait for the connection before [`Sender::send`] waits too.
const OUTBOUND: usize = 256;

/// What the agent says; cheap to clone. The stream ends when all clones are dropped.
#[derive(Debug, Clone)]
pub struct Sender(mpsc::Sender<proto::AgentMessage>);

/// What the server says. Read it promptly, on a task of its own.
#[derive(Debug)]
pub struct Receiver {
    stream: Streaming<proto::ServerMessage>,
}

/// Opens a stream to the server at `host:port` and says hello.
pub async fn connect(server: &str, hello: Hello) -> Result<(Sender, Receiver), Error> {
    let broken = |source| Error::Connect { server: server.to_owned(), source };
    let endpoint = Endpoint::from_shared(format!("http://{server}")).map_err(|_| Error::Address(server.to_owned()))?;
    // Windows are set, and never adaptive: h2 closes a connection with too many small unread frames, and allows the
    // fewer the smaller the window is.
    let channel = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .connect()
        .await
        .map_err(broken)?;

    let mut client = SyncClient::new(channel).max_decoding_message_size(MOST_MESSAGE_BYTES);
    let (sender, messages) = mpsc::channel(OUTBOUND);
    let sender = Sender(sender);
    sender.send(ToServer::Hello(hello)).await?;
    let response = client.session(ReceiverStream::new(messages)).await.map_err(ended)?;
    Ok((sender, Receiver { stream: response.into_inner() }))
}

impl Sender {
    /// Hands a message to the connection; waits while that has too many. If it fails, [`Receiver::next`] tells why.
    pub async fn send(&self, message: ToServer) -> Result<(), Error> {
        self.0.send(message.into()).await.map_err(|_| Error::Closed)
    }

    /// As [`Sender::send`]; gives the message back instead of waiting.
    pub fn try_send(&self, message: ToServer) -> Result<(), Box<ToServer>> {
        match self.0.try_reserve() {
            Ok(permit) => {
                permit.send(message.into());
                Ok(())
            }
            Err(_) => Err(Box::new(message)),
        }
    }
}

impl Receiver {
    /// The next message. Any error is the end of the stream.
    pub async fn next(&mut self) -> Result<ToAgent, Error> {
        loop {
            let message = self.stream.message().await.map_err(ended)?.ok_or(Error::Closed)?;
            if let Ok(message) = ToAgent::parse(message)? {
                return Ok(message);
            }
            tracing::debug!("ignored a message of a kind that only a newer server knows");
        }
    }
}

fn ended(status: Status) -> Error {
    match status.code() {
        Code::FailedPrecondition | Code::InvalidArgument => Error::Refused(status.message().to_owned()),
        Code::Unimplemented => Error::OtherMajor(status.message().to_owned()),
        _ => Error::Broken { message: status.message().to_owned(), source: Box::new(status) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Answer;

    #[test]
    fn a_full_queue_gives_the_message_back() {
        let said = |question| ToServer::Answer(Answer { question, text: String::new() });
        let (sender, mut queue) = mpsc::channel(1);
        let sender = Sender(sender);
        assert_eq!(sender.try_send(said(1)), Ok(()));
        assert_eq!(sender.try_send(said(2)), Err(Box::new(said(2))));
        assert_eq!(queue.try_recv(), Ok(said(1).into()));
        assert_eq!(sender.try_send(said(3)), Ok(()));
        assert_eq!(queue.try_recv(), Ok(said(3).into()));
    }
}
