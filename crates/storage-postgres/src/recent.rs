//! Carts as this process wrote them last, so that their lines need not be read again.

use std::{collections::HashMap, sync::Arc};

use cartwright_domain::{Cart, OwnerId};
use cartwright_storage::CartChange;
use chrono::{DateTime, Utc};
use quick_cache::{Weighter, sync::Cache};

/// Bytes of carts kept, about.
const ROOM: u64 = 32 * 1024 * 1024;
/// How many carts that is, about.
const CARTS: usize = 32 * 1024;

/// Nothing here is believed by itself: every read still asks the database for the cart's version and time of change,
/// and only when both are those of the cart here are its lines taken from here. The time is compared too because a
/// version may come again: after a restore, a failover that lost commits, or when an erased cart begins anew.
#[derive(Clone)]
pub(crate) struct RecentCarts(Arc<Cache<OwnerId, Arc<Cart>, Bytes>>);

#[derive(Clone)]
struct Bytes;

impl Weighter<OwnerId, Arc<Cart>> for Bytes {
    fn weight(&self, _owner: &OwnerId, cart: &Arc<Cart>) -> u64 {
        let lines: usize = cart.lines().iter().map(|line| 120 + line.name.len()).sum();
        u64::try_from(300 + lines).unwrap_or(u64::MAX)
    }
}

impl RecentCarts {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Cache::with_weighter(CARTS, ROOM, Bytes)))
    }

    /// What is known of these carts.
    pub(crate) fn of<'a>(&self, owners: &[&'a OwnerId]) -> Known<'a> {
        let carts: Vec<_> = owners.iter().map(|owner| self.0.get(*owner)).collect();
        let (versions, updated) = carts.iter().map(|cart| stamp(cart.as_deref())).unzip();
        Known { owners: owners.to_vec(), versions, updated, carts }
    }

    /// Whoever is forgotten is not remembered here either.
    pub(crate) fn forget(&self, owner: &OwnerId) {
        self.0.remove(owner);
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

impl<'a> Known<'a> {
    /// The carts as they are remembered, which they need not be any more.
    pub(crate) fn remembered(&self) -> HashMap<&'a OwnerId, &Arc<Cart>> {
        let carts = self.owners.iter().zip(&self.carts);
        carts.filter_map(|(owner, cart)| Some((*owner, cart.as_ref()?))).collect()
    }

    /// The cart of the owner at `position`, from 1, if the row with this version and time is the one that is known.
    pub(crate) fn cart(&self, position: i64, version: i64, updated: DateTime<Utc>) -> Option<Arc<Cart>> {
        let at = usize::try_from(position.checked_sub(1)?).ok()?;
        let known = self.versions.get(at) == Some(&version) && self.updated.get(at) == Some(&updated);
        self.carts.get(at).filter(|_| known).cloned().flatten()
    }
}

fn stamp(cart: Option<&Cart>) -> (i64, DateTime<Utc>) {
    let known = cart.and_then(|cart| Some((i64::try_from(cart.version()).ok()?, cart.updated_at()?)));
    known.unwrap_or((0, DateTime::UNIX_EPOCH))
}
