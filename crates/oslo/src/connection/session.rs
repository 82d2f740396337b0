use std::collections::HashSet;

use futures::stream::{BoxStream, SelectAll};
use futures::{StreamExt, stream};
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use tokio::sync::Mutex;

use super::Settings;
use crate::Error;
use crate::address::{Argument, Exchange, ExchangeType, Publication, Queue, Subscription};
use crate::codec::{CONTENT_ENCODING, CONTENT_TYPE, DELIVERY_MODE, PRIORITY};
use crate::transport::Broker;

/// Deliveries that the broker sends ahead of their acknowledgement.
const AHEAD: u16 = 256;

/// Deliveries of a queue, with its name; none: the broker has ended the consumption, as it does when the queue is deleted.
pub(super) type Incoming = BoxStream<'static, (String, Option<lapin::Result<Delivery>>)>;

/// One connection to one broker. It ends with whatever breaks on it.
#[derive(Debug)]
pub(super) struct Session {
    /// It closes when it is dropped.
    connection: Connection,
    /// The broker closes it if it refuses what is published there.
    publisher: Mutex<Channel>,
    declarer: Mutex<Declarer>,
}

#[derive(Debug)]
struct Declarer {
    channel: Channel,
    /// Exchanges that stay once they are declared.
    declared: HashSet<String>,
}

type Opened = (Session, SelectAll<Incoming>, SelectAll<Incoming>);

impl Session {
    /// Declares all queues and consumes from them: replies and requests.
    pub(super) async fn open(
        broker: &Broker,
        settings: &Settings,
        replies: &Subscription,
        requests: &[Subscription],
    ) -> Result<Opened, Error> {
        let name = settings.name.as_str();
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connect = Connection::connect_uri(uri(broker, settings.heartbeat), properties).await;
        let connection =
            connect.map_err(|source| Error::Connect { broker: broker.to_string(), source: Box::new(source) })?;
        let consumer = connection.create_channel().await?;
        consumer.basic_qos(AHEAD, BasicQosOptions::default()).await?;
        let mut incoming = [SelectAll::new(), SelectAll::new()];
        for (place, subscription) in std::iter::once((0, replies)).chain(requests.iter().map(|it| (1, it))) {
            if let Some(incoming) = incoming.get_mut(place) {
                incoming.push(subscribe(&consumer, subscription).await?);
            }
        }
        let publisher = Mutex::new(confirming(&connection).await?);
        let declarer = Declarer { channel: connection.create_channel().await?, declared: HashSet::new() };
        let [replies, requests] = incoming;
        Ok((Session { connection, publisher, declarer: Mutex::new(declarer) }, replies, requests))
    }

    /// Whether the connection stands, as far as is known.
    pub(super) fn is_up(&self) -> bool {
        self.connection.status().connected()
    }

    /// Until the broker has confirmed it. `expiration` in milliseconds.
    pub(super) async fn publish(&self, to: &Publication, body: &[u8], expiration: Option<u128>) -> Result<(), Error> {
        let exchange = match &to.exchange {
            Some(exchange) => {
                self.declare(exchange).await?;
                exchange.name.as_str()
            }
            None => "",
        };
        let properties = BasicProperties::default()
            .with_content_type(CONTENT_TYPE.into())
            .with_content_encoding(CONTENT_ENCODING.into())
            .with_delivery_mode(DELIVERY_MODE)
            .with_priority(PRIORITY)
            .with_headers(FieldTable::default());
        let properties = match expiration {
            Some(milliseconds) => properties.with_expiration(milliseconds.to_string().into()),
            None => properties,
        };
        let options = BasicPublishOptions { mandatory: to.mandatory, ..BasicPublishOptions::default() };
        let (exchange, key) = (short(exchange)?, short(&to.routing_key)?);
        let channel = self.publisher().await?;
        let confirmation = channel.basic_publish(exchange, key, options, body, properties).await?.await?;
        match confirmation {
            Confirmation::Ack(None) | Confirmation::NotRequested => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => Err(Error::NoQueue(to.routing_key.clone())),
            Confirmation::Nack(None) => Err(Error::Refused),
        }
    }

    async fn publisher(&self) -> Result<Channel, Error> {
        let mut channel = self.publisher.lock().await;
        if !channel.status().connected() {
            *channel = confirming(&self.connection).await?;
        }
        Ok(channel.clone())
    }

    /// One that deletes itself may do so at any time, so it is declared each time. On a channel for that alone: if the broker
    /// refuses a declaration it closes the channel, and who has sent it is the one to be told.
    async fn declare(&self, exchange: &Exchange) -> Result<(), Error> {
        let mut declarer = self.declarer.lock().await;
        if declarer.declared.contains(&exchange.name) {
            return Ok(());
        }
        if !declarer.channel.status().connected() {
            declarer.channel = self.connection.create_channel().await?;
        }
        match declare_exchange(&declarer.channel, exchange).await {
            Err(Error::Amqp(source)) if self.is_up() => {
                return Err(Error::Declaration { name: exchange.name.clone(), source });
            }
            outcome => outcome?,
        }
        if !exchange.auto_delete {
            declarer.declared.insert(exchange.name.clone());
        }
        Ok(())
    }
}

/// A channel on which the broker confirms what it has.
async fn confirming(connection: &Connection) -> Result<Channel, Error> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

async fn subscribe(channel: &Channel, subscription: &Subscription) -> Result<Incoming, Error> {
    let Queue { name, durable, auto_delete, arguments } = &subscription.queue;
    let (durable, auto_delete) = (*durable, *auto_delete);
    let options = QueueDeclareOptions { durable, auto_delete, ..QueueDeclareOptions::default() };
    let mut table = FieldTable::default();
    for (key, value) in arguments {
        let value = match value {
            Argument::Number(number) => AMQPValue::LongLongInt(i64::from(*number)),
            Argument::Text(text) => AMQPValue::LongString((*text).into()),
        };
        table.insert(short(key)?, value);
    }
    channel.queue_declare(short(name)?, options, table).await?;
    if let Some(exchange) = &subscription.exchange {
        declare_exchange(channel, exchange).await?;
        let (exchange, key) = (short(&exchange.name)?, short(&subscription.routing_key)?);
        channel.queue_bind(short(name)?, exchange, key, QueueBindOptions::default(), FieldTable::default()).await?;
    }
    let tag = short("")?;
    let consumer =
        channel.basic_consume(short(name)?, tag, BasicConsumeOptions::default(), FieldTable::default()).await?;
    let (queue, ended) = (name.clone(), name.clone());
    let deliveries = consumer.map(move |delivery| (queue.clone(), Some(delivery)));
    Ok(deliveries.chain(stream::once(async move { (ended, None) })).boxed())
}

async fn declare_exchange(channel: &Channel, exchange: &Exchange) -> Result<(), Error> {
    let kind = match exchange.exchange_type {
        ExchangeType::Direct => ExchangeKind::Direct,
        ExchangeType::Topic => ExchangeKind::Topic,
        ExchangeType::Fanout => ExchangeKind::Fanout,
    };
    let (durable, auto_delete) = (exchange.durable, exchange.auto_delete);
    let options = ExchangeDeclareOptions { durable, auto_delete, ..ExchangeDeclareOptions::default() };
    Ok(channel.exchange_declare(short(&exchange.name)?, kind, options, FieldTable::default()).await?)
}

fn uri(broker: &Broker, heartbeat: u16) -> AMQPUri {
    AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: broker.user.clone(), password: broker.password.clone() },
            host: broker.host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: broker.port,
        },
        vhost: broker.virtual_host.clone(),
        query: AMQPQueryString { heartbeat: Some(heartbeat), ..AMQPQueryString::default() },
    }
}

/// Names of queues come from peers too.
fn short(text: &str) -> Result<ShortString, Error> {
    ShortString::try_new(text).map_err(|_| Error::Name(text.chars().take(300).collect()))
}
