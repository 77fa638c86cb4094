//! The keys that are believed at a moment.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Algorithm, PublicKey, Reason, Secret, compact::Compact};

/// Keys that are tried on one token at most. A token that does not name its key makes us try.
const MOST_TRIED: usize = 16;

/// A key and its name.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) kid: Option<String>,
    pub(crate) material: Material,
}

#[derive(Debug, Clone)]
pub(crate) enum Material {
    Secret(Secret),
    Public(PublicKey),
}

impl Key {
    fn algorithm(&self) -> Algorithm {
        match &self.material {
            Material::Secret(_) => Algorithm::Hs256,
            Material::Public(key) => key.algorithm(),
        }
    }

    fn verifies(&self, token: &Compact<'_>) -> bool {
        match &self.material {
            Material::Secret(secret) => secret.verifies(token.signed, &token.signature),
            Material::Public(key) => key.verifies(token.signed, &token.signature),
        }
    }

    /// Whether it is the same public key by the same name. Secrets are not compared.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.material, &other.material) {
            (Material::Public(this), Material::Public(that)) => this == that && self.kid == other.kid,
            _ => false,
        }
    }
}

/// All keys at a moment: those that stay, and those that were fetched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    pub(crate) fixed: Arc<[Key]>,
    /// `None`: none are to be fetched.
    pub(crate) fetched: Option<Fetched>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Fetched {
    pub(crate) keys: Arc<[Key]>,
    /// When they were seen last. `None`: they have not been fetched yet.
    pub(crate) at: Option<DateTime<Utc>>,
    /// From when on they are too old to be believed.
    pub(crate) until: DateTime<Utc>,
    /// Grows whenever they are others than before.
    pub(crate) generation: u64,
}

impl Fetched {
    pub(crate) fn usable(&self, now: DateTime<Utc>) -> &[Key] {
        if self.at.is_some() && now < self.until { &self.keys } else { &[] }
    }
}

/// Who has vouched for a token, and for how long that can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voucher {
    /// A key that stays.
    Fixed,
    /// One of the keys of this generation.
    Fetched(u64),
}

impl Keys {
    /// Whether what a key has vouched for holds still: the fetched keys are the same as then, and not too old.
    pub(crate) fn stand_by(&self, voucher: Voucher, now: DateTime<Utc>) -> bool {
        match (voucher, &self.fetched) {
            (Voucher::Fixed, _) => true,
            (Voucher::Fetched(then), Some(fetched)) => {
                fetched.generation == then && !fetched.usable(now).is_empty()
            }
            (Voucher::Fetched(_), None) => false,
        }
    }

    /// Verifies the signature by the key that the token names, or if it names none by those of its algorithm.
    pub(crate) fn verify(&self, token: &Compact<'_>, now: DateTime<Utc>) -> Result<Voucher, Reason> {
        let (fetched, generation) =
            self.fetched.as_ref().map_or((&[] as &[Key], 0), |some| (some.usable(now), some.generation));
        let all = || {
            let fixed = self.fixed.iter().map(|key| (key, Voucher::Fixed));
            fixed.chain(fetched.iter().map(move |key| (key, Voucher::Fetched(generation))))
        };
        let kid = token.kid.as_deref();
        let is_known = kid.is_some() && all().any(|(key, _)| key.kid.as_deref() == kid);
        // A key without a name may be the one that a token means.
        let may_be_it = |key: &Key| match kid {
            Some(_) if is_known => key.kid.as_deref() == kid,
            Some(_) => key.kid.is_none(),
            None => true,
        };
        let mut tried = false;
        for (key, voucher) in
            all().filter(|(key, _)| may_be_it(key) && key.algorithm() == token.algorithm).take(MOST_TRIED)
        {
            if key.verifies(token) {
                return Ok(voucher);
            }
            tried = true;
        }
        // No secret is ever fetched. Of the others, who has not got all keys cannot say that a signature is wrong.
        let may_be_fetched = self.fetched.is_some() && token.algorithm != Algorithm::Hs256;
        Err(match (is_known, tried) {
            (false, _) if may_be_fetched && fetched.is_empty() => Reason::KeysUnavailable,
            (false, _) if may_be_fetched && kid.is_some() => Reason::UnknownKey,
            (_, true) => Reason::Signature,
            (false, false) if kid.is_some() => Reason::UnknownKey,
            (_, false) => Reason::Algorithm,
        })
    }
}
