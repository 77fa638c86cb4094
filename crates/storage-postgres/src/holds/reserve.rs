//! Holds are made: one transaction, three round trips, whatever their number.

use std::collections::{BTreeSet, HashMap};

use cartwright_domain::{Hold, OwnerId, ProductId};
use cartwright_storage::{
    DecidedHolds, HoldPolicy, HoldRequest, IdempotencyClaim, LoadedForHolds, NewEvents, OrderBatch, Reserved,
    StorageError, decide_holds,
};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use super::{give_back, move_stock};
use crate::{
    carts::distinct,
    claims::{self, Claimed},
    events, lock_keys,
    orders::{TRIES, collided, read::offers},
    read::{at, bad},
    sql::{CountHolds, InsertHoldLines, InsertHolds, LockHolders, LockOffers, OfferRow},
    store::PostgresStore,
    transaction::{Failure, Transaction},
    write::check,
};

impl PostgresStore {
    pub(super) async fn reserve(
        &self,
        requests: &[HoldRequest],
        policy: &HoldPolicy,
    ) -> Result<OrderBatch<Reserved>, StorageError> {
        let names = Names::of(requests);
        for _ in 0..TRIES {
            let transaction = self.transaction().await?;
            match carry_out(&transaction, &names, requests, policy, self.emission.stock_low).await {
                Ok((decided, returned)) => {
                    transaction.commit().await?;
                    // There is less of them than this process last left.
                    self.offers.forget(names.products.iter().copied());
                    let mut batch = decided.into_batch();
                    batch.returned(returned);
                    return Ok(batch);
                }
                Err(failure) => transaction.roll_back_for_another_try(failure).await?,
            }
        }
        Err(collided())
    }
}

/// What requests name, each once.
struct Names<'a> {
    owners: Vec<&'a OwnerId>,
    /// Of the owners, sorted.
    locks: Vec<i32>,
    /// In the order in which they are locked.
    products: BTreeSet<&'a ProductId>,
    claims: Vec<&'a IdempotencyClaim>,
    /// The position of each claim's request.
    claimants: Vec<usize>,
}

impl<'a> Names<'a> {
    fn of(requests: &'a [HoldRequest]) -> Self {
        let owners = distinct(requests.iter().map(|request| &request.owner));
        let locks = holders(&owners);
        let products = requests.iter().flat_map(|request| request.lines.iter().map(|(id, _)| id)).collect();
        let claims =
            requests.iter().enumerate().filter_map(|(at, request)| Some((request.claim.as_ref()?, at)));
        let (claims, claimants) = claims.unzip();
        Self { owners, locks, products, claims, claimants }
    }
}

/// The locks of owners, in the order in which they are taken.
pub(super) fn holders(owners: &[&OwnerId]) -> Vec<i32> {
    let mut locks: Vec<i32> = owners.iter().map(|owner| lock_keys::holder(owner)).collect();
    locks.sort_unstable();
    locks.dedup();
    locks
}

async fn carry_out(
    transaction: &Transaction<'_>,
    names: &Names<'_>,
    requests: &[HoldRequest],
    policy: &HoldPolicy,
    low: u32,
) -> Result<(DecidedHolds, Vec<ProductId>), Failure> {
    let connection = transaction.pipe();
    // What expires while this waits counts as kept.
    let began = policy.clock.now();
    let ids = names.products.iter().map(|id| id.as_str()).collect();
    let (begun, locked, busy, keys, kept, offered) = join!(
        transaction.begin(),
        LockHolders { class: lock_keys::HOLDERS, keys: names.locks.clone() }.execute(&mut &*connection),
        claims::lock(connection, &names.claims),
        claims::load(connection, &names.claims),
        count(connection, &names.owners, began),
        LockOffers { ids }.load::<OfferRow>(&mut &*connection),
    );
    begun.and(locked)?;
    let claimed = Claimed { busy: busy?, rows: keys? };
    let claimed = claims::try_again(connection, &names.claims, claimed).await?;
    let now = policy.clock.now();
    let keys = claims::states(&names.claims, claimed, now)?;
    let keys = keys.into_iter().map(|(position, state)| Ok((*at(&names.claimants, position)?, state)));
    let keys = keys.collect::<Result<_, StorageError>>()?;
    let mut loaded = LoadedForHolds { products: offers(offered?)?, kept: counts(kept?)?, keys };
    let lacking = loaded.lacking(requests);
    let returned = give_back(connection, &lacking, &mut loaded.products, now).await?;
    let before: HashMap<ProductId, u32> =
        loaded.products.iter().map(|(id, product)| (id.clone(), product.stock)).collect();
    let decided = decide_holds(requests, loaded, policy, now);
    if decided.is_empty() {
        return Ok((decided, returned));
    }
    let mut told = NewEvents::new();
    let units = decided.taken.iter().map(|(id, units)| (id, *units));
    told.stock_taken(units, |id| before.get(id).copied(), low);
    let keep = claims::keep(decided.kept_answers(requests), now)?;
    let keep = async {
        if keep.keys.is_empty() {
            return Ok(());
        }
        keep.execute(&mut &*connection).await.map(drop).map_err(Failure::from)
    };
    let taken = decided.taken.iter().map(|(id, units)| (id.clone(), -i64::from(*units))).collect();
    let (made, lines, kept, moved, told) = join!(
        insert_holds(connection, &decided, now),
        insert_lines(connection, &decided, now),
        keep,
        move_stock(connection, &taken, now),
        events::insert(connection, &told, now),
    );
    made.and(lines).and(kept).and(moved)?;
    told?;
    Ok((decided, returned))
}

/// How many holds owners have.
pub(super) async fn count(
    mut connection: &AsyncPgConnection,
    owners: &[&OwnerId],
    now: DateTime<Utc>,
) -> QueryResult<Vec<(String, i64)>> {
    CountHolds { owners: owners.iter().map(|owner| owner.as_str()).collect(), now }
        .load(&mut connection)
        .await
}

pub(super) fn counts(rows: Vec<(String, i64)>) -> Result<HashMap<OwnerId, u32>, StorageError> {
    let count = |(owner, kept): (String, i64)| {
        let owner = OwnerId::new(&owner).map_err(bad("a hold of nobody"))?;
        Ok((owner, u32::try_from(kept).map_err(bad("more holds than there can be"))?))
    };
    rows.into_iter().map(count).collect()
}

async fn insert_holds(
    mut connection: &AsyncPgConnection,
    decided: &DecidedHolds,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let made: Vec<&Hold> = decided.made().collect();
    let statement = InsertHolds {
        ids: made.iter().map(|hold| hold.id.uuid()).collect(),
        owners: made.iter().map(|hold| hold.owner.as_str()).collect(),
        currencies: made.iter().map(|hold| hold.currency.code()).collect(),
        expiries: made.iter().map(|hold| hold.expires_at).collect(),
        ends: made.iter().map(|hold| hold.until).collect(),
        now,
    };
    check("holds", statement.execute(&mut connection).await?, made.len())
}

async fn insert_lines(
    mut connection: &AsyncPgConnection,
    decided: &DecidedHolds,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let mut statement = InsertHoldLines {
        holds: Vec::new(),
        products: Vec::new(),
        names: Vec::new(),
        prices: Vec::new(),
        quantities: Vec::new(),
        places: Vec::new(),
        expiries: Vec::new(),
        now,
    };
    for hold in decided.made() {
        for (place, line) in (0..).zip(&hold.lines) {
            statement.holds.push(hold.id.uuid());
            statement.products.push(line.product_id.as_str());
            statement.names.push(&line.name);
            statement.prices.push(line.price.minor());
            statement.quantities.push(line.quantity.get().into());
            statement.places.push(place);
            statement.expiries.push(hold.expires_at);
        }
    }
    let expected = statement.holds.len();
    check("lines of holds", statement.execute(&mut connection).await?, expected)
}
