use std::collections::BTreeMap;

use cartwright_domain::{Cart, CartError, Command, Context, Listing, OwnerId, ProductId, merge};
use cartwright_storage::CartRequest;
use chrono::{DateTime, Utc};

/// Carts as the domain alone would have them: what a store must agree with.
#[derive(Debug, Default)]
pub(crate) struct Model {
    carts: BTreeMap<OwnerId, Cart>,
    pub(crate) listings: BTreeMap<ProductId, Listing>,
}

impl Model {
    pub(crate) fn cart(&mut self, owner: &OwnerId) -> &mut Cart {
        self.carts.entry(owner.clone()).or_insert_with(|| Cart::empty(owner.clone()))
    }

    pub(crate) fn apply(&mut self, request: &CartRequest, now: DateTime<Utc>) -> Result<Cart, CartError> {
        if let Command::Merge { from } = &request.command {
            let mut into = self.cart(&request.owner).clone();
            let mut other = self.cart(from).clone();
            merge(&mut into, &mut other, now)?;
            *self.cart(from) = other;
            *self.cart(&request.owner) = into;
        } else {
            let listing = request.command.needs_listing().and_then(|id| self.listings.get(id)).cloned();
            let context = Context { now, listing: listing.as_ref(), allow_unlisted: false };
            self.cart(&request.owner).apply(&request.command, context)?;
        }
        Ok(self.cart(&request.owner).clone())
    }

    pub(crate) fn carts(&self) -> impl Iterator<Item = &Cart> {
        self.carts.values()
    }
}

/// A small repeatable source of choices.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`, by a linear congruential generator (Knuth's MMIX constants).
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub(crate) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()]
    }
}
