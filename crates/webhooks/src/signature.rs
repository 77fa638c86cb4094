//! Signatures as in the [Standard Webhooks specification](https://www.standardwebhooks.com), version 1.0.0, symmetric.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{
    Hmac, Mac,
    digest::{CtOutput, Output},
};
use sha2::Sha256;

use crate::{Message, Secret, Secrets};

type HmacSha256 = Hmac<Sha256>;

/// Of the symmetric scheme.
const VERSION: &str = "v1";

/// What stands in the header `webhook-signature`: `v1,` and the base64 of an HMAC-SHA256 over `id.timestamp.payload`, one
/// for each secret, separated by blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature(String);

impl Signature {
    /// How old or how far ahead a message may be, usually: five minutes.
    pub const TOLERANCE: Duration = Duration::from_secs(300);

    /// Signs with each of the secrets.
    pub fn sign(secrets: &Secrets, message: &Message) -> Self {
        let timestamp = message.at.timestamp().to_string();
        let mut text = String::new();
        for secret in secrets.iter() {
            let code = code(secret, message.id.as_str(), &timestamp, &message.payload);
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(VERSION);
            text.push(',');
            STANDARD.encode_string(code.into_bytes(), &mut text);
        }
        Self(text)
    }

    /// The text of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a receiver was sent beside the payload, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp: &'a str,
    /// `webhook-signature`: one or more, of any version.
    pub signature: &'a str,
}

impl Headers<'_> {
    /// `webhook-id`.
    pub const ID: &'static str = "webhook-id";
    /// `webhook-timestamp`.
    pub const TIMESTAMP: &'static str = "webhook-timestamp";
    /// `webhook-signature`.
    pub const SIGNATURE: &'static str = "webhook-signature";

    /// Says whether the payload comes from who has one of the secrets, and is not older, or further ahead, than the
    /// tolerance. That it was not seen before is for the caller to know, by the id.
    ///
    /// # Errors
    /// [`Forged`].
    pub fn verify(
        &self,
        secrets: &Secrets,
        payload: &[u8],
        now: DateTime<Utc>,
        tolerance: Duration,
    ) -> Result<(), Forged> {
        let timestamp: i64 = self.timestamp.parse().ok().ok_or(Forged::Timestamp)?;
        if now.timestamp().abs_diff(timestamp) > tolerance.as_secs() {
            return Err(if timestamp < now.timestamp() { Forged::TooOld } else { Forged::TooNew });
        }
        let given: Vec<_> = self.signature.split(' ').filter_map(decode).collect();
        if given.is_empty() {
            return Err(Forged::Unsigned);
        }
        // The text of the time is signed, not its value: `+5` and `05` are other messages than `5`.
        let ours = secrets.iter().map(|secret| code(secret, self.id, self.timestamp, payload));
        // `CtOutput` compares in constant time.
        if ours.into_iter().any(|ours| given.contains(&ours)) { Ok(()) } else { Err(Forged::Mismatch) }
    }
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// No time.
    #[error("`webhook-timestamp` is not a number of seconds since 1970")]
    Timestamp,
    /// It may be a replay.
    #[error("`webhook-timestamp` is too long ago")]
    TooOld,
    /// One of the two clocks is wrong.
    #[error("`webhook-timestamp` is too far in the future")]
    TooNew,
    /// Nothing that could be compared.
    #[error("`webhook-signature` has no signature of the form `{VERSION},<base64>`")]
    Unsigned,
    /// The payload, the id or the time were changed, or the secret is another.
    #[error("no signature in `webhook-signature` is by one of the secrets over this id, time and payload")]
    Mismatch,
}

/// `HmacSha256` takes a key of any length, so the error of `new_from_slice` does not happen; a key of the length of a
/// block is taken without one.
fn code(secret: &Secret, id: &str, timestamp: &str, payload: &[u8]) -> CtOutput<HmacSha256> {
    // Keys are 64 bytes at most, which is the block of SHA-256; shorter ones are filled with zeros, by definition.
    let mut block = hmac::digest::Key::<HmacSha256>::default();
    for (to, from) in block.iter_mut().zip(secret.key()) {
        *to = *from;
    }
    let mut mac = <HmacSha256 as hmac::digest::KeyInit>::new(&block);
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", payload] {
        mac.update(part);
    }
    mac.finalize()
}

/// A signature of our version; others are for others.
fn decode(text: &str) -> Option<CtOutput<HmacSha256>> {
    let (version, encoded) = text.split_once(',')?;
    if version != VERSION {
        return None;
    }
    let bytes: [u8; 32] = STANDARD.decode(encoded).ok()?.try_into().ok()?;
    Some(CtOutput::new(Output::<HmacSha256>::from(bytes)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use chrono::{DateTime, Utc};
    use proptest::prelude::*;

    use super::{Forged, Headers, Signature};
    use crate::{Message, Secret, Secrets};

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const PAYLOAD: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    const SIGNED: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
    const AT: i64 = 1_649_367_553;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn message() -> Message {
        let id = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk".parse().unwrap();
        Message { id, at: at(AT), payload: Bytes::from_static(PAYLOAD) }
    }

    fn secrets() -> Secrets {
        Secrets::only(SECRET.parse().unwrap())
    }

    fn other() -> Secret {
        format!("whsec_{}", "A".repeat(32)).parse().unwrap()
    }

    fn headers(signature: &str) -> Headers<'_> {
        Headers { id: "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", timestamp: "1649367553", signature }
    }

    /// The vector is that of the specification's own libraries.
    #[test]
    fn the_published_vector() {
        assert_eq!(Signature::sign(&secrets(), &message()).as_str(), SIGNED);
        assert_eq!(headers(SIGNED).verify(&secrets(), PAYLOAD, at(AT), Signature::TOLERANCE), Ok(()));
    }

    #[test]
    fn rotation_serves_who_has_either() {
        let own: Secret = SECRET.parse().unwrap();
        let both = Secrets::rotated(other(), [own.clone()]);
        let signature = Signature::sign(&both, &message());
        assert_eq!(signature.as_str().split(' ').count(), 2);
        for known in [Secrets::only(own), Secrets::only(other()), both.clone()] {
            let verdict = headers(signature.as_str()).verify(&known, PAYLOAD, at(AT), Signature::TOLERANCE);
            assert_eq!(verdict, Ok(()));
        }
        // A receiver that rotates first has both, and is sent the old one's signature only.
        assert_eq!(headers(SIGNED).verify(&both, PAYLOAD, at(AT), Signature::TOLERANCE), Ok(()));
    }

    #[test]
    fn what_is_forged_is_named() {
        let verdict = |signature: &str, secrets: &Secrets, now| {
            headers(signature).verify(secrets, PAYLOAD, at(now), Duration::from_secs(10))
        };
        assert_eq!(verdict(SIGNED, &Secrets::only(other()), AT), Err(Forged::Mismatch));
        assert_eq!(verdict(SIGNED, &secrets(), AT + 10), Ok(()));
        assert_eq!(verdict(SIGNED, &secrets(), AT + 11), Err(Forged::TooOld));
        assert_eq!(verdict(SIGNED, &secrets(), AT - 11), Err(Forged::TooNew));
        for unsigned in ["", "v1", "v1,", "v1,***", "v1a,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="] {
            assert_eq!(verdict(unsigned, &secrets(), AT), Err(Forged::Unsigned), "{unsigned}");
        }
        // A beginning of the signature is not enough, nor are others beside it too many.
        assert_eq!(verdict("v1,tZ1I4w==", &secrets(), AT), Err(Forged::Unsigned));
        assert_eq!(verdict(&format!("v1a,AAAA v1,AAAA {SIGNED} x"), &secrets(), AT), Ok(()));
        for timestamp in ["", "now", "1649367553.5", "99999999999999999999"] {
            let headers = Headers { timestamp, ..headers(SIGNED) };
            let verdict = headers.verify(&secrets(), PAYLOAD, at(AT), Signature::TOLERANCE);
            assert_eq!(verdict, Err(Forged::Timestamp), "{timestamp}");
        }
        for timestamp in ["+1649367553", "01649367553"] {
            let headers = Headers { timestamp, ..headers(SIGNED) };
            let verdict = headers.verify(&secrets(), PAYLOAD, at(AT), Signature::TOLERANCE);
            assert_eq!(verdict, Err(Forged::Mismatch), "{timestamp}");
        }
        let extreme = Headers { timestamp: "-9223372036854775808", ..headers(SIGNED) };
        assert_eq!(extreme.verify(&secrets(), PAYLOAD, at(AT), Signature::TOLERANCE), Err(Forged::TooOld));
    }

    proptest! {
        #[test]
        fn what_is_signed_is_verified_and_any_changed_byte_is_not(
            key in proptest::collection::vec(any::<u8>(), 24..=64),
            id in "[A-Za-z0-9_-]{1,40}",
            seconds in 0i64..4_000_000_000,
            payload in proptest::collection::vec(any::<u8>(), 1..200),
            place in any::<proptest::sample::Index>(),
            flip in 1u8..=255,
        ) {
            use base64::{Engine, engine::general_purpose::STANDARD};
            let secret = |key: &[u8]| Secrets::only(format!("whsec_{}", STANDARD.encode(key)).parse().unwrap());
            let message = Message { id: id.parse().unwrap(), at: at(seconds), payload: payload.clone().into() };
            let signed = Signature::sign(&secret(&key), &message).to_string();
            let timestamp = seconds.to_string();
            let verify = |key: &[u8], id: &str, timestamp: &str, signature: &str, payload: &[u8]| {
                let tolerance = Duration::from_secs(u64::MAX);
                Headers { id, timestamp, signature }.verify(&secret(key), payload, at(seconds), tolerance)
            };
            let changed = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                let place = place.index(bytes.len());
                bytes[place] ^= flip;
                bytes
            };
            let changed_text = |text: &str| String::from_utf8_lossy(&changed(text.as_bytes())).into_owned();

            prop_assert_eq!(verify(&key, &id, &timestamp, &signed, &payload), Ok(()));
            prop_assert_eq!(verify(&key, &id, &timestamp, &signed, &changed(&payload)), Err(Forged::Mismatch));
            prop_assert_eq!(verify(&key, &changed_text(&id), &timestamp, &signed, &payload), Err(Forged::Mismatch));
            prop_assert_eq!(verify(&changed(&key), &id, &timestamp, &signed, &payload), Err(Forged::Mismatch));
            prop_assert!(verify(&key, &id, &changed_text(&timestamp), &signed, &payload).is_err());
            prop_assert!(verify(&key, &id, &timestamp, &changed_text(&signed), &payload).is_err());
        }
    }
}
