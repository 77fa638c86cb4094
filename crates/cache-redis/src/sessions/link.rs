//! The way to whichever server takes writes.

use std::{sync::Arc, time::Duration};

use redis::{Client, RedisResult, aio::MultiplexedConnection};
use tokio::sync::{Notify, watch};

use crate::events::{PAUSE, primary, takes_writes};

/// Between two looks whether the server still is the primary.
const LOOK: Duration = Duration::from_secs(1);

/// Connections to the primary.
#[derive(Clone)]
pub(super) struct Primary {
    /// For everybody, one question behind the other.
    pub(super) link: MultiplexedConnection,
    /// For those who wait until replicas have what they did. The others need not wait for them.
    pub(super) waiting: MultiplexedConnection,
}

/// What is known of the primary.
#[derive(Clone)]
pub(super) enum Known {
    /// Nothing yet.
    Looking,
    /// Here it is.
    Found(Primary),
    /// It was looked for in vain.
    Nobody(String),
}

/// Keeps the connections, for ever.
pub(super) async fn keep(clients: Vec<Client>, known: watch::Sender<Known>, doubt: Arc<Notify>) {
    loop {
        let found: RedisResult<_> = async {
            let (client, link) = primary(&clients).await?;
            let waiting = crate::events::connect(client).await?;
            Ok(Primary { link, waiting })
        }
        .await;
        match found {
            Ok(found) => {
                let mut link = found.link.clone();
                known.send_replace(Known::Found(found));
                // A demoted primary, or none any more.
                while let Ok(true) = takes_writes(&mut link).await {
                    let _looked_or_doubted = tokio::time::timeout(LOOK, doubt.notified()).await;
                }
                known.send_replace(Known::Looking);
            }
            Err(error) => {
                known.send_replace(Known::Nobody(error.to_string()));
                let _slept_or_doubted = tokio::time::timeout(PAUSE, doubt.notified()).await;
                tokio::time::sleep(PAUSE / 5).await;
            }
        }
    }
}
