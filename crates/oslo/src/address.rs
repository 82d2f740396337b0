//! Which exchanges and queues a topic has, and with what they are declared: pure data for a connection.
//!
//! A queue or an exchange that is there is not changed by another declaration: the broker refuses one that differs
//! (`PRECONDITION_FAILED`). So these are, member for member, what stock processes of the same settings declare
//! (`_drivers/impl_rabbit.py` of oslo.messaging, 12 to 18; seen on a stock Neutron 21).

use std::fmt;

use uuid::Uuid;

use crate::Error;

/// Of a topic or a server, as in `q-plugin` and `compute1`. Names of queues are made of them, which have 255 bytes at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

const LONGEST: usize = 200;

impl Name {
    pub fn new(name: &str) -> Result<Name, Error> {
        let bad = name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control);
        if bad { Err(Error::Name(name.to_owned())) } else { Ok(Name(name.to_owned())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// To whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// One of those that serve the topic.
    Topic(Name),
    /// The one of them that has this name.
    Server(Name, Name),
    /// All of them.
    Fanout(Name),
    /// Who has called, by its queue.
    Reply(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeType {
    Direct,
    Topic,
    Fanout,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub name: String,
    pub exchange_type: ExchangeType,
    pub durable: bool,
    pub auto_delete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// In AMQP's table a signed number, in as many bits as it needs.
    Number(u32),
    Text(&'static str),
}

/// Never exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    pub name: String,
    pub durable: bool,
    pub auto_delete: bool,
    pub arguments: Vec<(&'static str, Argument)>,
}

/// A queue to consume from, and the exchange that fills it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// None: the default exchange, which has every queue by its name, and which nobody declares.
    pub exchange: Option<Exchange>,
    pub queue: Queue,
    pub routing_key: String,
}

/// Where a message is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// To be declared before: who comes first makes it. None: the default exchange.
    pub exchange: Option<Exchange>,
    pub routing_key: String,
    /// The broker is to send it back if it fits no queue. A cast that nobody listens to is no error.
    pub mandatory: bool,
}

/// The settings that stock processes have in `[oslo_messaging_rabbit]` and `[DEFAULT]`, with their defaults. They must be the
/// same everywhere in a cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of oslo.messaging")]
pub struct Addressing {
    /// `control_exchange`; Neutron's is `neutron`.
    pub control_exchange: Name,
    /// `amqp_durable_queues`.
    pub durable: bool,
    /// `amqp_auto_delete`.
    pub auto_delete: bool,
    /// `rabbit_quorum_queue`.
    pub quorum: bool,
    /// `rabbit_quorum_delivery_limit`, `rabbit_quorum_max_memory_length`, `rabbit_quorum_max_memory_bytes`; 0: none.
    pub quorum_delivery_limit: u32,
    pub quorum_max_memory_length: u32,
    pub quorum_max_memory_bytes: u32,
    /// `rabbit_transient_quorum_queue`: queues for fanouts and replies too.
    pub transient_quorum: bool,
    /// `rabbit_transient_queues_ttl`, in seconds: how long a queue for fanouts or replies outlives its consumer. 0: for ever.
    pub transient_ttl: u32,
}

impl Addressing {
    /// With oslo.messaging's defaults.
    pub fn new(control_exchange: Name) -> Self {
        Addressing {
            control_exchange,
            durable: false,
            auto_delete: false,
            quorum: false,
            quorum_delivery_limit: 0,
            quorum_max_memory_length: 0,
            quorum_max_memory_bytes: 0,
            transient_quorum: false,
            transient_ttl: 1800,
        }
    }

    /// What is sent to any of a topic's servers.
    pub fn topic(&self, topic: &Name) -> Subscription {
        self.shared(topic.to_string())
    }

    /// What is sent to this one.
    pub fn server(&self, topic: &Name, server: &Name) -> Subscription {
        self.shared(format!("{topic}.{server}"))
    }

    /// What is sent to all. `id` is new with each queue.
    pub fn fanout(&self, topic: &Name, id: Uuid) -> Subscription {
        Subscription {
            exchange: Some(self.fanout_exchange(topic)),
            queue: self.transient(format!("{topic}_fanout_{}", id.simple())),
            routing_key: topic.to_string(),
        }
    }

    /// The replies to the calls of one process.
    pub fn replies(&self, id: Uuid) -> Subscription {
        let queue = self.transient(format!("reply_{}", id.simple()));
        Subscription { exchange: None, routing_key: queue.name.clone(), queue }
    }

    pub fn publication(&self, to: &Destination) -> Publication {
        let (exchange, routing_key, mandatory) = match to {
            Destination::Topic(topic) => (Some(self.topic_exchange()), topic.to_string(), false),
            Destination::Server(topic, server) => (Some(self.topic_exchange()), format!("{topic}.{server}"), false),
            Destination::Fanout(topic) => (Some(self.fanout_exchange(topic)), String::new(), false),
            Destination::Reply(queue) => (None, queue.clone(), true),
        };
        Publication { exchange, routing_key, mandatory }
    }

    fn shared(&self, name: String) -> Subscription {
        Subscription {
            exchange: Some(self.topic_exchange()),
            routing_key: name.clone(),
            queue: Queue {
                name,
                durable: self.is_durable(),
                auto_delete: self.auto_delete,
                arguments: self.quorum_arguments(self.quorum),
            },
        }
    }

    fn transient(&self, name: String) -> Queue {
        let mut arguments = self.quorum_arguments(self.transient_quorum);
        if self.transient_ttl > 0 {
            // In milliseconds; the broker takes no more than 32 bits of them.
            arguments.push(("x-expires", Argument::Number(self.transient_ttl.saturating_mul(1000))));
        }
        Queue { name, durable: self.transient_quorum, auto_delete: false, arguments }
    }

    fn topic_exchange(&self) -> Exchange {
        Exchange {
            name: self.control_exchange.to_string(),
            exchange_type: ExchangeType::Topic,
            durable: self.is_durable(),
            auto_delete: self.auto_delete,
        }
    }

    fn fanout_exchange(&self, topic: &Name) -> Exchange {
        Exchange {
            name: format!("{topic}_fanout"),
            exchange_type: ExchangeType::Fanout,
            durable: self.transient_quorum,
            auto_delete: true,
        }
    }

    /// There are no quorum queues but durable ones.
    fn is_durable(&self) -> bool {
        self.durable || self.quorum
    }

    fn quorum_arguments(&self, is_one: bool) -> Vec<(&'static str, Argument)> {
        if !is_one {
            return Vec::new();
        }
        let limits = [
            ("x-delivery-limit", self.quorum_delivery_limit),
            ("x-max-in-memory-length", self.quorum_max_memory_length),
            ("x-max-in-memory-bytes", self.quorum_max_memory_bytes),
        ];
        let limits = limits.into_iter().filter(|(_, limit)| *limit > 0);
        let limits = limits.map(|(name, limit)| (name, Argument::Number(limit)));
        std::iter::once(("x-queue-type", Argument::Text("quorum"))).chain(limits).collect()
    }
}
