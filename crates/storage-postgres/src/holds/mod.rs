//! Holds: stock that is kept for somebody for a while.
//!
//! Whoever locks both locks products before holds, in the order of their ids; that is why the products of a hold, which are
//! always the same, are locked by its id before it is looked at.

mod end;
mod expired;
pub(crate) mod read;
mod renew;
mod reserve;

use std::collections::BTreeMap;

use async_trait::async_trait;
use cartwright_domain::{Hold, HoldId, OwnerId, ProductId};
use cartwright_storage::{
    HoldPolicy, HoldRequest, HoldStore, NewEvents, OrderBatch, Released, Renewal, Renewed, Reserved, Stocked,
    StorageError,
};
use chrono::{DateTime, Utc};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use crate::{
    events,
    read::{bad, count},
    sql::{ForgetHolds, HoldRow, LoadHolds, MoveStock, WarnOfHolds},
    store::PostgresStore,
    transaction::Failure,
    write::check,
};

pub(crate) use end::{claim, release_inside};
pub(crate) use expired::{can_be_had, give_back};

#[async_trait]
impl HoldStore for PostgresStore {
    async fn reserve_holds(
        &self,
        requests: &[HoldRequest],
        policy: &HoldPolicy,
    ) -> Result<OrderBatch<Reserved>, StorageError> {
        if requests.is_empty() {
            return Ok(OrderBatch::default());
        }
        self.in_time(self.reserve(requests, policy)).await
    }

    async fn renew_hold(
        &self,
        renewal: &Renewal,
        policy: &HoldPolicy,
    ) -> Result<Stocked<Renewed>, StorageError> {
        self.in_time(self.renew(renewal, policy)).await
    }

    async fn release_hold(
        &self,
        id: HoldId,
        owner: Option<&OwnerId>,
        now: DateTime<Utc>,
    ) -> Result<Stocked<Released>, StorageError> {
        self.in_time(self.release(id, owner, now)).await
    }

    async fn holds(&self, ids: &[HoldId]) -> Result<Vec<Option<Hold>>, StorageError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let statement = LoadHolds { ids: ids.iter().map(|id| id.uuid()).collect() };
        let rows: Vec<(i64, HoldRow)> = self.run(async |connection| statement.load(connection).await).await?;
        let kept = read::in_places(ids.len(), rows)?;
        Ok(kept.into_iter().map(|kept| Some(kept?.shown())).collect())
    }

    async fn expire_holds(&self, now: DateTime<Utc>, limit: u32) -> Result<Stocked<u64>, StorageError> {
        self.in_time(self.expire(now, limit)).await
    }

    async fn holds_expiring(
        &self,
        now: DateTime<Utc>,
        by: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Hold>, StorageError> {
        self.in_time(self.warn(now, by, limit)).await
    }

    async fn forget_holds(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StorageError> {
        let statement = ForgetHolds { before, limit: limit.into() };
        let forgotten = self.run(async |connection| statement.get_result::<(i64,)>(connection).await).await?;
        count(forgotten.0)
    }
}

impl PostgresStore {
    async fn warn(
        &self,
        now: DateTime<Utc>,
        by: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Hold>, StorageError> {
        let transaction = self.transaction().await?;
        let statement = WarnOfHolds { now, by, limit: limit.into() };
        let warned: Result<Vec<Hold>, Failure> = async {
            let (begun, rows) =
                join!(transaction.begin(), statement.load::<(i64, HoldRow)>(&mut transaction.pipe()),);
            begun?;
            let kept = rows?.into_iter().map(|(_, row)| read::kept(row));
            let kept = kept.filter(|kept| kept.as_ref().map_or(true, |kept| kept.is_kept(now)));
            let holds = kept.map(|kept| Ok(kept?.shown())).collect::<Result<Vec<Hold>, StorageError>>()?;
            let mut told = NewEvents::new();
            holds.iter().for_each(|hold| told.hold_expiring(hold));
            events::insert(transaction.pipe(), &told, now).await?;
            Ok(holds)
        }
        .await;
        match warned {
            Ok(holds) => transaction.commit().await.map(|()| holds),
            Err(failure) => Err(transaction.roll_back(failure).await),
        }
    }
}

/// Moves the stock of products that are locked, by so many units.
async fn move_stock(
    mut connection: &AsyncPgConnection,
    units: &BTreeMap<ProductId, i64>,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    if units.is_empty() {
        return Ok(());
    }
    let statement = MoveStock {
        ids: units.keys().map(ProductId::as_str).collect(),
        units: units
            .values()
            .map(|units| i32::try_from(*units))
            .collect::<Result<_, _>>()
            .map_err(bad("more units than there can be"))?,
        now,
    };
    check("products", statement.execute(&mut connection).await?, units.len())
}
