//! Carts that nobody has touched for long.

use std::collections::HashSet;

use async_trait::async_trait;
use cartwright_domain::{Cart, OwnerId};
use cartwright_storage::{KeptLines, LeftAlone, LeftAloneStore, NewEvents, StorageError, WalkPoint};
use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use crate::{
    events, lock_keys,
    read::bad,
    sql::{LoadWalk, LockWalk, MoveWalk, TryLockCartsShared, WalkCarts, WalkedRow},
    store::PostgresStore,
    transaction::{Failure, Transaction},
};

/// The walk that tells of abandoned carts.
const ABANDONED: &str = "abandoned";

async fn next(
    mut connection: &AsyncPgConnection,
    from: Option<&(DateTime<Utc>, String)>,
    before: DateTime<Utc>,
    limit: u32,
) -> QueryResult<Vec<WalkedRow>> {
    let (hour, owner) = (from.map(|(hour, _)| *hour), from.map_or("", |(_, owner)| owner));
    let before = WalkPoint::hour_of(before);
    WalkCarts { hour, owner, before, limit: limit.into() }.load(&mut connection).await
}

fn point(row: &WalkedRow) -> Result<WalkPoint, StorageError> {
    let owner = OwnerId::new(&row.1).map_err(bad("a cart of nobody"))?;
    Ok(WalkPoint { hour: row.0, owner: Some(owner) })
}

fn cart((_, owner, version, created, updated, quantities, lines): WalkedRow) -> Result<Cart, StorageError> {
    let owner = OwnerId::new(&owner).map_err(bad("a cart of nobody"))?;
    let version = u64::try_from(version).map_err(bad("a cart with a negative version"))?;
    let lines = KeptLines { quantities: &*quantities, lines: &*lines }.read()?;
    Ok(Cart::from_parts(owner, version, lines, created, updated))
}

fn filled(rows: Vec<WalkedRow>) -> Result<Vec<Cart>, StorageError> {
    let carts = rows.into_iter().map(cart);
    carts.filter(|cart| cart.as_ref().map_or(true, |cart| !cart.lines().is_empty())).collect()
}

#[async_trait]
impl LeftAloneStore for PostgresStore {
    async fn left_alone(
        &self,
        walk: &str,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<LeftAlone, StorageError> {
        let rows = self
            .run(async |connection| {
                let from = LoadWalk { name: walk }.get_result(connection).await.optional()?;
                next(connection, from.as_ref(), before, limit).await
            })
            .await?;
        let more = rows.len() >= limit as usize;
        let upto = rows.iter().map(point).next_back().transpose()?;
        Ok(LeftAlone { carts: filled(rows)?, upto, more })
    }

    async fn walked(&self, walk: &str, upto: &WalkPoint) -> Result<(), StorageError> {
        let owner = upto.owner.as_ref().map_or("", OwnerId::as_str);
        let statement = MoveWalk { name: walk, hour: upto.hour, owner };
        self.run(async |connection| statement.execute(connection).await).await.map(drop)
    }

    async fn tell_abandoned(
        &self,
        before: DateTime<Utc>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<(u64, bool), StorageError> {
        let told = async {
            let transaction = self.transaction().await?;
            match tell(&transaction, before, limit, now).await {
                Ok(told) => transaction.commit().await.map(|()| told),
                Err(failure) => Err(transaction.roll_back(failure).await),
            }
        };
        self.in_time(told).await
    }
}

/// Carts are read again under their shared locks: one that is told of as abandoned has not been changed before, and if it is
/// afterwards, that is told later.
async fn tell(
    transaction: &Transaction<'_>,
    before: DateTime<Utc>,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<(u64, bool), Failure> {
    let connection = transaction.pipe();
    let start = LockWalk { name: ABANDONED, hour: WalkPoint::hour_of(before) };
    let (begun, from) =
        join!(transaction.begin(), start.get_result::<(DateTime<Utc>, String)>(&mut &*connection),);
    begun?;
    let from = from?;
    let seen = next(connection, Some(&from), before, limit).await?;
    let keys = seen.iter().map(|row| Ok(lock_keys::cart(&OwnerId::new(&row.1).map_err(bad("nobody"))?)));
    let keys = keys.collect::<Result<Vec<i64>, StorageError>>()?;
    let (busy, rows) = join!(
        TryLockCartsShared { keys }.load::<(i64,)>(&mut &*connection),
        next(connection, Some(&from), before, limit),
    );
    // Up to the first that is being changed. Carts only leave their hour: what was not seen before is not there now.
    let busy = busy?.into_iter().map(|(at,)| at).min();
    let free = match busy {
        Some(at) => usize::try_from(at - 1).map_err(bad("a position that cannot be"))?,
        None => seen.len(),
    };
    let Some(upto) = seen.iter().take(free).map(point).next_back().transpose()? else {
        return Ok((0, false));
    };
    let owners: HashSet<&str> = seen.iter().take(free).map(|row| row.1.as_str()).collect();
    let rows = rows?.into_iter().filter(|row| owners.contains(row.1.as_str())).collect();
    let mut told = NewEvents::new();
    for cart in filled(rows)? {
        told.cart_abandoned(&cart);
    }
    let owner = upto.owner.as_ref().map_or("", OwnerId::as_str);
    let moving = MoveWalk { name: ABANDONED, hour: upto.hour, owner };
    let (inserted, moved) = join!(events::insert(connection, &told, now), moving.execute(&mut &*connection));
    inserted.and(moved)?;
    Ok((told.count().into(), busy.is_none() && seen.len() >= limit as usize))
}
