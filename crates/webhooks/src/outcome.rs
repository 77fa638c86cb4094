//! How it ended.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use crate::{Excerpt, Location, Refusal};

/// The receiver has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// 200 to 299.
    pub status: u16,
    /// From the beginning to the last byte of the answer that was read.
    pub duration: Duration,
    /// The beginning of what it said.
    pub excerpt: Excerpt,
}

/// The receiver does not have it, or we cannot know.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the webhook was not delivered")]
pub struct Failed {
    /// Why.
    #[source]
    pub reason: Reason,
    /// From the beginning to the failure.
    pub duration: Duration,
    /// The beginning of what the receiver said. `None`: it did not answer.
    pub excerpt: Option<Excerpt>,
}

impl Failed {
    /// Whether the same message may be delivered later. What was refused stays refused; all else may be repaired,
    /// except that the receiver is [gone](Self::is_gone), or has moved for good.
    pub fn is_retryable(&self) -> bool {
        self.reason.is_retryable()
    }

    /// Whether the receiver wants no more messages, this or any other: 410.
    pub fn is_gone(&self) -> bool {
        matches!(self.reason, Reason::Status { code: 410, .. })
    }

    /// For how long the receiver wants to be left in peace, if it said so. A day at most, whatever it said.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.reason {
            Reason::Status { retry_after, .. } => retry_after,
            Reason::Refused(_) | Reason::Unreachable(_) | Reason::TimedOut(_) | Reason::Redirect { .. } => {
                None
            }
        }
    }
}

/// Why a message was not delivered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Reason {
    /// It may not go there. Nothing was sent.
    #[error("webhooks may not be sent there")]
    Refused(#[source] Refusal),
    /// There was no connection, or it broke off before the answer.
    #[error("the receiver was not reached")]
    Unreachable(#[source] Unreachable),
    /// It took too long.
    #[error("it took too long {0}")]
    TimedOut(Phase),
    /// The receiver answered, and not with 2xx.
    #[error("the receiver answered {code}")]
    Status {
        /// The status.
        code: u16,
        /// For how long it wants to be left in peace. A day at most, whatever it said.
        retry_after: Option<Duration>,
    },
    /// The receiver sent us elsewhere, and we did not go.
    #[error(
        "the receiver answered {code}, a redirect{}; redirects are not followed, the final URL would be right",
        To(location.as_ref())
    )]
    Redirect {
        /// 300 to 399.
        code: u16,
        /// Where we should have gone. `None`: it did not say.
        location: Option<Location>,
    },
}

impl Reason {
    /// The reason with all of its causes in one line, for a delivery log.
    pub fn explain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(found) = cause {
            let said = found.to_string();
            // What merely stands around a cause says the same.
            if !text.ends_with(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = found.source();
        }
        text
    }

    /// As [`Failed::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Redirect { code: 301 | 308, .. } | Self::Status { code: 410, .. } => {
                false
            }
            Self::Unreachable(_) | Self::TimedOut(_) | Self::Status { .. } | Self::Redirect { .. } => true,
        }
    }
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The address, the connection, TLS. Nothing was sent.
    Connecting,
    /// The answer. The receiver may have the message. Also when all of the time went by before
    /// [`Policy::connect_timeout`](crate::Policy::connect_timeout) did.
    Answering,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "to connect",
            Self::Answering => "until the answer",
        })
    }
}

/// Where it came to an end. The causes are shared, because the pool of connections keeps its own.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unreachable {
    /// The name was asked for in vain.
    #[error("the name {0} could not be resolved")]
    Name(String, #[source] Cause),
    /// The name is known, but has no address.
    #[error("the name {0} has no address")]
    NoAddress(String),
    /// None of the addresses took the connection. The cause is that of the last.
    #[error("no connection could be made")]
    Connection(#[source] Cause),
    /// Nobody there can prove to be the host in the URL.
    #[error("no trusted TLS connection could be made")]
    Tls(#[source] Cause),
    /// The connection broke off, or what came was not HTTP. The receiver may have the message.
    #[error("the connection broke off before there was an answer")]
    Broken(#[source] Cause),
}

type Cause = Arc<dyn Error + Send + Sync>;

struct To<'a>(Option<&'a Location>);

impl fmt::Display for To<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |location| write!(f, " to {location}"))
    }
}
