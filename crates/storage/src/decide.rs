use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use cartwright_domain::{
    Applied, Cart, CartError, Command, Context, Listing, MergeReport, OwnerId, ProductId, merge,
};
use chrono::{DateTime, Utc};

use crate::{Answer, BatchPolicy, CartRequest, Emission, IdempotencyClaim, KeyState, NewEvents, Outcome};

/// What a store read under the locks of a batch.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The carts that have a row. The others are empty.
    pub carts: HashMap<OwnerId, Arc<Cart>>,
    /// The listings of products that are to be added. The others are not in the catalogue.
    pub listings: HashMap<ProductId, Listing>,
    /// The state of idempotency keys, by the position of their request. The others are free.
    pub keys: HashMap<usize, KeyState<Answer>>,
}

/// What is to be answered and written.
#[derive(Debug)]
pub struct Decided {
    /// One for each request, in order.
    pub outcomes: Vec<Outcome>,
    /// The carts whose version grew, each once, in the order of their owners.
    pub changed: Vec<CartChange>,
    /// Positions of the requests whose answer is to be kept under their key. See [`Decided::kept_answers`].
    pub keep: Vec<usize>,
}

/// A cart before and after a batch.
#[derive(Debug)]
pub struct CartChange {
    /// As it was loaded. Version 0: it has no row yet.
    pub before: Arc<Cart>,
    /// As it is to be written.
    pub after: Arc<Cart>,
}

impl Decided {
    /// The answers to keep, each with the claim it is kept under.
    pub fn kept_answers<'a>(
        &'a self,
        requests: &'a [CartRequest],
    ) -> impl Iterator<Item = (&'a IdempotencyClaim, &'a Answer)> {
        self.keep.iter().filter_map(|&at| match (requests.get(at)?.claim.as_ref()?, self.outcomes.get(at)?) {
            (claim, Outcome::Done(answer)) => Some((claim, answer)),
            _ => None,
        })
    }

    /// The owners of the carts that change, each once.
    pub fn changing(&self) -> Vec<OwnerId> {
        self.changed.iter().map(|change| change.after.owner().clone()).collect()
    }

    /// What is told of when this is written: each cart as it is after the batch.
    pub fn events(&self, emission: Emission) -> NewEvents {
        let mut events = NewEvents::new();
        if emission.carts {
            for change in &self.changed {
                events.cart_updated(&change.after);
            }
        }
        events
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.keep.is_empty()
    }
}

/// Decides the requests of a batch in their order: step 3 of
/// [`CartStore::execute_batch`](crate::CartStore::execute_batch), the same for every store.
pub fn decide(
    requests: &[CartRequest],
    mut loaded: Loaded,
    policy: &BatchPolicy,
    now: DateTime<Utc>,
) -> Decided {
    let mut keys = std::mem::take(&mut loaded.keys);
    let mut batch = Batch {
        carts: HashMap::with_capacity(loaded.carts.len()),
        listings: loaded.listings,
        allow_unlisted: policy.allow_unlisted,
        now,
    };
    for (owner, cart) in loaded.carts {
        batch.carts.insert(owner, Working::new(cart));
    }
    let mut claimed = HashSet::new();
    let mut keep = Vec::new();
    let mut outcomes = Vec::with_capacity(requests.len());
    for (at, request) in requests.iter().enumerate() {
        let outcome = match (&request.claim, keys.remove(&at)) {
            (Some(claim), _) if !claimed.insert((&claim.principal, &claim.key)) => Outcome::KeyInFlight,
            (Some(_), Some(state)) => state.into(),
            (claim, _) => {
                let (outcome, applied) = batch.carry_out(request);
                if claim.is_some() && applied == Applied::Changed {
                    keep.push(at);
                }
                outcome
            }
        };
        outcomes.push(outcome);
    }
    Decided { outcomes, changed: batch.into_changes(), keep }
}

type Decision = (Applied, Option<MergeReport>);

struct Batch {
    carts: HashMap<OwnerId, Working>,
    listings: HashMap<ProductId, Listing>,
    allow_unlisted: bool,
    now: DateTime<Utc>,
}

/// A cart as it was loaded, and as the requests so far left it.
///
/// `after` is shared with the answers that were given; a later change copies it.
struct Working {
    before: Arc<Cart>,
    after: Arc<Cart>,
}

impl Working {
    fn new(before: Arc<Cart>) -> Self {
        Self { after: Arc::clone(&before), before }
    }
}

impl Batch {
    fn cart(&mut self, owner: &OwnerId) -> &mut Arc<Cart> {
        let empty = || Working::new(Arc::new(Cart::empty(owner.clone())));
        &mut self.carts.entry(owner.clone()).or_insert_with(empty).after
    }

    fn carry_out(&mut self, request: &CartRequest) -> (Outcome, Applied) {
        let expected = self.cart(&request.owner).expect_version(&request.expected);
        let result = expected.and_then(|()| match &request.command {
            Command::Merge { from } => self.merge(&request.owner, from),
            command => self.apply(&request.owner, command),
        });
        let cart = Arc::clone(self.cart(&request.owner));
        match result {
            Ok((applied, merge)) => (Outcome::Done(Answer { cart, merge }), applied),
            Err(error) => (Outcome::Refused { error, cart }, Applied::Unchanged),
        }
    }

    fn apply(&mut self, owner: &OwnerId, command: &Command) -> Result<Decision, CartError> {
        // Taken out and put back, so that `self` can be read meanwhile.
        let mut cart = Arc::clone(self.cart(owner));
        let context = Context {
            now: self.now,
            listing: command.needs_listing().and_then(|product| self.listings.get(product)),
            allow_unlisted: self.allow_unlisted,
        };
        let applied = Arc::make_mut(&mut cart).apply(command, context)?;
        if applied == Applied::Changed {
            *self.cart(owner) = cart;
        }
        Ok((applied, None))
    }

    fn merge(&mut self, into: &OwnerId, from: &OwnerId) -> Result<Decision, CartError> {
        let mut into_cart = Arc::clone(self.cart(into));
        let mut from_cart = Arc::clone(self.cart(from));
        let before = into_cart.version();
        let report = merge(Arc::make_mut(&mut into_cart), Arc::make_mut(&mut from_cart), self.now)?;
        if into_cart.version() == before {
            return Ok((Applied::Unchanged, Some(report)));
        }
        *self.cart(into) = into_cart;
        *self.cart(from) = from_cart;
        Ok((Applied::Changed, Some(report)))
    }

    fn into_changes(self) -> Vec<CartChange> {
        let mut changed: Vec<CartChange> = self
            .carts
            .into_values()
            .filter(|cart| cart.before.version() != cart.after.version())
            .map(|Working { before, after }| CartChange { before, after })
            .collect();
        changed.sort_by(|a, b| a.after.owner().cmp(b.after.owner()));
        changed
    }
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{Currency, ManualClock, Money, Quantity};

    use super::*;

    fn owner(name: &str) -> OwnerId {
        OwnerId::new(name).unwrap()
    }

    fn add(name: &str, product: &str, quantity: i64) -> CartRequest {
        let command = Command::Add {
            product_id: ProductId::new(product).unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
            product_data: None,
        };
        CartRequest::new(owner(name), command)
    }

    fn claimed(request: CartRequest, key: &str, fingerprint: u8) -> CartRequest {
        let claim =
            IdempotencyClaim { principal: "p".into(), key: key.into(), fingerprint: vec![fingerprint] };
        CartRequest { claim: Some(claim), ..request }
    }

    fn loaded() -> Loaded {
        let listing = Listing {
            product_id: ProductId::new("tea").unwrap(),
            name: "Tea".into(),
            price: Money::from_minor(250, Currency::EUR).unwrap(),
            active: true,
        };
        Loaded { listings: HashMap::from([(listing.product_id.clone(), listing)]), ..Loaded::default() }
    }

    fn run(requests: &[CartRequest], loaded: Loaded) -> Decided {
        let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
        let policy = BatchPolicy { clock, allow_unlisted: false };
        decide(requests, loaded, &policy, DateTime::UNIX_EPOCH)
    }

    fn version(outcome: &Outcome) -> u64 {
        match outcome {
            Outcome::Done(answer) | Outcome::Replayed(answer) => answer.cart.version(),
            Outcome::Refused { cart, .. } => cart.version(),
            other => panic!("{other:?} has no cart"),
        }
    }

    #[test]
    fn each_request_sees_what_those_before_it_did_and_answers_are_not_changed_later() {
        let decided =
            run(&[add("b", "tea", 1), add("a", "tea", 2), add("b", "none", 1), add("b", "tea", 5)], loaded());
        assert_eq!(decided.outcomes.iter().map(version).collect::<Vec<_>>(), [1, 1, 1, 2]);
        let Outcome::Done(first) = &decided.outcomes[0] else { panic!() };
        assert_eq!(first.cart.total_quantity(), 1);
        assert!(matches!(
            &decided.outcomes[2],
            Outcome::Refused { error: CartError::UnknownProduct(_), cart } if cart.total_quantity() == 1
        ));
        assert_eq!(decided.changing(), [owner("a"), owner("b")]);
        let b = &decided.changed[1];
        assert_eq!((b.before.version(), b.after.version(), b.after.total_quantity()), (0, 2, 6));
    }

    #[test]
    fn the_expected_version_is_that_of_the_moment() {
        let mut second = add("a", "tea", 1);
        second.expected = vec![1];
        let mut third = second.clone();
        third.expected = vec![0, 1];
        let decided = run(&[add("a", "tea", 1), second, third], loaded());
        assert_eq!(decided.outcomes.iter().map(version).collect::<Vec<_>>(), [1, 2, 2]);
        assert!(matches!(
            decided.outcomes[2],
            Outcome::Refused { error: CartError::VersionMismatch { actual: 2 }, .. }
        ));
    }

    #[test]
    fn a_merge_changes_both_carts_and_is_reported() {
        let merge = CartRequest::new(owner("u"), Command::Merge { from: owner("g") });
        let itself = CartRequest::new(owner("u"), Command::Merge { from: owner("u") });
        let decided =
            run(&[add("g", "tea", 2), add("u", "tea", 1), merge.clone(), merge.clone(), itself], loaded());
        let Outcome::Done(answer) = &decided.outcomes[2] else { panic!("{decided:?}") };
        assert_eq!(answer.cart.total_quantity(), 3);
        assert_eq!(answer.merge.as_ref().map(|report| report.lines.len()), Some(1));
        let Outcome::Done(again) = &decided.outcomes[3] else { panic!("{decided:?}") };
        assert_eq!((again.cart.version(), &again.merge), (2, &Some(MergeReport::default())));
        assert!(matches!(decided.outcomes[4], Outcome::Refused { error: CartError::MergeIntoItself, .. }));
        assert_eq!(decided.changing(), [owner("g"), owner("u")]);
        assert!(decided.changed[0].after.lines().is_empty());
    }

    #[test]
    fn keys_are_replayed_refused_or_in_flight_and_only_changes_are_kept() {
        let mut state = loaded();
        let kept = Answer { cart: Arc::new(Cart::empty(owner("a"))), merge: None };
        let answered = KeyState::Answered(kept.clone());
        state.keys = HashMap::from([(0, answered), (1, KeyState::Reused), (2, KeyState::InFlight)]);
        let clear = CartRequest::new(owner("z"), Command::Clear);
        let requests = [
            claimed(add("a", "tea", 1), "k0", 1),
            claimed(add("a", "tea", 1), "k1", 2),
            claimed(add("a", "tea", 1), "k2", 1),
            claimed(add("a", "tea", 1), "k3", 1),
            claimed(add("a", "tea", 1), "k3", 1),
            claimed(add("a", "none", 1), "k4", 1),
            claimed(clear, "k5", 1),
        ];
        let decided = run(&requests, state);
        assert_eq!(decided.outcomes[0], Outcome::Replayed(kept.clone()));
        assert_eq!(decided.outcomes[1], Outcome::KeyReused);
        assert_eq!(decided.outcomes[2], Outcome::KeyInFlight);
        assert_eq!(version(&decided.outcomes[3]), 1);
        assert_eq!(decided.outcomes[4], Outcome::KeyInFlight);
        assert!(matches!(decided.outcomes[5], Outcome::Refused { .. }));
        assert!(matches!(decided.outcomes[6], Outcome::Done(_)));
        assert_eq!(decided.keep, [3]);
        let keys: Vec<_> = decided.kept_answers(&requests).map(|(claim, _)| claim.key.as_str()).collect();
        assert_eq!(keys, ["k3"]);
    }

    #[test]
    fn what_changes_nothing_is_not_written() {
        let decided = run(&[CartRequest::new(owner("a"), Command::Clear), add("a", "none", 1)], loaded());
        assert!(decided.is_empty());
    }
}
