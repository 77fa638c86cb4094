//! Carts as this process wrote them last, so that their lines need not be read again.

use std::sync::Arc;

use cartwright_domain::{Cart, OwnerId};
use cartwright_storage::CartChange;
use chrono::{DateTime, Utc};
use moka::sync::Cache;

/// Bytes of carts kept, about.
const ROOM: u64 = 32 * 1024 * 1024;

/// Nothing here is believed by itself: every read still asks the database for the cart's version and time of change,
/// and only when both are those of the cart here are its lines taken from here. The time is compared too because a
/// version may come again: after a restore, a failover that lost commits, or when an erased cart begins anew.
#[derive(Clone)]
pub(crate) struct RecentCarts(Cache<OwnerId, Arc<Cart>>);

impl RecentCarts {
    pub(crate) fn new() -> Self {
        let bytes = |_: &OwnerId, cart: &Arc<Cart>| {
            let lines: usize = cart.lines().iter().map(|line| 120 + line.name.len()).sum();
            u32::try_from(300 + lines).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().weigher(bytes).max_capacity(ROOM).build())
    }

    /// What is known of these carts.
    pub(crate) fn of<'a>(&self, owners: &[&'a OwnerId]) -> Known<'a> {
        let carts: Vec<_> = owners.iter().map(|owner| self.0.get(*owner)).collect();
        let (versions, updated) = carts.iter().map(|cart| stamp(cart.as_deref())).unzip();
        Known { owners: owners.to_vec(), versions, updated, carts }
    }

    /// Notes what was written, after the commit.
    pub(crate) fn written(&self, changed: &[CartChange]) {
        for change in changed {
            self.0.insert(change.after.owner().clone(), Arc::clone(&change.after));
        }
    }
}

/// Owners, and what is known of their carts, in the same order.
pub(crate) struct Known<'a> {
    pub(crate) owners: Vec<&'a OwnerId>,
    /// 0, which no row has, where nothing is known.
    pub(crate) versions: Vec<i64>,
    pub(crate) updated: Vec<DateTime<Utc>>,
    carts: Vec<Option<Arc<Cart>>>,
}

impl Known<'_> {
    /// The cart of the owner at `position`, from 0, if the row with this version and time is the one that is known.
    pub(crate) fn cart(&self, position: usize, version: i64, updated: DateTime<Utc>) -> Option<Arc<Cart>> {
        let known =
            self.versions.get(position) == Some(&version) && self.updated.get(position) == Some(&updated);
        self.carts.get(position).filter(|_| known).cloned().flatten()
    }
}

fn stamp(cart: Option<&Cart>) -> (i64, DateTime<Utc>) {
    let known = cart.and_then(|cart| Some((i64::try_from(cart.version()).ok()?, cart.updated_at()?)));
    known.unwrap_or((0, DateTime::UNIX_EPOCH))
}
