//! Who may hold what, decided in the order in which they asked.

use std::collections::{BTreeMap, HashMap, HashSet};

use cartwright_domain::{Hold, HoldError, HoldStatus, OrderError, OrderLine, OwnerId, ProductId, Quantity};
use chrono::{DateTime, TimeDelta, Utc};

use super::{HoldPolicy, HoldRequest, Reserved};
use crate::{
    IdempotencyClaim, KeyState, Lacking, OfferedProduct, OrderBatch, lacking,
    offers::{for_sale, in_stock, one_currency},
};

/// What a store read for wishes to hold.
#[derive(Debug, Default, Clone)]
pub struct LoadedForHolds {
    /// The products that are wanted. The others are not in the catalogue.
    pub products: HashMap<ProductId, OfferedProduct>,
    /// How many holds their owners have that are kept. The others have none.
    pub kept: HashMap<OwnerId, u32>,
    /// The state of idempotency keys, by the position of their request. The others are free.
    pub keys: HashMap<usize, KeyState<Hold>>,
}

impl LoadedForHolds {
    /// What is lacking of what is wanted.
    pub fn lacking(&self, requests: &[HoldRequest]) -> Lacking {
        lacking(&self.products, requests.iter().flat_map(|request| units(&request.lines)))
    }
}

fn units(lines: &[(ProductId, Quantity)]) -> impl Iterator<Item = (&ProductId, u32)> {
    lines.iter().map(|(product, quantity)| (product, u32::from(quantity.get())))
}

/// What is to be answered and written.
#[derive(Debug)]
pub struct DecidedHolds {
    /// One for each request, in order.
    pub outcomes: Vec<Reserved>,
    /// Units to be taken, by product.
    pub taken: BTreeMap<ProductId, u32>,
    /// Products of which nothing is left.
    pub sold_out: Vec<ProductId>,
    /// Positions of the requests whose hold is to be kept under their key.
    keep: Vec<usize>,
}

impl DecidedHolds {
    /// The holds that are made, in the order in which they were asked for.
    pub fn made(&self) -> impl Iterator<Item = &Hold> {
        self.outcomes.iter().filter_map(|outcome| match outcome {
            Reserved::Done(hold) => Some(hold),
            _ => None,
        })
    }

    /// The holds to keep, each with the claim that it is kept under.
    pub fn kept_answers<'a>(
        &'a self,
        requests: &'a [HoldRequest],
    ) -> impl Iterator<Item = (&'a IdempotencyClaim, &'a Hold)> {
        self.keep.iter().filter_map(|&at| match (requests.get(at)?.claim.as_ref()?, self.outcomes.get(at)?) {
            (claim, Reserved::Done(hold)) => Some((claim, hold)),
            _ => None,
        })
    }

    /// What is answered.
    pub fn into_batch(self) -> OrderBatch<Reserved> {
        OrderBatch { outcomes: self.outcomes, turned: self.sold_out }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.made().next().is_none()
    }
}

/// Decides wishes to hold in their order, the same for every store.
pub fn decide_holds(
    requests: &[HoldRequest],
    loaded: LoadedForHolds,
    policy: &HoldPolicy,
    now: DateTime<Utc>,
) -> DecidedHolds {
    let LoadedForHolds { products, kept, mut keys } = loaded;
    let mut batch = Batch { products, kept, taken: BTreeMap::new(), policy, now };
    let (mut claimed, mut keep) = (HashSet::new(), Vec::new());
    let mut outcomes = Vec::with_capacity(requests.len());
    for (at, request) in requests.iter().enumerate() {
        let outcome = match (&request.claim, keys.remove(&at)) {
            (Some(claim), _) if !claimed.insert((&claim.principal, &claim.key)) => Reserved::KeyInFlight,
            (Some(_), Some(state)) => state.into(),
            (claim, _) => match batch.reserve(request) {
                Ok(hold) => {
                    keep.extend(claim.is_some().then_some(at));
                    Reserved::Done(hold)
                }
                Err(error) => Reserved::Refused(error),
            },
        };
        outcomes.push(outcome);
    }
    let nothing = |id: &&ProductId| batch.products.get(*id).is_some_and(|product| product.stock == 0);
    let sold_out = batch.taken.keys().filter(nothing).cloned().collect();
    DecidedHolds { outcomes, taken: batch.taken, sold_out, keep }
}

struct Batch<'a> {
    /// With the stock that the requests so far have left.
    products: HashMap<ProductId, OfferedProduct>,
    kept: HashMap<OwnerId, u32>,
    taken: BTreeMap<ProductId, u32>,
    policy: &'a HoldPolicy,
    now: DateTime<Utc>,
}

impl Batch<'_> {
    fn reserve(&mut self, request: &HoldRequest) -> Result<Hold, HoldError> {
        let lasts = lasting(request.lasts, self.policy)?;
        within_limits(&request.lines, self.policy)?;
        let kept = self.kept.get(&request.owner).copied().unwrap_or_default();
        few_enough(kept, self.policy)?;
        let line = |(id, quantity): &(ProductId, Quantity)| line(&self.products, id, *quantity);
        let lines = request.lines.iter().map(line).collect::<Result<Vec<_>, _>>()?;
        let currency = one_currency(&lines)?;
        in_stock(&self.products, units(&request.lines))?;
        for (product, units) in units(&request.lines) {
            if let Some(offered) = self.products.get_mut(product) {
                offered.stock = offered.stock.saturating_sub(units);
            }
            *self.taken.entry(product.clone()).or_default() += units;
        }
        self.kept.insert(request.owner.clone(), kept + 1);
        let until = self.now.checked_add_signed(self.policy.at_most).unwrap_or(self.now);
        Ok(Hold {
            id: request.id,
            owner: request.owner.clone(),
            status: HoldStatus::Active,
            currency,
            lines,
            created_at: self.now,
            expires_at: self.now.checked_add_signed(lasts).unwrap_or(until).min(until),
            until,
            order: None,
        })
    }
}

/// For how long.
pub(super) fn lasting(wanted: Option<TimeDelta>, policy: &HoldPolicy) -> Result<TimeDelta, HoldError> {
    match wanted {
        None => Ok(policy.lasts),
        Some(wanted) if wanted > TimeDelta::zero() && wanted <= policy.at_most => Ok(wanted),
        Some(_) => Err(HoldError::TooLong { max: policy.at_most }),
    }
}

/// Whether somebody who has so many holds may have one more.
pub(super) fn few_enough(kept: u32, policy: &HoldPolicy) -> Result<(), HoldError> {
    if kept < policy.per_owner { Ok(()) } else { Err(HoldError::TooManyHolds { max: policy.per_owner }) }
}

fn within_limits(lines: &[(ProductId, Quantity)], policy: &HoldPolicy) -> Result<(), HoldError> {
    if lines.is_empty() {
        return Err(OrderError::NothingBought.into());
    }
    if u32::try_from(lines.len()).is_ok_and(|lines| lines > policy.lines) {
        return Err(HoldError::TooManyLines { max: policy.lines });
    }
    let requested = units(lines).map(|(_, units)| units).fold(0, u32::saturating_add);
    if requested > policy.units {
        return Err(HoldError::TooManyUnits { max: policy.units, requested });
    }
    Ok(())
}

fn line(
    products: &HashMap<ProductId, OfferedProduct>,
    id: &ProductId,
    quantity: Quantity,
) -> Result<OrderLine, OrderError> {
    let product = for_sale(products, id)?;
    Ok(OrderLine { product_id: id.clone(), name: product.name.clone(), price: product.price, quantity })
}
