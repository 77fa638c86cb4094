//! Holds end: given back, expired, claimed, and at last forgotten.

use std::collections::BTreeMap;

use cartwright_domain::{Hold, HoldId, HoldStatus, OrderId, OwnerId, ProductId};
use cartwright_storage::{
    ClaimedHold, DecidedRelease, KeptHold, NewEvents, Released, Stocked, StorageError, decide_release,
};
use chrono::{DateTime, Utc};
use diesel::{RunQueryDsl, SqliteConnection, sql_types::Text};

use super::{load, move_stock};
use crate::{
    connection::Transaction,
    error::storage_error,
    events,
    orders::offers,
    rows::broken,
    statement::{Bind, Statement},
    write::{exactly, put},
};

/// Hold, status, order, time.
const END_HOLDS: &str = "\
    UPDATE holds SET status = ended.value ->> 1, order_id = ended.value ->> 2, ended_at = ended.value ->> 3 \
    FROM json_each(?) AS ended WHERE holds.id = ended.value ->> 0 AND holds.status = 'active'";

/// What leaves holds, entered; then they are emptied. Hold, time.
pub(crate) const ENTER_RELEASES: &str = "\
    INSERT INTO stock_ledger (source, product_id, kind, units, at) \
    SELECT l.source, l.product_id, 'release', l.quantity, ended.value ->> 1 \
    FROM json_each(?) AS ended CROSS JOIN hold_lines AS l \
    ON l.hold_id = ended.value ->> 0 AND l.expires_at IS NOT NULL";

pub(crate) const EMPTY_HOLDS: &str = "\
    UPDATE hold_lines SET expires_at = NULL \
    FROM json_each(?) AS ended WHERE hold_id = ended.value ->> 0 AND expires_at IS NOT NULL";

pub(crate) const PICK_EXPIRED: &str = "\
    SELECT id FROM holds WHERE status = 'active' AND expires_at <= ? ORDER BY expires_at LIMIT ?";

pub(crate) const PICK_EXPIRING: &str = "\
    SELECT id FROM holds WHERE status = 'active' AND warned = 0 AND expires_at > ? AND expires_at <= ? \
    ORDER BY expires_at LIMIT ?";

const NOTE_WARNED: &str =
    "UPDATE holds SET warned = 1 FROM json_each(?) AS warned WHERE holds.id = warned.value";

pub(crate) const FORGET: &str = "\
    SELECT id FROM holds WHERE status <> 'active' AND ended_at < ? ORDER BY ended_at LIMIT ?";

const REMOVE_LINES: &str = "DELETE FROM hold_lines WHERE hold_id IN (SELECT value FROM json_each(?))";
const REMOVE_HOLDS: &str = "DELETE FROM holds WHERE id IN (SELECT value FROM json_each(?))";

pub(super) fn release(
    connection: &mut SqliteConnection,
    id: HoldId,
    owner: Option<&OwnerId>,
    now: DateTime<Utc>,
) -> Result<Stocked<Released>, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let kept = load(connection, &[id])?.remove(&id);
    match (decide_release(kept.as_ref(), owner, now), kept) {
        (DecidedRelease::Answered(outcome), _) => Ok(Stocked::unmoved(outcome)),
        (DecidedRelease::Ends(hold), Some(kept)) => {
            let turned = give_all_back(connection, &[(&kept, hold.status)], now)?;
            transaction.commit()?;
            Ok(Stocked { outcome: Released::Done(hold), turned })
        }
        (DecidedRelease::Ends(_), None) => {
            Err(StorageError::unexpected("a hold that is not there was released"))
        }
    }
}

pub(super) fn expire(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Stocked<u64>, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let binds = [Bind::Int(now.timestamp_micros()), Bind::Int(limit.into())];
    let ids = pick(connection, PICK_EXPIRED, &binds)?;
    if ids.is_empty() {
        return Ok(Stocked::unmoved(0));
    }
    let kept = load(connection, &ids)?;
    let ended: Vec<_> = kept.values().map(|kept| (kept, HoldStatus::Expired)).collect();
    let turned = give_all_back(connection, &ended, now)?;
    transaction.commit()?;
    Ok(Stocked { outcome: ids.len() as u64, turned })
}

pub(super) fn expiring(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
    by: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<Hold>, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let binds =
        [Bind::Int(now.timestamp_micros()), Bind::Int(by.timestamp_micros()), Bind::Int(limit.into())];
    let ids = pick(connection, PICK_EXPIRING, &binds)?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let kept = load(connection, &ids)?;
    exactly(put(connection, NOTE_WARNED, &ids)?, ids.len(), "holds were noted")?;
    let kept = ids.iter().filter_map(|id| kept.get(id)).filter(|kept| kept.is_kept(now));
    let holds: Vec<Hold> = kept.map(|kept| kept.hold.clone()).collect();
    let mut told = NewEvents::new();
    holds.iter().for_each(|hold| told.hold_expiring(hold));
    events::insert(connection, &told, now)?;
    transaction.commit()?;
    Ok(holds)
}

pub(super) fn forget(
    connection: &mut SqliteConnection,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<u64, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let ids = pick(connection, FORGET, &[Bind::Int(before.timestamp_micros()), Bind::Int(limit.into())])?;
    if ids.is_empty() {
        return Ok(0);
    }
    put(connection, REMOVE_LINES, &ids)?;
    exactly(put(connection, REMOVE_HOLDS, &ids)?, ids.len(), "holds were removed")?;
    transaction.commit()?;
    Ok(ids.len() as u64)
}

/// Ids of holds.
pub(crate) fn pick(
    connection: &mut SqliteConnection,
    sql: &'static str,
    binds: &[Bind<'_>],
) -> Result<Vec<HoldId>, StorageError> {
    let ids = Statement::<Text>::new(sql, binds).load::<String>(connection).map_err(storage_error)?;
    ids.into_iter().map(|id| id.parse().map_err(|error| broken("a hold's id", error))).collect()
}

/// Gives back what active holds keep, and ends them. Returns the products of which there is some again.
pub(crate) fn release_all(
    connection: &mut SqliteConnection,
    ids: &[HoldId],
    now: DateTime<Utc>,
) -> Result<Vec<ProductId>, StorageError> {
    let kept = load(connection, ids)?;
    let active = kept.values().filter(|kept| kept.hold.status == HoldStatus::Active);
    let ended: Vec<_> = active.map(|kept| (kept, HoldStatus::Released)).collect();
    give_all_back(connection, &ended, now)
}

/// What is still in holds goes back into the stock. Returns the products of which there is some again.
fn give_all_back(
    connection: &mut SqliteConnection,
    ended: &[(&KeptHold, HoldStatus)],
    now: DateTime<Utc>,
) -> Result<Vec<ProductId>, StorageError> {
    let mut units: BTreeMap<ProductId, i64> = BTreeMap::new();
    let mut lines = 0;
    for (product, back) in ended.iter().flat_map(|(kept, _)| kept.there()) {
        *units.entry(product.clone()).or_default() += i64::from(back);
        lines += 1;
    }
    let before = offers(connection, &units.keys().cloned().collect())?;
    let ends: Vec<_> = ended.iter().map(|(kept, status)| (kept.hold.id, *status, None)).collect();
    end(connection, &ends, lines, now)?;
    move_stock(connection, &units, now)?;
    Ok(before.into_iter().filter(|(_, product)| product.stock == 0).map(|(id, _)| id).collect())
}

/// Ends holds; so many lines leave them.
fn end(
    connection: &mut SqliteConnection,
    ends: &[(HoldId, HoldStatus, Option<OrderId>)],
    lines: usize,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let at = now.timestamp_micros();
    let rows: Vec<_> = ends.iter().map(|(id, status, order)| (id, status, order, at)).collect();
    exactly(put(connection, END_HOLDS, &rows)?, rows.len(), "holds ended")?;
    let ids: Vec<_> = ends.iter().map(|(id, ..)| (id, at)).collect();
    exactly(put(connection, ENTER_RELEASES, &ids)?, lines, "movements were entered")?;
    exactly(put(connection, EMPTY_HOLDS, &ids)?, lines, "lines of holds were emptied")
}

/// Holds become orders.
pub(crate) fn claim(
    connection: &mut SqliteConnection,
    claimed: &[ClaimedHold],
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    if claimed.is_empty() {
        return Ok(());
    }
    let ends: Vec<_> =
        claimed.iter().map(|claimed| (claimed.hold, HoldStatus::Claimed, Some(claimed.order))).collect();
    end(connection, &ends, claimed.iter().map(|claimed| claimed.lines).sum(), now)
}
