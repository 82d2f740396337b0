use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::types::Micros;

/// The time and the chance that the store needs; tests bring their own.
pub trait Environment: Debug + Send + Sync + 'static {
    fn now(&self) -> Micros;
    fn random(&self) -> u64;
    fn uuid(&self) -> Uuid;
}

/// The system's clock and random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Environment for System {
    fn now(&self) -> Micros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
    }

    fn random(&self) -> u64 {
        // 62 random bits of a version 4 UUID's low half (RFC 9562 section 5.4)
        Uuid::new_v4().as_u64_pair().1
    }

    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }
}
