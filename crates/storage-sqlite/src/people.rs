//! What is kept of a person, in all tables.

use async_trait::async_trait;
use cartwright_domain::{Cart, Hold, OrderId, OwnerId};
use cartwright_storage::{
    Erased, Erasure, Fence, KeptOfPerson, KeptOrder, PersonStore, Stocked, StorageError,
};
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};

use crate::{
    SqliteStore,
    batch::FenceAhead,
    connection::Transaction,
    error::storage_error,
    gate, holds, orders, profiles,
    rows::{broken, load_carts},
    sessions,
    statement::{Bind, Statement},
};

const LOOK_FOR_CART: &str = "SELECT version FROM carts WHERE owner = ?";

const ERASE_CART: &str = "DELETE FROM carts WHERE owner = ?";

/// Walks that stand at somebody whose cart is gone stand at the one before: no cart of that hour is between the two.
const STEP_BACK: &str = "\
    UPDATE cart_walks SET owner = coalesce(\
        (SELECT max(c.owner) FROM carts AS c WHERE c.touched = cart_walks.hour AND c.owner < cart_walks.owner), '') \
    WHERE owner = ?";

const ERASE_PROFILE: &str = "DELETE FROM profiles WHERE owner = ?";
const ERASE_SESSIONS: &str = "DELETE FROM sessions WHERE owner = ?";
const ERASE_KEYS: &str = "DELETE FROM idempotency_keys WHERE principal = ?";
const ERASE_HOLD_LINES: &str =
    "DELETE FROM hold_lines WHERE hold_id IN (SELECT id FROM holds WHERE owner = ?)";
const ERASE_HOLDS: &str = "DELETE FROM holds WHERE owner = ?";

const HOLDS_OF: &str = "SELECT id FROM holds WHERE owner = ? ORDER BY id";

/// `?`: owner.
pub(crate) const REMOVE_REASONS: &str = "\
    UPDATE order_transitions SET reason = NULL \
    WHERE order_number IN (SELECT number FROM orders WHERE owner = ?) AND reason IS NOT NULL";
const REMOVE_NOTES: &str =
    "UPDATE order_progress SET note = '' WHERE order_id IN (SELECT id FROM orders WHERE owner = ?)";

/// `?`: pseudonym, owner.
const ANONYMIZE: &str = "UPDATE orders SET owner = ? WHERE owner = ?";

pub(crate) const ORDERS_OF: &str = "SELECT id FROM orders WHERE owner = ? ORDER BY id";

#[async_trait]
impl PersonStore for SqliteStore {
    async fn erase_owner(
        &self,
        erasure: &Erasure,
        fence: &dyn Fence,
        now: DateTime<Utc>,
    ) -> Result<Stocked<Erased>, StorageError> {
        let erasure = erasure.clone();
        let owners = vec![erasure.owner.clone()];
        self.fenced(owners, fence, move |connection, ahead| erase(connection, ahead, &erasure, now)).await
    }

    async fn kept_of(&self, owner: &OwnerId, now: DateTime<Utc>) -> Result<KeptOfPerson, StorageError> {
        let owner = owner.clone();
        let read = move |connection: &mut SqliteConnection| {
            // Of a transaction that only reads all statements see the same.
            let mut transaction = Transaction::read(connection)?;
            let kept = kept_of(transaction.connection(), &owner, now)?;
            transaction.commit()?;
            Ok(kept)
        };
        self.readers.run(read).await
    }
}

fn erase(
    connection: &mut SqliteConnection,
    ahead: FenceAhead,
    erasure: &Erasure,
    now: DateTime<Utc>,
) -> Result<Stocked<Erased>, StorageError> {
    let Erasure { owner, pseudonym } = erasure;
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let gate = gate::read(connection)?;
    let by_owner = [Bind::Text(owner.as_str())];
    let cart: Option<i64> = Statement::<BigInt>::new(LOOK_FOR_CART, &by_owner)
        .get_result(connection)
        .optional()
        .map_err(storage_error)?;
    let changing = cart.map(|_version| owner.clone()).into_iter().collect();
    let (mut erased, mut turned) = (Erased::default(), Vec::new());
    let fenced = ahead.around(gate, changing, || {
        let ids = holds::pick(connection, HOLDS_OF, &by_owner)?;
        turned = holds::release_all(connection, &ids, now)?;
        let mut run = |sql: &'static str, binds: &[Bind<'_>]| {
            Statement::<()>::new(sql, binds).execute(connection).map_err(storage_error)
        };
        run(REMOVE_REASONS, &by_owner)?;
        run(REMOVE_NOTES, &by_owner)?;
        run(ERASE_HOLD_LINES, &by_owner)?;
        erased = Erased {
            cart: run(ERASE_CART, &by_owner)? > 0,
            profile: run(ERASE_PROFILE, &by_owner)? > 0,
            sessions: run(ERASE_SESSIONS, &by_owner)? as u64,
            holds: run(ERASE_HOLDS, &by_owner)? as u64,
            answers: run(ERASE_KEYS, &by_owner)? as u64,
            orders: run(ANONYMIZE, &[Bind::Text(pseudonym.as_str()), Bind::Text(owner.as_str())])? as u64,
        };
        run(STEP_BACK, &by_owner).map(drop)
    })?;
    transaction.commit()?;
    drop(fenced);
    Ok(Stocked { outcome: erased, turned })
}

fn kept_of(
    connection: &mut SqliteConnection,
    owner: &OwnerId,
    now: DateTime<Utc>,
) -> Result<KeptOfPerson, StorageError> {
    let by_owner = [Bind::Text(owner.as_str())];
    let cart = load_carts(connection, [owner])?.remove(owner);
    let ids = holds::pick(connection, HOLDS_OF, &by_owner)?;
    let mut held = holds::load(connection, &ids)?;
    let holds: Vec<Hold> =
        ids.iter().filter_map(|id| held.remove(id)).map(|kept| kept.shown().at(now)).collect();
    let ids: Vec<String> =
        Statement::<Text>::new(ORDERS_OF, &by_owner).load(connection).map_err(storage_error)?;
    let ids = ids.iter().map(|id| id.parse().map_err(|error| broken("an order's id", error)));
    let ids = ids.collect::<Result<Vec<OrderId>, StorageError>>()?;
    let found = orders::read::orders(connection, &ids)?;
    let mut kept = Vec::with_capacity(found.len());
    for order in found.into_iter().flatten() {
        let steps = orders::read::transitions(connection, order.id)?;
        let noted = orders::note(connection, order.id)?;
        kept.push(KeptOrder { order, steps, noted });
    }
    Ok(KeptOfPerson {
        owner: owner.clone(),
        cart: cart.unwrap_or_else(|| Cart::empty(owner.clone())),
        profile: profiles::load(connection, owner)?,
        sessions: sessions::list(connection, owner, now)?,
        holds,
        orders: kept,
    })
}
