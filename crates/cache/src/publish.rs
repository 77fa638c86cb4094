use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;

/// Something to be said on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// On which one.
    pub channel: String,
    /// What.
    pub payload: Bytes,
}

/// Nobody knows whether anybody heard it.
#[derive(Debug, thiserror::Error)]
#[error("messages were not published")]
pub struct Unpublished(#[source] pub Box<dyn Error + Send + Sync>);

/// Channels on which whoever listens at the moment hears what is said, in order.
#[async_trait]
pub trait Publisher: Send + Sync + std::fmt::Debug + 'static {
    /// Whether anybody listens to each of the channels at the moment: what is said to nobody need not be made.
    ///
    /// # Errors
    /// [`Unpublished`]: nobody knows.
    async fn heard(&self, channels: &[String]) -> Result<Vec<bool>, Unpublished>;

    /// Says all of it.
    ///
    /// # Errors
    /// [`Unpublished`]: some of it may have been heard.
    async fn say(&self, messages: &[Message]) -> Result<(), Unpublished>;
}
