//! Whether a token is believed.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use cartwright_domain::Clock;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Algorithm, BadSettings, JwtSettings, Reason, Rejected, Verified,
    claims::Rules,
    compact::Compact,
    jwks::Remote,
    keys::{Fetched, Key, Keys, Material, Voucher},
    metrics::Tokens,
    seen::{Fingerprint, Seen, fingerprint},
};

/// Verifies tokens. Clones are cheap, and share keys and memory.
///
/// Where keys are fetched, a task of it runs on the runtime of [`start`](Self::start) until the last clone is dropped.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    keys: Arc<ArcSwap<Keys>>,
    remote: Option<Remote>,
    rules: Rules,
    types: Vec<String>,
    max_bytes: usize,
    seen: Seen,
    clock: Arc<dyn Clock>,
    tokens: Tokens,
}

/// How it is with the keys: for a health page or a check of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// Keys of the settings.
    pub fixed: usize,
    /// Keys that were fetched and are believed. `None`: none are to be fetched.
    pub fetched: Option<usize>,
    /// When the fetched ones were seen last. `None`: never.
    pub fetched_at: Option<DateTime<Utc>>,
    /// Why the last attempt to fetch them failed, with its causes. `None`: it did not.
    pub error: Option<String>,
}

impl Verifier {
    /// A verifier. Where keys are to be fetched, they are fetched before it returns; if that fails, a warning says so, it is
    /// tried again in the background, and tokens are refused as [unavailable](Rejected::is_unavailable) until there are keys.
    ///
    /// To be called on a runtime of tokio.
    ///
    /// # Errors
    /// [`BadSettings`] says what would be right.
    pub async fn start(settings: JwtSettings) -> Result<Self, BadSettings> {
        settings.check()?;
        let JwtSettings { secrets, public_keys, jwks, issuers, audiences, leeway, clock, .. } = settings;
        let secrets = secrets.into_iter().map(|named| (named.kid, Material::Secret(named.key)));
        let public_keys = public_keys.into_iter().map(|named| (named.kid, Material::Public(named.key)));
        let fixed = secrets.chain(public_keys).map(|(kid, material)| Key { kid, material }).collect();
        let fetched = jwks.as_ref().map(|_| Fetched::default());
        let keys = Arc::new(ArcSwap::from_pointee(Keys { fixed, fetched }));
        let remote = match &jwks {
            Some(jwks) => Some(Remote::start(jwks, Arc::clone(&keys), Arc::clone(&clock)).await?),
            None => None,
        };
        let leeway = TimeDelta::from_std(leeway).unwrap_or_default();
        Ok(Self(Arc::new(Inner {
            keys,
            remote,
            rules: Rules { issuers, audiences, leeway },
            types: settings.types,
            max_bytes: settings.max_bytes,
            seen: Seen::new(settings.remembered),
            clock,
            tokens: Tokens::register(),
        })))
    }

    /// What the token says, if it was verified lately: without waiting, and without more arithmetic than a SHA-256. `None`:
    /// [`verify`](Self::verify) knows.
    pub fn recall(&self, token: &str) -> Option<Arc<Verified>> {
        if token.len() > self.0.max_bytes { None } else { self.0.recall(&fingerprint(token)) }
    }

    /// What the token says, if it is to be believed. It waits only when the token names a key that is not known, for the keys
    /// to be fetched anew; a caller who goes away meanwhile does no harm.
    ///
    /// # Errors
    /// [`Rejected`].
    pub async fn verify(&self, token: &str) -> Result<Arc<Verified>, Rejected> {
        let inner = &*self.0;
        if token.len() > inner.max_bytes {
            return Err(Tokens::rejected(Reason::TooLong));
        }
        let fingerprint = fingerprint(token);
        if let Some(verified) = inner.recall(&fingerprint) {
            return Ok(verified);
        }
        let (verified, voucher) = inner.examine(token).await.map_err(Tokens::rejected)?;
        inner.tokens.accepted();
        let verified = Arc::new(verified);
        inner.seen.keep(fingerprint, Arc::clone(&verified), voucher);
        Ok(verified)
    }

    /// How it is with the keys.
    pub fn status(&self) -> KeyStatus {
        let keys = self.0.keys.load();
        let fetched = keys.fetched.as_ref();
        KeyStatus {
            fixed: keys.fixed.len(),
            fetched: fetched.map(|some| some.usable(self.0.clock.now()).len()),
            fetched_at: fetched.and_then(|some| some.at),
            error: self.0.remote.as_ref().and_then(Remote::error),
        }
    }
}

impl Inner {
    fn recall(&self, of: &Fingerprint) -> Option<Arc<Verified>> {
        let verified = self.seen.get(of, &self.keys.load(), self.clock.now())?;
        self.tokens.remembered();
        Some(verified)
    }

    async fn examine(&self, token: &str) -> Result<(Verified, Voucher), Reason> {
        let token = Compact::parse(token, &self.types)?;
        let voucher = match (self.vouch(&token), &self.remote) {
            // No secret is fetched, so there is nothing to look for.
            (Err(Reason::UnknownKey), Some(remote)) if token.algorithm != Algorithm::Hs256 => {
                remote.ask(self.clock.now()).await;
                match self.vouch(&token) {
                    // It may be a new key that we have not heard of.
                    Err(Reason::UnknownKey) if remote.is_failing() => Err(Reason::KeysUnavailable),
                    other => other,
                }
            }
            (first, _) => first,
        }?;
        let verified = self.rules.judge(&token.claims()?, self.clock.now())?;
        Ok((verified, voucher))
    }

    fn vouch(&self, token: &Compact<'_>) -> Result<Voucher, Reason> {
        self.keys.load().verify(token, self.clock.now())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.status()).finish_non_exhaustive()
    }
}
