use crate::Error;
use crate::codec::Request;

/// What a connection tells of.
#[derive(Debug)]
pub enum Event {
    /// Connected to this broker, and all queues are there. What was sent while there was no connection may be lost.
    Up { broker: String },
    /// The connection is gone, or could not be made. It is tried again, with the next broker.
    Down { broker: String, error: Error },
    /// Somebody casts or calls. It has been acknowledged already, as oslo.messaging does it: it does not come again.
    Request(Request),
    /// What came to this queue is no message.
    Unreadable { queue: String, error: Error },
}
