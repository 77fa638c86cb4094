//! Tokens that were verified lately.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use super::{
    Verified,
    keys::{Keys, Voucher},
};

/// The SHA-256 of a whole token: every byte of it counts, and the cache holds no token that could leak.
pub(crate) type Fingerprint = [u8; SHA256_OUTPUT_LEN];

pub(crate) fn fingerprint(token: &str) -> Fingerprint {
    let mut fingerprint = [0; SHA256_OUTPUT_LEN];
    for (to, from) in fingerprint.iter_mut().zip(digest(&SHA256, token.as_bytes()).as_ref()) {
        *to = *from;
    }
    fingerprint
}

/// Tokens that were verified, so that the next request with the same one needs no arithmetic. What was refused is not kept:
/// who sends rubbish shall not push out what is good.
#[derive(Debug)]
pub(crate) struct Seen(Option<Cache<Fingerprint, Entry>>);

#[derive(Debug, Clone)]
struct Entry {
    verified: Arc<Verified>,
    voucher: Voucher,
}

impl Seen {
    /// `most`: 0 keeps none.
    pub(crate) fn new(most: usize) -> Self {
        Self((most > 0).then(|| Cache::new(most)))
    }

    /// What the token said, if it could be said again now: it has not ended, and its key is still believed.
    pub(crate) fn get(&self, of: &Fingerprint, keys: &Keys, now: DateTime<Utc>) -> Option<Arc<Verified>> {
        let entry = self.0.as_ref()?.get(of)?;
        (now < entry.verified.until && keys.stand_by(entry.voucher, now)).then_some(entry.verified)
    }

    pub(crate) fn keep(&self, of: Fingerprint, verified: Arc<Verified>, voucher: Voucher) {
        if let Some(cache) = &self.0 {
            cache.insert(of, Entry { verified, voucher });
        }
    }
}
