//! What is kept of a person, in all tables.

use std::collections::HashMap;

use async_trait::async_trait;
use cartwright_domain::{Cart, Hold, OwnerId, Transition};
use cartwright_storage::{
    Erased, Erasure, Fence, KeptOfPerson, KeptOrder, PersonStore, Progress, Stocked, StorageError,
};
use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::join;
use uuid::Uuid;

use crate::{
    carts::load_carts,
    holds, lock_keys,
    orders::{self, TRIES, collided},
    profiles,
    read::{self, bad, count},
    sessions, sql,
    store::PostgresStore,
    transaction::{Failure, Transaction},
};

/// Orders that are read at a time.
const ORDERS: i64 = 1000;

#[async_trait]
impl PersonStore for PostgresStore {
    async fn erase_owner(
        &self,
        erasure: &Erasure,
        fence: &dyn Fence,
        now: DateTime<Utc>,
    ) -> Result<Stocked<Erased>, StorageError> {
        self.in_time(self.erase(erasure, fence, now)).await
    }

    async fn kept_of(&self, owner: &OwnerId, now: DateTime<Utc>) -> Result<KeptOfPerson, StorageError> {
        let read = async {
            let transaction = self.transaction().await?;
            match self.read_of(&transaction, owner, now).await {
                Ok(kept) => transaction.commit().await.map(|()| kept),
                Err(failure) => Err(transaction.roll_back(failure).await),
            }
        };
        self.in_time(read).await
    }
}

impl PostgresStore {
    async fn erase(
        &self,
        erasure: &Erasure,
        fence: &dyn Fence,
        now: DateTime<Utc>,
    ) -> Result<Stocked<Erased>, StorageError> {
        for _ in 0..TRIES {
            let transaction = self.transaction().await?;
            match erase(&transaction, erasure, fence, now).await {
                Ok(erased) => {
                    transaction.commit().await?;
                    self.recent.forget(&erasure.owner);
                    return Ok(erased);
                }
                Err(failure) => transaction.roll_back_for_another_try(failure).await?,
            }
        }
        Err(collided())
    }

    async fn read_of(
        &self,
        transaction: &Transaction<'_>,
        owner: &OwnerId,
        now: DateTime<Utc>,
    ) -> Result<KeptOfPerson, Failure> {
        const SNAPSHOT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        let connection = transaction.pipe();
        transaction.begin().await?;
        (&mut &*connection).batch_execute(SNAPSHOT).await?;
        let (id, known) = (owner.as_str(), self.recent.of(&[owner]));
        let (cart, profile, kept, held) = join!(
            load_carts(&known).load::<sql::CartRow>(&mut &*connection),
            sql::LoadProfile { owner: id }.get_result::<profiles::Row>(&mut &*connection),
            sql::LoadSessionsOf { owner: id, now }.load::<sql::SessionRow>(&mut &*connection),
            sql::HoldsOf { owner: id }.load::<(Uuid,)>(&mut &*connection),
        );
        let cart = read::carts(&known, cart?)?.remove(owner);
        let profile = profiles::profile(owner, profile.optional()?)?;
        let sessions = kept?.into_iter().map(sessions::session).collect::<Result<Vec<_>, StorageError>>()?;
        let ids: Vec<Uuid> = held?.into_iter().map(|(id,)| id).collect();
        let held: Vec<(i64, sql::HoldRow)> =
            sql::LoadHolds { ids: ids.clone() }.load(&mut &*connection).await?;
        let held = holds::read::in_places(ids.len(), held)?.into_iter().flatten();
        let holds: Vec<Hold> = held.map(|kept| kept.shown().at(now)).collect();
        Ok(KeptOfPerson {
            owner: owner.clone(),
            cart: cart.map_or_else(|| Cart::empty(owner.clone()), |cart| Cart::clone(&cart)),
            profile,
            sessions,
            holds,
            orders: orders_of(connection, id).await?,
        })
    }
}

async fn erase(
    transaction: &Transaction<'_>,
    erasure: &Erasure,
    fence: &dyn Fence,
    now: DateTime<Utc>,
) -> Result<Stocked<Erased>, Failure> {
    let connection = transaction.pipe();
    let (owner, pseudonym) = (erasure.owner.as_str(), erasure.pseudonym.as_str());
    let locks = sql::LockCarts { keys: vec![lock_keys::cart(&erasure.owner)] };
    let holder = vec![lock_keys::holder(&erasure.owner)];
    let (begun, locked, holding, gate, cart, held) = join!(
        transaction.begin(),
        locks.execute(&mut &*connection),
        sql::LockHolders { class: lock_keys::HOLDERS, keys: holder }.execute(&mut &*connection),
        sql::ReadGate {}.load::<sql::GateRow>(&mut &*connection),
        sql::LookForCart { owner }.get_result::<(bool,)>(&mut &*connection),
        sql::HoldsOf { owner }.load::<(Uuid,)>(&mut &*connection),
    );
    // The first that failed is the reason; those after it were only refused because of it.
    begun.and(locked).and(holding)?;
    let (gate, (cart,)) = (read::gate(gate?)?, cart?);
    let holds: Vec<Uuid> = held?.into_iter().map(|(id,)| id).collect();
    let turned =
        if holds.is_empty() { Vec::new() } else { holds::release_inside(connection, &holds, now).await? };
    let changing = std::slice::from_ref(&erasure.owner);
    let raise = async { if cart { fence.raise(&gate, changing).await } else { Ok(()) } };
    // All are waited for: a fence that is half up is not left to itself. The writes are polled first, so that the server works
    // on them meanwhile.
    let (carts, walks, profile, sessions, answers, holds, orders, reasons, notes, raised) = join!(
        sql::EraseCart { owner }.execute(&mut &*connection),
        sql::StepBack { owner }.execute(&mut &*connection),
        sql::RemoveProfile { owner }.execute(&mut &*connection),
        sql::EraseSessions { owner }.execute(&mut &*connection),
        sql::EraseKeys { owner }.execute(&mut &*connection),
        sql::EraseHolds { owner }.get_result::<(i64,)>(&mut &*connection),
        sql::AnonymizeOrders { owner, pseudonym }.execute(&mut &*connection),
        // What was said of them until the one before had them.
        sql::RemoveReasons { owner: pseudonym }.execute(&mut &*connection),
        sql::RemoveNotes { owner: pseudonym }.execute(&mut &*connection),
        raise,
    );
    raised.map_err(StorageError::Fence)?;
    let erased = Erased {
        cart: carts? > 0,
        profile: walks.and(profile)? > 0,
        sessions: sessions? as u64,
        answers: answers? as u64,
        holds: count(holds?.0)?,
        orders: orders? as u64,
    };
    reasons.and(notes)?;
    if erased.cart != cart {
        return Err(StorageError::unexpected("a cart that came or went under its lock").into());
    }
    Ok(Stocked { outcome: erased, turned })
}

async fn orders_of(mut connection: &AsyncPgConnection, owner: &str) -> Result<Vec<KeptOrder>, Failure> {
    let mut kept: Vec<KeptOrder> = Vec::new();
    loop {
        let after = kept.last().map_or(Uuid::nil(), |kept| kept.order.id.uuid());
        let rows: Vec<sql::OrderRow> =
            sql::LoadOrdersOf { owner, after, limit: ORDERS }.load(&mut connection).await?;
        let last = (rows.len() as u64) < ORDERS.unsigned_abs();
        let ids: Vec<Uuid> = rows.iter().map(|row| row.0).collect();
        let (steps, notes) = join!(
            sql::LoadStepsOf { ids: ids.clone() }.load::<Step>(&mut { connection }),
            sql::LoadNotesOf { ids }.load::<(Uuid, i16, String)>(&mut { connection }),
        );
        let mut by_order: HashMap<Uuid, Vec<Transition>> = HashMap::new();
        for (id, from, to, at, reason) in steps? {
            by_order.entry(id).or_default().push(orders::read::transition((from, to, at, reason))?);
        }
        let mut noted: HashMap<Uuid, (i16, String)> =
            notes?.into_iter().map(|(id, percent, note)| (id, (percent, note))).collect();
        for row in rows {
            let id = row.0;
            let order = orders::read::order(row)?;
            let first = Transition::first(order.created_at);
            let mut steps = vec![first];
            steps.extend(by_order.remove(&id).unwrap_or_default());
            let note = |(percent, note): (i16, String)| {
                Ok::<_, StorageError>(Progress {
                    percent: percent.try_into().map_err(bad("a percentage"))?,
                    note,
                })
            };
            kept.push(KeptOrder { order, steps, noted: noted.remove(&id).map(note).transpose()? });
        }
        if last {
            return Ok(kept);
        }
    }
}

/// Order, from, to, when, why.
type Step = (Uuid, Option<String>, String, DateTime<Utc>, Option<String>);
