//! What is sent.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use chrono::{DateTime, Utc};

const LONGEST: usize = 128;

/// One attempt to tell a receiver something. Its `Debug` leaves out the payload, which is about customers.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Stays the same however often it is tried, so that the receiver can tell a repetition.
    pub id: MessageId,
    /// When this attempt is made. Receivers take what is a few minutes old for a replay, so each attempt has its own.
    pub at: DateTime<Utc>,
    /// The body, JSON. It is sent and signed byte by byte as it is.
    pub payload: Bytes,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("id", &self.id).field("at", &self.at).finish_non_exhaustive()
    }
}

/// Names a message: 1 to 128 letters, digits, `_` and `-`. A full stop would blur where the id ends in what is signed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot be a message's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a message is 1 to {LONGEST} letters, digits, `_` and `-`")]
pub struct BadMessageId;

impl FromStr for MessageId {
    type Err = BadMessageId;

    fn from_str(text: &str) -> Result<Self, BadMessageId> {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(safe);
        if fits { Ok(Self(text.to_owned())) } else { Err(BadMessageId) }
    }
}

#[cfg(test)]
mod tests {
    use super::{BadMessageId, MessageId};

    #[test]
    fn ids_are_safe_in_a_header_and_in_what_is_signed() {
        assert_eq!("msg_2KWPBgLl-1".parse::<MessageId>().unwrap().as_str(), "msg_2KWPBgLl-1");
        for bad in ["", "a.b", "a b", "a\r\nb", "é", &"x".repeat(129)] {
            assert_eq!(bad.parse::<MessageId>(), Err(BadMessageId), "{bad:?}");
        }
    }
}
