//! Whether a hold is kept for longer, and what becomes of one that is not.

use std::collections::HashMap;

use cartwright_domain::{Hold, HoldError, HoldStatus, OwnerId, ProductId};
use chrono::{DateTime, Utc};

use super::{
    HoldPolicy, KeptHold, Released, Renewal, Renewed,
    reserve::{few_enough, lasting},
};
use crate::{
    Lacking, OfferedProduct, lacking,
    offers::{for_sale, in_stock},
};

/// What must be known to renew a hold that has expired. Under the locks of its products.
#[derive(Debug, Default, Clone)]
pub struct StockForRenewal {
    /// Its products. The others are not in the catalogue.
    pub products: HashMap<ProductId, OfferedProduct>,
    /// How many holds its owner has that are kept.
    pub kept: u32,
}

impl StockForRenewal {
    /// What is lacking of what has left the hold.
    pub fn lacking(&self, kept: &KeptHold) -> Lacking {
        lacking(&self.products, gone(kept).map(|(_, product, units)| (product, units)))
    }
}

/// What is to be answered and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecidedRenewal {
    /// Nothing is to be written.
    Answered(Renewed),
    /// It has expired: it is to be decided again with what is in stock.
    NeedsStock,
    /// It is kept for longer.
    Extended {
        /// The hold after it.
        hold: Hold,
        /// Places of the lines whose units are taken again.
        again: Vec<usize>,
    },
}

/// The lines that have left a hold: place, product, units.
fn gone(kept: &KeptHold) -> impl Iterator<Item = (usize, &ProductId, u32)> {
    let lines = kept.hold.lines.iter().zip(&kept.gone).enumerate().filter(|(_, (_, gone))| **gone);
    lines.map(|(place, (line, _))| (place, &line.product_id, u32::from(line.quantity.get())))
}

/// Decides a renewal, the same for every store. `kept`: the hold under its lock; `None`: there is none. `stock`: `None`: it is
/// only known to be needed when it is.
pub fn decide_renewal(
    renewal: &Renewal,
    kept: Option<&KeptHold>,
    stock: Option<&StockForRenewal>,
    policy: &HoldPolicy,
    now: DateTime<Utc>,
) -> DecidedRenewal {
    let mine = |kept: &&KeptHold| renewal.owner.as_ref().is_none_or(|owner| *owner == kept.hold.owner);
    let Some(kept) = kept.filter(mine) else {
        return DecidedRenewal::Answered(Renewed::Missing);
    };
    match renewed(renewal, kept, stock, policy, now) {
        Ok(decided) => decided,
        Err(error) => DecidedRenewal::Answered(Renewed::Refused(error)),
    }
}

fn renewed(
    renewal: &Renewal,
    kept: &KeptHold,
    stock: Option<&StockForRenewal>,
    policy: &HoldPolicy,
    now: DateTime<Utc>,
) -> Result<DecidedRenewal, HoldError> {
    let lasts = lasting(renewal.lasts, policy)?;
    let hold = &kept.hold;
    match hold.status {
        HoldStatus::Claimed | HoldStatus::Released => return Err(HoldError::Ended(hold.status)),
        HoldStatus::Active | HoldStatus::Expired => {}
    }
    if now >= hold.until {
        return Err(HoldError::AtItsEnd { until: hold.until });
    }
    let mut again = Vec::new();
    if !kept.is_kept(now) {
        let Some(stock) = stock else { return Ok(DecidedRenewal::NeedsStock) };
        few_enough(stock.kept, policy)?;
        for (place, product, _) in gone(kept) {
            for_sale(&stock.products, product)?;
            again.push(place);
        }
        in_stock(&stock.products, gone(kept).map(|(_, product, units)| (product, units)))?;
    }
    let expires_at = hold.renewed_until(now, lasts);
    Ok(DecidedRenewal::Extended {
        hold: Hold { status: HoldStatus::Active, expires_at, ..hold.clone() },
        again,
    })
}

/// What is to be answered and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecidedRelease {
    /// Nothing is to be written.
    Answered(Released),
    /// It ends: the hold after it.
    Ends(Hold),
}

/// Decides whether a hold is given back, the same for every store. `kept`: the hold under its lock; `None`: there is none.
/// One that has expired is not released: it expires.
pub fn decide_release(
    kept: Option<&KeptHold>,
    owner: Option<&OwnerId>,
    now: DateTime<Utc>,
) -> DecidedRelease {
    let mine = |kept: &&KeptHold| owner.is_none_or(|owner| *owner == kept.hold.owner);
    let Some(kept) = kept.filter(mine) else {
        return DecidedRelease::Answered(Released::Missing);
    };
    let hold = kept.hold.clone();
    match hold.status {
        HoldStatus::Claimed => DecidedRelease::Answered(Released::Claimed(hold)),
        HoldStatus::Released | HoldStatus::Expired => DecidedRelease::Answered(Released::Already(hold)),
        HoldStatus::Active => {
            let status = if kept.is_kept(now) { HoldStatus::Released } else { HoldStatus::Expired };
            DecidedRelease::Ends(Hold { status, ..hold })
        }
    }
}
