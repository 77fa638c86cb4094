use chrono::TimeDelta;
use serde::de::DeserializeOwned;

use crate::StorageError;

/// How long an answer is kept under its idempotency key. An older one counts as not there.
pub const KEY_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// An idempotency key, as its principal sent it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyClaim {
    /// Who sent it. Keys of different principals are different keys.
    pub principal: String,
    /// The key.
    pub key: String,
    /// A digest of the request, its kind included. The same key with another digest is refused.
    pub fingerprint: Vec<u8>,
}

/// What a store found out about an idempotency key that is not free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState<A> {
    /// Another transaction holds its lock.
    InFlight,
    /// It was used for another request less than [`KEY_LIFETIME`] ago.
    Reused,
    /// It was used for this request less than [`KEY_LIFETIME`] ago; this was the answer.
    Answered(A),
}

impl<A: DeserializeOwned> KeyState<A> {
    /// What is kept under the key of a claim. `answer` is JSON; that of another request may be of another kind, and is
    /// not read.
    ///
    /// # Errors
    /// [`StorageError::Unexpected`] when the answer to this request is none.
    pub fn kept(claim: &IdempotencyClaim, fingerprint: &[u8], answer: &str) -> Result<Self, StorageError> {
        if claim.fingerprint != fingerprint {
            return Ok(Self::Reused);
        }
        serde_json::from_str(answer).map(Self::Answered).map_err(|error| {
            StorageError::Unexpected("a kept answer that is not one".into(), Some(Box::new(error)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_the_same_request_is_read() {
        let claim = IdempotencyClaim { principal: "p".into(), key: "k".into(), fingerprint: vec![1] };
        assert_eq!(KeyState::kept(&claim, &[1], "7").unwrap(), KeyState::Answered(7));
        assert_eq!(KeyState::<i64>::kept(&claim, &[2], "{\"cart\":0}").unwrap(), KeyState::Reused);
        assert!(KeyState::<i64>::kept(&claim, &[1], "{}").is_err());
    }
}
