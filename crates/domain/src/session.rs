use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

use crate::{JsonObject, OwnerId};

/// What a session carries: at most 10 KB of JSON.
pub type SessionData = JsonObject<10_240>;

/// The name of a session, which is a secret: who knows it has the session. 256 random bits.
///
/// Neither `Debug` nor an error shows it. Stores never see it, only its [`hash`](Self::hash).
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId([u8; 32]);

/// Not the id of a session. It does not repeat the text: that may be a secret with a typo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a session has 43 letters, digits, - or _, as it was given out")]
pub struct SessionIdError;

impl SessionId {
    /// An id of so many random bits. They must come from a generator that nobody can foresee.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// The text by which its holder names it: 43 characters of base64url. For the one answer that makes it known to him.
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What stores know it by. It does not lead back to the id.
    pub fn hash(&self) -> SessionHash {
        SessionHash(SmolStr::new(URL_SAFE_NO_PAD.encode(Sha256::digest(self.0))))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    /// The very text that was given out, and no other that would mean the same bits.
    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_may_be_a_secret| SessionIdError)?;
        bytes.try_into().map(Self).map_err(|_may_be_a_secret| SessionIdError)
    }
}

/// SHA-256 of a session's id, in base64url: what stores know it by. With it nobody can use the session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionHash(SmolStr);

impl SessionHash {
    /// The text, of 43 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a store kept.
    ///
    /// # Errors
    /// [`SessionIdError`] when it is no such text.
    pub fn kept(text: &str) -> Result<Self, SessionIdError> {
        // Of the same form as an id.
        text.parse::<SessionId>().map(|_| Self(SmolStr::new(text)))
    }

    /// The name of the session in lists.
    pub fn handle(&self) -> SessionHandle {
        SessionHandle(SmolStr::new(self.0.get(..HANDLE).unwrap_or_default()))
    }
}

/// Characters of a handle: 96 bits.
const HANDLE: usize = 16;

/// By what a session is named in lists, so that its owner can end it without knowing its id: the beginning of its hash, of 16
/// characters. It is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct SessionHandle(SmolStr);

/// Not the handle of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the handle of a session has 16 letters, digits, - or _, as in the list of sessions")]
pub struct SessionHandleError;

impl SessionHandle {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SessionHandle {
    type Err = SessionHandleError;

    fn from_str(text: &str) -> Result<Self, SessionHandleError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_one = text.len() == HANDLE && text.bytes().all(fits);
        if is_one { Ok(Self(SmolStr::new(text))) } else { Err(SessionHandleError) }
    }
}

/// A session, as its holder sees it and as it is shown in lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Its name in lists.
    pub handle: SessionHandle,
    /// Whose it is. `None`: of somebody who has not logged in.
    pub owner: Option<OwnerId>,
    /// What it carries.
    pub data: SessionData,
    /// 1 at first; grows by one with each change of what it carries.
    pub version: u64,
    /// When it was made, or its holder logged in.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to within a tenth of its lifetime.
    pub seen_at: DateTime<Utc>,
    /// From this moment on there is no such session.
    pub expires_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_only_as_it_was_given_out() {
        let id = SessionId::new([0xfb; 32]);
        let text = id.expose();
        assert_eq!((text.len(), &text[..4]), (43, "-_v7"));
        assert_eq!(text.parse(), Ok(id.clone()));
        // The last character has four bits; others would mean the same id.
        let loose = format!("{}t", &text[..42]);
        assert_ne!(loose, text);
        let padded = format!("{text}=");
        for wrong in ["", " ", &text[1..], &loose, &padded, &text.replace('-', "+"), &format!("{text}A"), "ä"]
        {
            assert_eq!(wrong.parse::<SessionId>(), Err(SessionIdError), "{wrong}");
        }
        assert_eq!(format!("{id:?} {:?}", text.parse::<SessionId>()), "SessionId(…) Ok(SessionId(…))");
    }

    #[test]
    fn the_hash_is_that_of_the_bits_and_begins_with_the_handle() {
        let hash = SessionId::new([0; 32]).hash();
        // printf of 32 NULs | sha256sum: 66687aad…
        assert_eq!(hash.as_str(), "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU");
        assert_eq!(hash.handle().as_str(), "Zmh6rfhivXdsj8GL");
        assert_eq!(hash.handle().as_str().parse(), Ok(hash.handle()));
        assert_eq!(SessionHash::kept(hash.as_str()), Ok(hash));
        assert!(SessionHash::kept("Zmh6").is_err());
        for wrong in ["", "Zmh6rfhivXdsj8G", "Zmh6rfhivXdsj8GL=", "Zmh6rfhivXdsj8G+", "Zmh6rfhivXdsj8ä"] {
            assert_eq!(wrong.parse::<SessionHandle>(), Err(SessionHandleError), "{wrong}");
        }
    }
}
