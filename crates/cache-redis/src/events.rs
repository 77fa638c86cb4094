use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use cartwright_cache::{
    CartEvent, EventBus, EventHub, Message, Publisher, Subscription, Unpublished, Update,
};
use cartwright_domain::OwnerId;
use futures_util::StreamExt;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisError, RedisResult, Script,
    ScriptInvocation,
    aio::{MultiplexedConnection, PubSub},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    RedisCartCache,
    carts::Inner,
    options::{ConnectError, RedisOptions},
};

const CHANNEL: &str = "cart_update:";
/// Between two tries to reach a server.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);
/// Between two looks whether the server that is listened to still is the primary.
const LOOK: Duration = Duration::from_secs(1);

/// Publishes what somebody listens to: most carts have no listener, and a message that nobody hears would still go to
/// every replica. Listeners are counted where this runs, on the primary, hence they listen there.
///
/// ARGV: owner and version of each cart. An owner's id needs no escapes in JSON.
static PUBLISH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local channels = {} \
         for i = 1, #ARGV, 2 do channels[#channels + 1] = 'cart_update:' .. ARGV[i] end \
         local heard = redis.call('PUBSUB', 'NUMSUB', unpack(channels)) \
         local all = redis.call('PUBSUB', 'NUMPAT') > 0 \
         for i, channel in ipairs(channels) do \
           if all or tonumber(heard[2 * i]) > 0 then \
             local owner, version = ARGV[2 * i - 1], ARGV[2 * i] \
             redis.call('PUBLISH', channel, '{\"user_id\":\"' .. owner .. '\",\"version\":' .. version .. '}') \
           end \
         end",
    )
});
/// Carts in one call: Lua's stack has room for 8,000.
const CARTS: usize = 1000;

/// ARGV: channels. 1 for each that somebody listens to on the primary, or might by a pattern.
static HEARD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local heard = redis.call('PUBSUB', 'NUMSUB', unpack(ARGV)) \
         local all = redis.call('PUBSUB', 'NUMPAT') > 0 \
         local answer = {} \
         for i = 1, #ARGV do answer[i] = (all or tonumber(heard[2 * i]) > 0) and 1 or 0 end \
         return answer",
    )
});

/// ARGV: channel and payload of each message.
static SAY: LazyLock<Script> =
    LazyLock::new(|| Script::new("for i = 1, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end"));

/// New versions of carts, told to all nodes by Redis pub/sub on `cart_update:{user_id}`.
///
/// Listeners of this process are told directly, so that a dead Redis does not silence them; those of other nodes miss
/// what happens meanwhile and are told so ([`Update::Missed`]) when it is back.
pub struct RedisEventBus {
    hub: EventHub,
    wanted: mpsc::UnboundedSender<Wanted>,
    /// The connection over which the listening task looks at the primary. `None`: it is looking for one.
    primary: watch::Receiver<Option<MultiplexedConnection>>,
    /// Whose connection to the primary is shared, as long as there is one.
    carts: Option<Arc<Inner>>,
    _stop: DropGuard,
}

enum Wanted {
    Listen(OwnerId),
    Leave(OwnerId),
}

impl std::fmt::Debug for RedisEventBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisEventBus").finish_non_exhaustive()
    }
}

impl RedisEventBus {
    /// Starts to use these servers, on the current tokio runtime. Returns at once, whether they answer or not.
    ///
    /// # Errors
    /// [`ConnectError`] when an address is none.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(options: &RedisOptions) -> Result<Self, ConnectError> {
        let clients = options.clients()?;
        let (wanted, wishes) = mpsc::unbounded_channel();
        let (found, primary) = watch::channel(None);
        let (hub, stop) = (EventHub::new(), CancellationToken::new());
        let listening = listen(clients, hub.clone(), wishes, found);
        tokio::spawn(stop.clone().run_until_cancelled_owned(listening));
        Ok(Self { hub, wanted, primary, carts: None, _stop: stop.drop_guard() })
    }

    /// As [`start`](Self::start), and publishes together with the documents that this cache stores: one packet for both.
    ///
    /// # Errors
    /// [`ConnectError`] when an address is none.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start_beside(carts: &RedisCartCache, options: &RedisOptions) -> Result<Self, ConnectError> {
        Ok(Self { carts: Some(Arc::clone(&carts.inner)), ..Self::start(options)? })
    }

    async fn send(&self, events: &[CartEvent]) -> RedisResult<()> {
        let mut call = PUBLISH.prepare_invoke();
        for CartEvent { owner, version } in events {
            call.arg(owner.as_str()).arg(*version);
        }
        self.call(&call).await
    }

    /// Runs a script on the primary, wherever there is a connection to it.
    async fn call<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> RedisResult<T> {
        if let Some(carts) = &self.carts
            && let Some(sent) = carts.send(async |link| call.invoke_async::<T>(link).await).await
        {
            return sent;
        }
        let mut primary = self.primary.clone();
        let found = tokio::time::timeout(PAUSE, primary.wait_for(Option::is_some)).await;
        match found.ok().and_then(|found| found.ok()?.clone()) {
            Some(mut connection) => call.invoke_async(&mut connection).await,
            None => Err(nobody()),
        }
    }
}

#[async_trait]
impl EventBus for RedisEventBus {
    async fn publish(&self, events: &[CartEvent]) {
        self.hub.publish(events).await;
        for events in events.chunks(CARTS) {
            if let Err(error) = self.send(events).await {
                metrics::counter!("cartwright_events_lost_total").increment(events.len() as u64);
                tracing::debug!(%error, "events were not published");
            }
        }
    }

    fn subscribe(&self, owner: &OwnerId) -> Subscription {
        let (subscription, fresh) = self.hub.listen(owner);
        if fresh {
            let _ = self.wanted.send(Wanted::Listen(owner.clone())); // the listening task lives as long as the bus
        }
        let wanted = self.wanted.clone();
        subscription.when_last(move |owner| {
            let _ = wanted.send(Wanted::Leave(owner));
        })
    }
}

#[async_trait]
impl Publisher for RedisEventBus {
    async fn heard(&self, channels: &[String]) -> Result<Vec<bool>, Unpublished> {
        let mut call = HEARD.prepare_invoke();
        for channel in channels {
            call.arg(channel.as_str());
        }
        self.call(&call).await.map_err(|error| Unpublished(Box::new(error)))
    }

    async fn say(&self, messages: &[Message]) -> Result<(), Unpublished> {
        for messages in messages.chunks(CARTS) {
            let mut call = SAY.prepare_invoke();
            for Message { channel, payload } in messages {
                call.arg(channel.as_str()).arg(&payload[..]);
            }
            self.call::<()>(&call).await.map_err(|error| Unpublished(Box::new(error)))?;
        }
        Ok(())
    }
}

fn nobody() -> RedisError {
    RedisError::from((ErrorKind::Io, "no server takes writes"))
}

/// A connection over which answers are not waited for long.
pub(crate) async fn connect(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_millis(250)))
        .set_response_timeout(Some(PAUSE));
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// The first server that takes writes, with a connection to it.
pub(crate) async fn primary(clients: &[Client]) -> RedisResult<(&Client, MultiplexedConnection)> {
    let mut last = nobody();
    for client in clients {
        let found: RedisResult<_> = async {
            let mut connection = connect(client).await?;
            Ok(takes_writes(&mut connection).await?.then_some(connection))
        }
        .await;
        match found {
            Ok(Some(connection)) => return Ok((client, connection)),
            Ok(None) => {}
            Err(error) => last = error,
        }
    }
    Err(last)
}

pub(crate) async fn takes_writes(connection: &mut MultiplexedConnection) -> RedisResult<bool> {
    let info: String = redis::cmd("INFO").arg("replication").query_async(connection).await?;
    Ok(crate::survey::field(&info, "role") == Some("master"))
}

/// Hears the primary, whichever that is.
async fn listen(
    clients: Vec<Client>,
    hub: EventHub,
    mut wishes: mpsc::UnboundedReceiver<Wanted>,
    found: watch::Sender<Option<MultiplexedConnection>>,
) {
    loop {
        let heard = async {
            let (client, control) = primary(&clients).await?;
            found.send_replace(Some(control.clone()));
            hear(client, control, &hub, &mut wishes).await
        };
        let heard = heard.await;
        found.send_replace(None);
        if let Err(error) = heard {
            tracing::debug!(%error, "events are not heard");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A connection to listen on.
pub(crate) async fn subscriber(client: &Client) -> RedisResult<PubSub> {
    let connected = tokio::time::timeout(PAUSE, client.get_async_pubsub()).await;
    connected.map_err(|_elapsed| RedisError::from((ErrorKind::Io, "no answer")))?
}

/// Until the connection is lost, or the server is the primary no more.
async fn hear(
    client: &Client,
    mut control: MultiplexedConnection,
    hub: &EventHub,
    wishes: &mut mpsc::UnboundedReceiver<Wanted>,
) -> RedisResult<()> {
    let (mut sink, mut stream) = subscriber(client).await?.split();
    for owner in hub.owners() {
        sink.subscribe(format!("{CHANNEL}{owner}")).await?;
    }
    hub.missed();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = look.tick() => {
                if !takes_writes(&mut control).await? {
                    return Ok(());
                }
            }
            message = stream.next() => {
                let Some(message) = message else { return Ok(()) };
                let owner = message.get_channel_name().strip_prefix(CHANNEL).and_then(|name| OwnerId::new(name).ok());
                if let Some(owner) = owner {
                    hub.deliver(&owner, version(message.get_payload_bytes()));
                }
            }
            wish = wishes.recv() => match wish {
                Some(Wanted::Listen(owner)) => {
                    sink.subscribe(format!("{CHANNEL}{owner}")).await?;
                    // What happened before the server knew of us was not heard.
                    hub.deliver(&owner, Update::Missed);
                }
                Some(Wanted::Leave(owner)) => sink.unsubscribe(format!("{CHANNEL}{owner}")).await?,
                None => return Ok(()),
            }
        }
    }
}

fn version(payload: &[u8]) -> Update {
    #[derive(serde::Deserialize)]
    struct Payload {
        version: u64,
    }
    serde_json::from_slice::<Payload>(payload)
        .map_or(Update::Missed, |payload| Update::Version(payload.version))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        /// Whoever publishes there: a version is one, and anything else means that something was missed.
        #[test]
        fn a_message_is_a_version_or_something_missed(noise in vec(any::<u8>(), 0..60), number: u64, more in "\\PC{0,20}") {
            let _ = version(&noise);
            let said = serde_json::json!({"user_id": more, "version": number, more.as_str(): more}).to_string();
            let expected = if more == "version" || more == "user_id" { Update::Missed } else { Update::Version(number) };
            prop_assert_eq!(version(said.as_bytes()), expected);
            for other in [format!(r#"{{"version":-{number}}}"#), format!(r#"{{"version":{number}0000000000000000000000}}"#)] {
                prop_assert!(number == 0 || version(other.as_bytes()) == Update::Missed, "{}", other);
            }
            prop_assert_eq!(version(&said.as_bytes()[..said.len() - 1]), Update::Missed);
        }
    }
}
