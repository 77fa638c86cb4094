//! Who gets what, decided in the order in which they asked.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use cartwright_domain::{
    Applied, Cart, Command, Context, HoldId, HoldStatus, Line, Money, Order, OrderError, OrderId, OrderLine,
    OrderStatus, OwnerId, PriceDifference, ProductId, Purchase,
};
use chrono::{DateTime, Utc};

use super::{OrderBatch, OrderPolicy, OrderRequest, Placed};
use crate::{
    CartChange, IdempotencyClaim, KeptHold, KeyState, Lacking, OfferedProduct, lacking,
    offers::{for_sale, in_stock, one_currency},
};

/// What a store read for a batch of requests.
#[derive(Debug, Default, Clone)]
pub struct LoadedForOrders {
    /// The carts that are to be emptied and have a row. The others are empty.
    pub carts: HashMap<OwnerId, Arc<Cart>>,
    /// The products that may be bought. The others are not in the catalogue.
    pub products: HashMap<ProductId, OfferedProduct>,
    /// Orders of versions of carts that requests name.
    pub ordered: HashMap<(OwnerId, u64), Order>,
    /// The holds that requests name. The others are not there.
    pub holds: HashMap<HoldId, KeptHold>,
    /// What those of them became that were claimed.
    pub claimed: HashMap<HoldId, Order>,
    /// The state of idempotency keys, by the position of their request. The others are free.
    pub keys: HashMap<usize, KeyState<Order>>,
}

impl LoadedForOrders {
    /// What is lacking of what is wanted, all requests together.
    pub fn lacking(&self, requests: &[OrderRequest]) -> Lacking {
        let in_lines = requests.iter().filter_map(|request| match &request.purchase {
            Purchase::Lines(lines) => Some(lines.iter().map(|(product, units)| (product, *units))),
            Purchase::Cart { .. } | Purchase::Hold(_) => None,
        });
        let in_carts = self.carts.values().flat_map(|cart| cart.lines());
        let in_carts = in_carts.map(|line| (&line.product_id, line.quantity));
        let wanted = in_lines.flatten().chain(in_carts);
        lacking(&self.products, wanted.map(|(product, quantity)| (product, u32::from(quantity.get()))))
    }
}

/// A hold that becomes an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedHold {
    /// Which hold.
    pub hold: HoldId,
    /// Which order.
    pub order: OrderId,
    /// How many lines both have.
    pub lines: usize,
}

/// Units of a product that orders of a batch take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved<'a> {
    /// Which order.
    pub order: &'a Order,
    /// Which line of it.
    pub line: &'a OrderLine,
    /// Whether it comes out of the stock, or out of a hold. What the catalogue does not know has no stock.
    pub stocked: bool,
}

/// What is to be answered and written.
#[derive(Debug)]
pub struct DecidedOrders {
    /// One for each request, in order.
    pub outcomes: Vec<Placed>,
    /// Units to be taken, by product.
    pub taken: BTreeMap<ProductId, u32>,
    /// The products as they were read, with the stock that is left of them.
    pub products: HashMap<ProductId, OfferedProduct>,
    /// The carts that are emptied, each once, in the order of their owners.
    pub carts: Vec<CartChange>,
    /// The holds that become orders, in the order of their ids.
    pub claimed: Vec<ClaimedHold>,
    /// Positions of the requests whose order is to be kept under their key.
    keep: Vec<usize>,
}

impl DecidedOrders {
    /// The orders that are made, in the order in which they were asked for.
    pub fn made(&self) -> impl Iterator<Item = &Order> {
        self.outcomes.iter().filter_map(|outcome| match outcome {
            Placed::Done(order) => Some(order),
            _ => None,
        })
    }

    /// Every line of the orders that are made.
    pub fn lines(&self) -> impl Iterator<Item = Moved<'_>> {
        let of_holds: HashSet<OrderId> = self.claimed.iter().map(|claimed| claimed.order).collect();
        self.made().flat_map(move |order| {
            let held = of_holds.contains(&order.id);
            let stocked = move |line: &OrderLine| held || self.taken.contains_key(&line.product_id);
            order.lines.iter().map(move |line| Moved { order, line, stocked: stocked(line) })
        })
    }

    /// The orders to keep, each with the claim that it is kept under.
    pub fn kept_answers<'a>(
        &'a self,
        requests: &'a [OrderRequest],
    ) -> impl Iterator<Item = (&'a IdempotencyClaim, &'a Order)> {
        self.keep.iter().filter_map(|&at| match (requests.get(at)?.claim.as_ref()?, self.outcomes.get(at)?) {
            (claim, Placed::Done(order) | Placed::Replayed(order)) => Some((claim, order)),
            _ => None,
        })
    }

    /// Whether each request made an order.
    pub fn made_all(&self) -> bool {
        self.outcomes.iter().all(|outcome| matches!(outcome, Placed::Done(_)))
    }

    /// Whether there was much more of everything than is taken, so that nobody has to be refused.
    pub fn had_plenty(&self) -> bool {
        self.left().all(|(_, taken, left)| left / super::PLENTY >= taken)
    }

    /// What is answered, and of what nothing is left.
    pub fn into_batch(self) -> OrderBatch<Placed> {
        let sold_out = self.left().filter(|(.., left)| *left == 0);
        let turned = sold_out.map(|(id, ..)| id.clone()).collect();
        OrderBatch { outcomes: self.outcomes, turned }
    }

    /// Each product that is taken from, the units, and what is left of it.
    fn left(&self) -> impl Iterator<Item = (&ProductId, u32, u32)> {
        self.taken.iter().filter_map(|(id, taken)| Some((id, *taken, self.products.get(id)?.stock)))
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.keep.is_empty() && self.made().next().is_none()
    }
}

/// Decides the requests of a batch in their order: step 3 of
/// [`OrderStore::place_orders`](super::OrderStore::place_orders), the same for every store.
pub fn decide_orders(
    requests: &[OrderRequest],
    loaded: LoadedForOrders,
    policy: &OrderPolicy,
    now: DateTime<Utc>,
) -> DecidedOrders {
    let LoadedForOrders { carts, products, ordered, holds, claimed: orders_of_holds, mut keys } = loaded;
    let mut batch = Batch {
        carts,
        products,
        ordered,
        holds,
        orders_of_holds,
        claimed: BTreeMap::new(),
        emptied: BTreeMap::new(),
        taken: BTreeMap::new(),
        allow_unlisted: policy.allow_unlisted,
        now,
    };
    let (mut claimed, mut keep) = (HashSet::new(), Vec::new());
    let mut outcomes = Vec::with_capacity(requests.len());
    for (at, request) in requests.iter().enumerate() {
        let outcome = match (&request.claim, keys.remove(&at)) {
            (Some(claim), _) if !claimed.insert((&claim.principal, &claim.key)) => Placed::KeyInFlight,
            (Some(_), Some(state)) => state.into(),
            (claim, _) => {
                let outcome = batch.carry_out(request);
                if claim.is_some() && matches!(outcome, Placed::Done(_) | Placed::Replayed(_)) {
                    keep.push(at);
                }
                outcome
            }
        };
        outcomes.push(outcome);
    }
    DecidedOrders {
        outcomes,
        taken: batch.taken,
        products: batch.products,
        carts: batch.emptied.into_values().collect(),
        claimed: batch.claimed.into_values().collect(),
        keep,
    }
}

struct Batch {
    carts: HashMap<OwnerId, Arc<Cart>>,
    /// With the stock that the requests so far have left.
    products: HashMap<ProductId, OfferedProduct>,
    ordered: HashMap<(OwnerId, u64), Order>,
    holds: HashMap<HoldId, KeptHold>,
    orders_of_holds: HashMap<HoldId, Order>,
    claimed: BTreeMap<HoldId, ClaimedHold>,
    emptied: BTreeMap<OwnerId, CartChange>,
    taken: BTreeMap<ProductId, u32>,
    allow_unlisted: bool,
    now: DateTime<Utc>,
}

/// What is wanted of a product: how many, and the line of the cart that says so.
type Wish<'a> = (&'a ProductId, cartwright_domain::Quantity, Option<&'a Line>);

impl Batch {
    fn carry_out(&mut self, request: &OrderRequest) -> Placed {
        let (cart, version) = match &request.purchase {
            Purchase::Lines(_) => (None, None),
            Purchase::Hold(id) => return self.claim(request, *id),
            Purchase::Cart { version } => {
                if let Some(order) = self.ordered.get(&(request.owner.clone(), *version)) {
                    return Placed::Replayed(order.clone());
                }
                let known = self.carts.get(&request.owner);
                let cart = known.map_or_else(|| Arc::new(Cart::empty(request.owner.clone())), Arc::clone);
                (Some(cart), Some(*version))
            }
        };
        let order = self.order(request, cart.as_deref(), version);
        match order {
            Err(error) => Placed::Refused { error, cart },
            Ok(order) => {
                self.take(&order);
                if let (Some(cart), Some(version)) = (cart, version) {
                    self.empty(cart);
                    self.ordered.insert((request.owner.clone(), version), order.clone());
                }
                Placed::Done(order)
            }
        }
    }

    /// An order of what a hold keeps: its units have left the stock already.
    fn claim(&mut self, request: &OrderRequest, id: HoldId) -> Placed {
        let order = match self.holds.get(&id).filter(|kept| kept.hold.owner == request.owner) {
            None => Err(OrderError::UnknownHold(id)),
            Some(kept) => match self.orders_of_holds.get(&id) {
                Some(order) => return Placed::Replayed(order.clone()),
                None => claimed(kept, request, self.now),
            },
        };
        match order {
            Err(error) => Placed::Refused { error, cart: None },
            Ok(order) => {
                let claimed = ClaimedHold { hold: id, order: order.id, lines: order.lines.len() };
                self.claimed.insert(id, claimed);
                self.orders_of_holds.insert(id, order.clone());
                Placed::Done(order)
            }
        }
    }

    fn order(
        &self,
        request: &OrderRequest,
        cart: Option<&Cart>,
        cart_version: Option<u64>,
    ) -> Result<Order, OrderError> {
        let wishes: Vec<Wish<'_>> = match (&request.purchase, cart) {
            (Purchase::Lines(lines), _) => {
                lines.iter().map(|(product, quantity)| (product, *quantity, None)).collect()
            }
            (Purchase::Cart { version }, Some(cart)) if cart.version() == *version => {
                cart.lines().iter().map(|line| (&line.product_id, line.quantity, Some(line))).collect()
            }
            (Purchase::Cart { .. }, cart) => {
                return Err(OrderError::CartMoved { actual: cart.map_or(0, Cart::version) });
            }
            // Of these, orders are made by `claim`.
            (Purchase::Hold(_), _) => Vec::new(),
        };
        if wishes.is_empty() {
            return Err(if cart.is_some() { OrderError::EmptyCart } else { OrderError::NothingBought });
        }
        let lines = wishes.iter().map(|wish| self.line(wish)).collect::<Result<Vec<_>, _>>()?;
        let currency = one_currency(&lines)?;
        let order = Order {
            id: request.id,
            owner: request.owner.clone(),
            status: OrderStatus::Pending,
            currency,
            lines,
            cart_version,
            created_at: self.now,
            updated_at: self.now,
        };
        self.in_stock(&order)?;
        agreed(&order, &wishes, request.expected_total)?;
        Ok(order)
    }

    fn line(&self, (product_id, quantity, line): &Wish<'_>) -> Result<OrderLine, OrderError> {
        let unlisted = self.allow_unlisted && !self.products.contains_key(*product_id);
        let (name, price) = match line {
            Some(line) if unlisted => (line.name.clone(), line.price),
            _ => {
                let product = for_sale(&self.products, product_id)?;
                (product.name.clone(), product.price)
            }
        };
        Ok(OrderLine { product_id: (*product_id).clone(), name, price, quantity: *quantity })
    }

    /// What the catalogue does not know has no stock to be short of.
    fn in_stock(&self, order: &Order) -> Result<(), OrderError> {
        let listed = order.lines.iter().filter(|line| self.products.contains_key(&line.product_id));
        in_stock(&self.products, listed.map(|line| (&line.product_id, u32::from(line.quantity.get()))))
    }

    fn take(&mut self, order: &Order) {
        for line in &order.lines {
            if let Some(product) = self.products.get_mut(&line.product_id) {
                let units = u32::from(line.quantity.get());
                product.stock = product.stock.saturating_sub(units);
                *self.taken.entry(line.product_id.clone()).or_default() += units;
            }
        }
    }

    fn empty(&mut self, before: Arc<Cart>) {
        let mut after = Arc::clone(&before);
        let context = Context { now: self.now, listing: None, allow_unlisted: false };
        // A cart that has lines can always be cleared.
        if let Ok(Applied::Changed) = Arc::make_mut(&mut after).apply(&Command::Clear, context) {
            let owner = after.owner().clone();
            self.carts.insert(owner.clone(), Arc::clone(&after));
            self.emptied
                .entry(owner)
                .and_modify(|change| change.after = Arc::clone(&after))
                .or_insert(CartChange { before, after });
        }
    }
}

/// The order that a hold becomes. What it keeps is bought at the prices of the hold, also when it is not for sale any more.
fn claimed(kept: &KeptHold, request: &OrderRequest, now: DateTime<Utc>) -> Result<Order, OrderError> {
    let hold = &kept.hold;
    if !kept.is_kept(now) {
        let expired = hold.status == HoldStatus::Active;
        return Err(OrderError::HoldEnded(if expired { HoldStatus::Expired } else { hold.status }));
    }
    let order = Order {
        id: request.id,
        owner: request.owner.clone(),
        status: OrderStatus::Pending,
        currency: hold.currency,
        lines: hold.lines.clone(),
        cart_version: None,
        created_at: now,
        updated_at: now,
    };
    agreed(&order, &[], request.expected_total)?;
    Ok(order)
}

/// Whether the buyer agrees to the prices. A total that is expected says so by itself; else nothing may be dearer than it
/// was in the cart. What is cheaper is bought for less.
fn agreed(order: &Order, wishes: &[Wish<'_>], expected: Option<Money>) -> Result<(), OrderError> {
    let differences = || {
        order.lines.iter().zip(wishes).filter_map(|(line, (_, _, in_cart))| {
            let agreed = in_cart.as_ref()?.price;
            let product_id = line.product_id.clone();
            (agreed != line.price).then_some(PriceDifference { product_id, agreed, current: line.price })
        })
    };
    let total = order.total_minor();
    let text = |minor| {
        let mut text = String::new();
        let _ = order.write_amount(&mut text, minor); // a string takes everything
        format!("{text} {}", order.currency)
    };
    match expected {
        Some(expected) if expected.currency() != order.currency || expected.minor() != total => {
            let expected = format!("{expected} {}", expected.currency());
            Err(OrderError::TotalChanged { expected, total: text(total), lines: differences().collect() })
        }
        Some(_) => Ok(()),
        None => {
            let rose: Vec<PriceDifference> =
                differences().filter(|line| line.current.minor() > line.agreed.minor()).collect();
            if rose.is_empty() {
                return Ok(());
            }
            Err(OrderError::PricesRose { total: text(total), lines: rose })
        }
    }
}
