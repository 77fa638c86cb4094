//! Orders go on: one transaction, three round trips, whatever their number.

use std::collections::{BTreeMap, HashMap};

use cartwright_domain::{Order, OrderId};
use cartwright_storage::{OrderBatch, OrderStep, Stepped, StorageError, decide_steps};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::RunQueryDsl;
use futures_util::join;
use uuid::Uuid;

use super::{TRIES, collided, read};
use crate::{
    carts::distinct,
    events,
    sql::{
        LoadOrders, LoadTaken, LockOffers, LockOrders, MoveStock, OfferRow, OrderRow, ReturnStock, StepOrders,
    },
    store::PostgresStore,
    transaction::{Failure, Transaction},
    write::check,
};

impl PostgresStore {
    pub(super) async fn step(
        &self,
        steps: &[OrderStep],
        now: DateTime<Utc>,
    ) -> Result<OrderBatch<Stepped>, StorageError> {
        for _ in 0..TRIES {
            let transaction = self.transaction().await?;
            match carry_out(&transaction, steps, now).await {
                Ok(batch) => {
                    transaction.commit().await?;
                    return Ok(batch);
                }
                Err(failure) => transaction.roll_back_for_another_try(failure).await?,
            }
        }
        Err(collided())
    }
}

async fn carry_out(
    transaction: &Transaction<'_>,
    steps: &[OrderStep],
    now: DateTime<Utc>,
) -> Result<OrderBatch<Stepped>, Failure> {
    let connection = transaction.pipe();
    let mut ids: Vec<Uuid> =
        distinct(steps.iter().map(|step| &step.id)).into_iter().map(|id| id.uuid()).collect();
    ids.sort_unstable();
    let (begun, locked, orders) = join!(
        transaction.begin(),
        LockOrders { ids: ids.clone() }.execute(&mut &*connection),
        LoadOrders { ids: ids.clone() }.load::<(i64, OrderRow)>(&mut &*connection),
    );
    begun.and(locked)?;
    let orders = read::in_places(ids.len(), orders?)?;
    let orders: HashMap<OrderId, Order> =
        orders.into_iter().flatten().map(|order| (order.id, order)).collect();
    let decided = decide_steps(steps, orders, now);
    if decided.taken.is_empty() {
        return Ok(OrderBatch { outcomes: decided.outcomes, turned: Vec::new() });
    }
    let back = decided.returning.iter().map(|id| id.uuid()).collect();
    let taken: Vec<(Uuid, String, i32)> = LoadTaken { orders: back }.load(&mut &*connection).await?;
    let mut units: BTreeMap<&str, i32> = BTreeMap::new();
    for (_, product, returned) in &taken {
        let sum = units.entry(product).or_default();
        *sum = sum.checked_add(*returned).ok_or_else(|| StorageError::unexpected("more than fits"))?;
    }
    let stepped = StepOrders {
        ids: decided.taken.iter().map(|step| step.id.uuid()).collect(),
        before: decided.taken.iter().map(|step| step.from.name()).collect(),
        after: decided.taken.iter().map(|step| step.to.name()).collect(),
        reasons: decided.taken.iter().map(|step| step.reason.as_deref()).collect(),
        now,
    };
    let returned = ReturnStock {
        orders: taken.iter().map(|(order, _, _)| *order).collect(),
        products: taken.iter().map(|(_, product, _)| product.as_str()).collect(),
        units: taken.iter().map(|(_, _, units)| *units).collect(),
        now,
    };
    let products: Vec<&str> = units.keys().copied().collect();
    let back = async {
        if products.is_empty() {
            return QueryResult::Ok((Vec::new(), 0, 0));
        }
        // Locked in their order, as by whoever buys.
        let (locked, moved, entered) = join!(
            LockOffers { ids: products.clone() }.load::<OfferRow>(&mut &*connection),
            MoveStock { ids: products.clone(), units: units.values().copied().collect(), now }
                .execute(&mut &*connection),
            returned.execute(&mut &*connection),
        );
        Ok((locked?, moved?, entered?))
    };
    let told = decided.events();
    let (stepped, told, back) =
        join!(stepped.execute(&mut &*connection), events::insert(connection, &told, now), back);
    let orders = distinct(decided.taken.iter().map(|step| &step.id)).len();
    check("orders", stepped?, orders)?;
    told?;
    let (before, moved, entered) = back?;
    check("products", moved, products.len())?;
    check("returns", entered, taken.len())?;
    let empty = read::offers(before)?.into_iter().filter(|(_, product)| product.stock == 0);
    let turned = empty.map(|(id, _)| id).collect();
    Ok(OrderBatch { outcomes: decided.outcomes, turned })
}
