//! Which advisory lock stands for which thing. All nodes must agree, so this never changes.
//!
//! A lock key is the first eight bytes of a SHA-256, so that nobody can choose an idempotency key that collides with
//! another's; its lowest bit says what kind of lock it is, so that a cart's never equals an idempotency key's.

use cartwright_domain::OwnerId;
use cartwright_storage::IdempotencyClaim;
use sha2::{Digest, Sha256};

/// Held by whoever applies migrations. Different from all others: its 32-bit halves are a class of their own.
pub(crate) const MIGRATIONS: (i32, i32) = (0x6361_7274, 0x6d69_6772);

/// Held by whoever counts orders.
pub(crate) const STATISTICS: (i32, i32) = (0x6361_7274, 0x7374_6174);

/// The class of the locks of those who have holds.
pub(crate) const HOLDERS: i32 = 0x686f_6c64;

/// The lock of somebody who has holds, in its class. Two that have the same only wait for each other.
pub(crate) fn holder(owner: &OwnerId) -> i32 {
    Sha256::digest(owner.as_str()).iter().take(4).fold(0, |number, byte| (number << 8) | i32::from(*byte))
}

/// The lock of a cart.
pub(crate) fn cart(owner: &OwnerId) -> i64 {
    first_eight(Sha256::new().chain_update(owner.as_str())) & !1
}

/// The lock of an idempotency key.
pub(crate) fn claim(claim: &IdempotencyClaim) -> i64 {
    // The length keeps ("ab", "c") apart from ("a", "bc").
    let length = u64::try_from(claim.principal.len()).unwrap_or(u64::MAX);
    let hash = Sha256::new().chain_update(length.to_be_bytes());
    first_eight(hash.chain_update(&claim.principal).chain_update(&claim.key)) | 1
}

fn first_eight(hash: Sha256) -> i64 {
    hash.finalize().iter().take(8).fold(0, |number, byte| (number << 8) | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(principal: &str, key: &str) -> i64 {
        claim(&IdempotencyClaim { principal: principal.into(), key: key.into(), fingerprint: Vec::new() })
    }

    #[test]
    fn keys_are_stable_and_kinds_are_disjoint() {
        // The SHA-256 of abc is in the standard.
        assert_eq!(cart(&OwnerId::new("abc").unwrap()), 0xba78_16bf_8f01_cfea_u64.cast_signed());
        assert_eq!(cart(&OwnerId::new("x").unwrap()) & 1, 0);
        assert_eq!(holder(&OwnerId::new("abc").unwrap()), 0xba78_16bf_u32.cast_signed());
        assert_eq!(of("x", "y") & 1, 1);
        assert_ne!(of("ab", "c"), of("a", "bc"));
    }
}
