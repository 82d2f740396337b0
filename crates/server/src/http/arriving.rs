//! A request's body of which it is known whether its peer is waited for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};

/// Tells whether its reader waits for more of it.
#[derive(Debug)]
pub(super) struct Arriving {
    body: Incoming,
    waits: Arc<AtomicBool>,
}

impl Arriving {
    pub(super) fn new(body: Incoming, waits: Arc<AtomicBool>) -> Arriving {
        Arriving { body, waits }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.waits.store(frame.is_pending(), Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.waits.store(false, Ordering::Relaxed);
    }
}
