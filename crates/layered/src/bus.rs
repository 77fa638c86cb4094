use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

/// Who is to hear a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Every node, this one included.
    All,
    /// This node alone, over the very connection on which it hears the others.
    Echo,
}

/// What a listener is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// What somebody published.
    Message(Bytes),
    /// Messages may have been missed before this.
    Missed,
}

/// Called with what is heard, in order. Must not block. `false`: it does not want to hear more.
pub type Listener = Box<dyn FnMut(Heard) -> bool + Send>;

/// The message did not get out.
#[derive(Debug, thiserror::Error)]
#[error("the bus of invalidations: {0}")]
pub struct BusError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Carries messages between the nodes.
///
/// Messages may be lost, but not silently: whoever loses a connection is told [`Heard::Missed`] when he has another one.
/// And a message of [`Audience::Echo`] comes back only if everything that others had published before it was sent has
/// come: a node that does not hear its own echoes knows that it is deaf.
#[async_trait]
pub trait Bus: Send + Sync + std::fmt::Debug + 'static {
    /// Sends a message. When it returns, all who listen, and are not cut off, will hear it.
    ///
    /// # Errors
    /// [`BusError`] when that cannot be said.
    async fn publish(&self, to: Audience, message: Bytes) -> Result<(), BusError>;

    /// Listens from now on.
    fn listen(&self, listener: Listener);
}

/// The bus of several caches in one process.
#[derive(Default)]
pub struct MemoryBus {
    listeners: Mutex<Vec<Listener>>,
}

impl std::fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryBus").finish_non_exhaustive()
    }
}

impl MemoryBus {
    /// Without listeners.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Bus for MemoryBus {
    async fn publish(&self, _to: Audience, message: Bytes) -> Result<(), BusError> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain_mut(|listener| listener(Heard::Message(message.clone())));
        Ok(())
    }

    fn listen(&self, listener: Listener) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }
}

/// The bus of a node that cannot hear the others there may be: it keeps nothing for longer than the deaf may.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silence;

#[async_trait]
impl Bus for Silence {
    async fn publish(&self, _to: Audience, _message: Bytes) -> Result<(), BusError> {
        Ok(()) // nobody keeps anything that would have to be told
    }

    fn listen(&self, _listener: Listener) {}
}
