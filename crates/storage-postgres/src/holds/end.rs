//! Holds end: given back, expired, or claimed.

use std::collections::{BTreeMap, HashMap};

use cartwright_domain::{HoldId, HoldStatus, OwnerId, ProductId};
use cartwright_storage::{
    ClaimedHold, DecidedRelease, KeptHold, OfferedProduct, Released, Stocked, StorageError, decide_release,
};
use chrono::{DateTime, Utc};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;
use uuid::Uuid;

use super::{move_stock, read};
use crate::{
    orders::{TRIES, collided, read::offers},
    sql::{EmptyHolds, EndHolds, HoldRow, LoadHolds, LockHolds, LockProductsOfHolds, OfferRow, PickExpired},
    store::PostgresStore,
    transaction::{Failure, Transaction},
    write::check,
};

impl PostgresStore {
    /// Three round trips.
    pub(super) async fn release(
        &self,
        id: HoldId,
        owner: Option<&OwnerId>,
        now: DateTime<Utc>,
    ) -> Result<Stocked<Released>, StorageError> {
        for _ in 0..TRIES {
            let transaction = self.transaction().await?;
            match release(&transaction, id, owner, now).await {
                Ok(released) => {
                    transaction.commit().await?;
                    return Ok(released);
                }
                Err(failure) => transaction.roll_back_for_another_try(failure).await?,
            }
        }
        Err(collided())
    }

    /// One round trip when there is nothing to do, else four.
    pub(super) async fn expire(&self, now: DateTime<Utc>, limit: u32) -> Result<Stocked<u64>, StorageError> {
        let pick = PickExpired { now, limit: limit.into() };
        let picked: Vec<(Uuid,)> = self.run(async |connection| (&pick).load(connection).await).await?;
        let mut ids: Vec<Uuid> = picked.into_iter().map(|(id,)| id).collect();
        if ids.is_empty() {
            return Ok(Stocked::unmoved(0));
        }
        ids.sort_unstable();
        for _ in 0..TRIES {
            let transaction = self.transaction().await?;
            match expire(&transaction, &ids, now).await {
                Ok(expired) => {
                    transaction.commit().await?;
                    return Ok(expired);
                }
                Err(failure) => transaction.roll_back_for_another_try(failure).await?,
            }
        }
        Err(collided())
    }
}

async fn release(
    transaction: &Transaction<'_>,
    id: HoldId,
    owner: Option<&OwnerId>,
    now: DateTime<Utc>,
) -> Result<Stocked<Released>, Failure> {
    let (before, mut kept) = lock(transaction, &[id.uuid()]).await?;
    let kept = kept.pop().flatten();
    match (decide_release(kept.as_ref(), owner, now), kept) {
        (DecidedRelease::Answered(outcome), _) => Ok(Stocked::unmoved(outcome)),
        (DecidedRelease::Ends(hold), Some(kept)) => {
            let turned = end(transaction.pipe(), &[&kept], hold.status, &before, now).await?;
            Ok(Stocked { outcome: Released::Done(hold), turned })
        }
        (DecidedRelease::Ends(_), None) => {
            Err(StorageError::unexpected("a hold that is not there was released").into())
        }
    }
}

async fn expire(
    transaction: &Transaction<'_>,
    ids: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Stocked<u64>, Failure> {
    let (before, kept) = lock(transaction, ids).await?;
    // Others may have been renewed or claimed meanwhile.
    let expired = |kept: &&KeptHold| kept.hold.status == HoldStatus::Active && !kept.is_kept(now);
    let ended: Vec<&KeptHold> = kept.iter().flatten().filter(expired).collect();
    if ended.is_empty() {
        return Ok(Stocked::unmoved(0));
    }
    let turned = end(transaction.pipe(), &ended, HoldStatus::Expired, &before, now).await?;
    Ok(Stocked { outcome: ended.len() as u64, turned })
}

type Locked = (HashMap<ProductId, OfferedProduct>, Vec<Option<KeptHold>>);

/// One round trip: the products of holds, and the holds, under their locks. `ids` are sorted.
async fn lock(transaction: &Transaction<'_>, ids: &[Uuid]) -> Result<Locked, Failure> {
    let (begun, locked) = join!(transaction.begin(), lock_inside(transaction.pipe(), ids));
    begun?;
    locked
}

/// Gives back what active holds keep, inside a transaction, and ends them. `ids` are sorted. Returns the products of which there is
/// some again. Two round trips.
pub(crate) async fn release_inside(
    connection: &AsyncPgConnection,
    ids: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Vec<ProductId>, Failure> {
    let (before, kept) = lock_inside(connection, ids).await?;
    let active = |kept: &&KeptHold| kept.hold.status == HoldStatus::Active;
    let ended: Vec<&KeptHold> = kept.iter().flatten().filter(active).collect();
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    end(connection, &ended, HoldStatus::Released, &before, now).await
}

async fn lock_inside(connection: &AsyncPgConnection, ids: &[Uuid]) -> Result<Locked, Failure> {
    let (offered, locked, held) = join!(
        LockProductsOfHolds { ids: ids.to_vec() }.load::<OfferRow>(&mut &*connection),
        LockHolds { ids: ids.to_vec() }.execute(&mut &*connection),
        LoadHolds { ids: ids.to_vec() }.load::<(i64, HoldRow)>(&mut &*connection),
    );
    let offered = offered?;
    locked?;
    Ok((offers(offered)?, read::in_places(ids.len(), held?)?))
}

/// What is still in holds goes back into the stock. Returns the products of which there is some again. One round trip.
async fn end(
    connection: &AsyncPgConnection,
    ended: &[&KeptHold],
    status: HoldStatus,
    before: &HashMap<ProductId, OfferedProduct>,
    now: DateTime<Utc>,
) -> Result<Vec<ProductId>, Failure> {
    let ids: Vec<Uuid> = ended.iter().map(|kept| kept.hold.id.uuid()).collect();
    let mut units: BTreeMap<ProductId, i64> = BTreeMap::new();
    let mut lines = 0;
    for (product, back) in ended.iter().flat_map(|kept| kept.there()) {
        *units.entry(product.clone()).or_default() += i64::from(back);
        lines += 1;
    }
    let end = EndHolds { ids: ids.clone(), status: status.name(), orders: Vec::new(), now };
    let (held, gone, moved) = join!(
        end.execute(&mut &*connection),
        EmptyHolds { ids, now }.execute(&mut &*connection),
        move_stock(connection, &units, now),
    );
    check("holds", held?, ended.len())?;
    check("lines of holds", gone?, lines)?;
    moved?;
    let empty = |id: &ProductId| before.get(id).is_some_and(|product| product.stock == 0);
    Ok(units.into_keys().filter(empty).collect())
}

/// Holds become orders, if they are still as they were read, without a lock: else all is to be begun anew. To be sent last,
/// behind the movements of stock: products come before holds.
pub(crate) async fn claim(
    connection: &AsyncPgConnection,
    claimed: &[ClaimedHold],
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    if claimed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = claimed.iter().map(|claimed| claimed.hold.uuid()).collect();
    let end = EndHolds {
        ids: ids.clone(),
        status: HoldStatus::Claimed.name(),
        orders: claimed.iter().map(|claimed| claimed.order.uuid()).collect(),
        now,
    };
    // Two statements: the second sees what those have committed for whom the first had to wait.
    let (held, gone) =
        join!(end.execute(&mut &*connection), EmptyHolds { ids, now }.execute(&mut &*connection));
    let lines: usize = claimed.iter().map(|claimed| claimed.lines).sum();
    if held? < claimed.len() || gone? < lines {
        return Err(Failure::Overtaken);
    }
    Ok(())
}
