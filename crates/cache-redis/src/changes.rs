//! The bus of layered caches: what changes, told to all nodes by pub/sub on the primary.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cartwright_layered::{Audience, Bus, BusError, Heard, Listener};
use futures_util::StreamExt;
use redis::{ErrorKind, RedisError, RedisResult};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{RedisCartCache, carts::Inner, endpoint::Endpoint, events::subscriber};

/// How often it is looked whether the right server is listened to.
const LOOK: Duration = Duration::from_millis(50);
/// A connection on which nothing of what was said comes back for so many looks is given up.
const SILENT: u32 = 10;

/// Invalidations over Redis pub/sub, on `cartwright:changes:{namespace}`: a JSON object `{"changing":{"targets":[…],…}}`
/// before a change, and `{"changed":{…}}` after it, with targets such as `product:1`.
///
/// It publishes, and listens, where the carts' gate says the primary is, under the namespace of its opening. When a node
/// listens to another server than the others publish on, it does not hear its own echoes, and knows that it is deaf.
pub struct RedisBus {
    carts: Arc<Inner>,
    ears: Arc<Ears>,
    _stop: DropGuard,
}

struct Ears {
    /// The channel on which only this node hears itself.
    echo: String,
    listeners: Mutex<Vec<Listener>>,
    /// How many messages this node has sent.
    sent: AtomicU64,
}

impl std::fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisBus").finish_non_exhaustive()
    }
}

fn channel(namespace: &str) -> String {
    format!("cartwright:changes:{namespace}")
}

impl RedisBus {
    /// Starts to listen, on the current tokio runtime, on the servers of this cache.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start_beside(carts: &RedisCartCache) -> Self {
        let (carts, stop) = (Arc::clone(&carts.inner), CancellationToken::new());
        let ears = Arc::new(Ears {
            echo: format!("cartwright:echo:{:016x}", rand::random::<u64>()),
            listeners: Mutex::default(),
            sent: AtomicU64::new(0),
        });
        let listening = listen(Arc::clone(&carts), Arc::clone(&ears));
        tokio::spawn(stop.clone().run_until_cancelled_owned(listening));
        Self { carts, ears, _stop: stop.drop_guard() }
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn publish(&self, to: Audience, message: Bytes) -> Result<(), BusError> {
        let closed = || BusError(Box::new(RedisError::from((ErrorKind::Io, "the gate is closed"))));
        let view = self.carts.views.current();
        let namespace = &view.usable().ok_or_else(closed)?.namespace;
        let mut command = redis::cmd("PUBLISH");
        match to {
            Audience::All => command.arg(channel(namespace)),
            Audience::Echo => command.arg(&self.ears.echo),
        };
        command.arg(message.as_ref());
        let sent = self.carts.send(async |link| command.query_async::<()>(link).await).await;
        sent.ok_or_else(closed)?.map_err(|error| BusError(Box::new(error)))?;
        self.ears.sent.fetch_add(1, Relaxed);
        Ok(())
    }

    fn listen(&self, listener: Listener) {
        self.ears.listeners().push(listener);
    }
}

impl Ears {
    fn listeners(&self) -> std::sync::MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, heard: &Heard) {
        self.listeners().retain_mut(|listener| listener(heard.clone()));
    }
}

async fn listen(carts: Arc<Inner>, ears: Arc<Ears>) {
    loop {
        let view = carts.views.current();
        if let Some(opening) = view.usable()
            && let Some(endpoint) = carts.primary(opening)
            && let Err(error) = hear(&carts, endpoint, &opening.namespace, &ears).await
        {
            tracing::debug!(%error, "changes are not heard");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Until the connection is lost or silent, or the opening has ended.
async fn hear(carts: &Inner, endpoint: &Endpoint, namespace: &str, ears: &Ears) -> RedisResult<()> {
    let (mut sink, mut stream) = subscriber(&endpoint.client).await?.split();
    sink.subscribe(&[&channel(namespace), &ears.echo]).await?;
    // What was published before the server knew of us was not heard.
    ears.hear(&Heard::Missed);
    let mut look = tokio::time::interval(LOOK);
    let (mut sent, mut silent) = (ears.sent.load(Relaxed), 0);
    loop {
        tokio::select! {
            _ = look.tick() => {
                let now = ears.sent.load(Relaxed);
                silent += u32::from(now > sent);
                sent = now;
                let view = carts.views.current();
                if silent > SILENT || view.usable().is_none_or(|opening| &*opening.namespace != namespace) {
                    return Ok(());
                }
            }
            message = stream.next() => {
                let Some(message) = message else { return Ok(()) };
                silent = 0;
                ears.hear(&Heard::Message(Bytes::copy_from_slice(message.get_payload_bytes())));
            }
        }
    }
}
