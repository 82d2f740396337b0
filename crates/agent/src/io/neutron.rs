use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use neutron::{Ask, Effect, Identity, Outcome, Session, Stamp, subscriptions};
use oslo::connection::{Client, connect};
use oslo::events::Event as Heard;
use sync::messages::ToServer;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, interval_at};
use tracing::{info, warn};
use uuid::Uuid;

use super::server::text;
use crate::events::{Event, Server};
use crate::settings::Neutron;
use crate::{Config, DatapathType, Error};

/// What the session calls a moment.
const TICK: Duration = Duration::from_secs(1);
/// oslo.messaging's default (`heartbeat_timeout_threshold`), in seconds, is 60, looked at twice; a dead broker is to show sooner.
const HEARTBEAT: u16 = 15;
/// Outcomes of calls that wait for the session, which has but a few under way.
const OUTCOMES: usize = 16;

/// Starts the task that plays the server from what a stock neutron-server says.
pub(crate) fn start(
    config: &Config,
    to: Neutron,
    events: mpsc::Sender<Event>,
    messages: mpsc::Receiver<ToServer>,
    hang_up: Arc<Notify>,
) -> Result<tokio::task::JoinHandle<()>, Error> {
    let identity = Identity {
        host: config.host.clone(),
        local_ip: config.local_ip,
        tunnel_types: config.tunnel_types.clone(),
        l2_population: config.l2_population,
        arp_responder: config.arp_responder,
        integration_bridge: config.integration_bridge.clone(),
        datapath_type: config.datapath_type.unwrap_or(DatapathType::System).as_str().to_owned(),
        process: Uuid::new_v4(),
    };
    let subscriptions = subscriptions(&to.addressing, config.host.as_str(), Uuid::new_v4)?;
    let name = format!("culvert-agent:{}", config.host);
    let settings =
        oslo::connection::Settings { brokers: to.brokers, addressing: to.addressing, name, heartbeat: HEARTBEAT };
    let (client, heard) = connect(settings, subscriptions);
    let (outcomes, answers) = mpsc::channel(OUTCOMES);
    let link = Link {
        session: Session::new(identity.clone()),
        identity,
        client,
        heard,
        events,
        messages,
        hang_up,
        outcomes,
        answers,
        is_down: false,
    };
    Ok(tokio::spawn(link.run(to.report_interval, config.review_interval)))
}

struct Link {
    session: Session,
    identity: Identity,
    client: Client,
    heard: mpsc::Receiver<Heard>,
    events: mpsc::Sender<Event>,
    messages: mpsc::Receiver<ToServer>,
    /// The state wants another stream.
    hang_up: Arc<Notify>,
    outcomes: mpsc::Sender<(u64, Outcome)>,
    answers: mpsc::Receiver<(u64, Outcome)>,
    /// The log has been told that there is no broker.
    is_down: bool,
}

impl Link {
    async fn run(mut self, report: Duration, review: Duration) {
        let mut tick = interval(TICK);
        let mut beat = spread(report);
        let mut review = spread(review);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // The state is gone: so is the need for all this.
                message = self.messages.recv() => match message {
                    Some(message) => self.session.said(&message),
                    None => return,
                },
                Some(heard) = self.heard.recv() => self.take(heard),
                Some((number, outcome)) = self.answers.recv() => self.session.answered(number, outcome),
                () = self.hang_up.notified() => self.session.hang_up(),
                _ = tick.tick() => self.session.tick(),
                _ = beat.tick() => self.session.beat(),
                _ = review.tick() => self.session.review(),
            }
            // What has come together is compared once.
            while let Ok(message) = self.messages.try_recv() {
                self.session.said(&message);
            }
            while let Ok(heard) = self.heard.try_recv() {
                self.take(heard);
            }
            for effect in self.session.settle() {
                if self.execute(effect).await.is_err() {
                    return;
                }
            }
        }
    }

    fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Up { broker } => {
                info!(broker, "connected to RabbitMQ");
                self.is_down = false;
                self.session.up();
            }
            Heard::Down { broker, error } => {
                if !std::mem::replace(&mut self.is_down, true) {
                    warn!(broker, reason = text(&error), "no RabbitMQ; forwarding goes on as it is");
                }
                self.session.down();
            }
            Heard::Request(request) => self.session.heard(&request),
            Heard::Unreadable { queue, error } => {
                warn!(queue, reason = text(&error), "what came is no message: all is fetched anew");
                self.session.doubt();
            }
        }
    }

    async fn execute(&self, effect: Effect) -> Result<(), mpsc::error::SendError<Event>> {
        match effect {
            Effect::Open => self.events.send(Event::Server(Server::Opening)).await,
            Effect::Close => self.events.send(Event::Server(Server::Lost)).await,
            Effect::Say(message) => self.events.send(Event::Server(Server::Message(message))).await,
            Effect::Call { number, ask, limit } => {
                self.call(number, ask, limit);
                Ok(())
            }
            Effect::Info(text) => {
                info!("{text}");
                Ok(())
            }
            Effect::Warn(text) => {
                warn!("{text}");
                Ok(())
            }
        }
    }

    /// On a task of its own: others do not wait for its answer.
    fn call(&self, number: u64, ask: Ask, limit: Duration) {
        let (client, identity, outcomes) = (self.client.clone(), self.identity.clone(), self.outcomes.clone());
        tokio::spawn(async move {
            let begun = Instant::now();
            let answer = match ask.request(&identity, &stamp()) {
                Ok((to, request)) => client.call(&to, request, limit).await,
                Err(error) => return warn!(reason = text(&error), "a call cannot be written"),
            };
            let outcome = match answer {
                Ok(answer) => Outcome::Answer(answer, begun.elapsed()),
                Err(oslo::Error::Failed(failure)) => Outcome::Refused(failure),
                Err(error) => Outcome::Silence(text(&error)),
            };
            // Nobody waits for it only if the agent ends.
            let _ = outcomes.send((number, outcome)).await;
        });
    }
}

fn stamp() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp {
        micros: u64::try_from(since.as_micros()).unwrap_or_default(),
        request_id: format!("req-{}", Uuid::new_v4()),
    }
}

/// At other moments than other hosts, whatever makes them start together.
fn spread(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period.mul_f64(rand::random_range(0.5..1.0)), period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
