//! A hold is kept for longer: one transaction.

use std::collections::{BTreeMap, BTreeSet};

use cartwright_domain::{Hold, ProductId};
use cartwright_storage::{
    DecidedRenewal, HoldPolicy, KeptHold, NewEvents, Renewal, Renewed, StockForRenewal, Stocked,
    StorageError, decide_renewal,
};
use chrono::{DateTime, Utc};
use diesel::{RunQueryDsl, SqliteConnection};

use super::{give_back, load, move_stock, reserve::count};
use crate::{
    connection::Transaction,
    error::storage_error,
    events,
    orders::{ENTER, offers},
    statement::{Bind, Statement},
    write::{exactly, put},
};

const EXTEND_HOLD: &str = "\
    UPDATE holds SET status = 'active', expires_at = ?, ended_at = NULL, warned = 0 WHERE id = ?";

const EXTEND_LINES: &str = "\
    UPDATE hold_lines SET expires_at = ? WHERE hold_id = ? AND expires_at IS NOT NULL";

/// Hold, product, source, expiry.
const RETAKE_LINES: &str = "\
    UPDATE hold_lines SET source = again.value ->> 2, expires_at = again.value ->> 3 \
    FROM json_each(?) AS again \
    WHERE hold_id = again.value ->> 0 AND product_id = again.value ->> 1 AND expires_at IS NULL";

pub(super) fn renew(
    connection: &mut SqliteConnection,
    renewal: &Renewal,
    policy: &HoldPolicy,
    low: u32,
) -> Result<Stocked<Renewed>, StorageError> {
    let now = policy.clock.now();
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let kept = load(connection, &[renewal.id])?.remove(&renewal.id);
    let (mut stock, mut returned) = (None, Vec::new());
    let mut decided = decide_renewal(renewal, kept.as_ref(), None, policy, now);
    if let (DecidedRenewal::NeedsStock, Some(kept)) = (&decided, &kept) {
        let mut there = in_stock(connection, kept, now)?;
        returned = give_back(connection, &there.lacking(kept), &mut there.products, now)?;
        decided = decide_renewal(renewal, Some(kept), Some(&there), policy, now);
        stock = Some(there);
    }
    let mut renewed = match (decided, &kept) {
        (DecidedRenewal::Answered(outcome), _) => Stocked::unmoved(outcome),
        (DecidedRenewal::Extended { hold, again }, Some(kept)) => {
            let taken = extend(connection, kept, &hold, &again, renewal, now)?;
            if let Some(stock) = &stock {
                let units = hold.lines.iter().filter(|line| taken.contains_key(&line.product_id));
                let units = units.map(|line| (&line.product_id, u32::from(line.quantity.get())));
                let mut told = NewEvents::new();
                told.stock_taken(units, |id| Some(stock.products.get(id)?.stock), low);
                events::insert(connection, &told, now)?;
            }
            let left = |id: &ProductId| {
                let stock = stock.as_ref().and_then(|stock| stock.products.get(id));
                stock.is_none_or(|product| i64::from(product.stock) + taken.get(id).unwrap_or(&0) > 0)
            };
            let sold_out = taken.keys().filter(|id| !left(id)).cloned().collect();
            Stocked { outcome: Renewed::Done(hold), turned: sold_out }
        }
        (DecidedRenewal::NeedsStock, _) | (_, None) => {
            return Err(StorageError::unexpected("a renewal that could not be decided"));
        }
    };
    transaction.commit()?;
    renewed.returned(returned);
    Ok(renewed)
}

fn in_stock(
    connection: &mut SqliteConnection,
    kept: &KeptHold,
    now: DateTime<Utc>,
) -> Result<StockForRenewal, StorageError> {
    let owner = &kept.hold.owner;
    let others = count(connection, [owner], now)?.remove(owner).unwrap_or_default();
    let products: BTreeSet<ProductId> = kept.hold.lines.iter().map(|line| line.product_id.clone()).collect();
    Ok(StockForRenewal { products: offers(connection, &products)?, kept: others })
}

/// Writes a renewal. Returns what it took.
fn extend(
    connection: &mut SqliteConnection,
    kept: &KeptHold,
    hold: &Hold,
    again: &[usize],
    renewal: &Renewal,
    now: DateTime<Utc>,
) -> Result<BTreeMap<ProductId, i64>, StorageError> {
    let (id, expires_at) = (hold.id.to_string(), hold.expires_at.timestamp_micros());
    let binds = [Bind::Int(expires_at), Bind::Text(&id)];
    let mut run = |sql| Statement::<()>::new(sql, &binds).execute(connection).map_err(storage_error);
    exactly(run(EXTEND_HOLD)?, 1, "holds were extended")?;
    // Before those that are taken again, which would be among them.
    exactly(run(EXTEND_LINES)?, kept.there().count(), "lines of a hold were extended")?;
    let lines: Vec<_> = again.iter().filter_map(|place| hold.lines.get(*place)).collect();
    let rows: Vec<_> =
        lines.iter().map(|line| (hold.id, &line.product_id, renewal.source, expires_at)).collect();
    exactly(put(connection, RETAKE_LINES, &rows)?, rows.len(), "lines of a hold were taken again")?;
    let taken: BTreeMap<ProductId, i64> =
        (lines.iter()).map(|line| (line.product_id.clone(), -i64::from(line.quantity.get()))).collect();
    let at = now.timestamp_micros();
    let entered: Vec<_> =
        taken.iter().map(|(product, units)| (renewal.source, product, "hold", *units, at)).collect();
    exactly(put(connection, ENTER, &entered)?, entered.len(), "movements were entered")?;
    move_stock(connection, &taken, now)?;
    Ok(taken)
}
