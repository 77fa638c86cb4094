use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use async_trait::async_trait;
use cartwright_domain::{Cart, Clock, Gate, OwnerId, ProductId};
use cartwright_storage::{
    BatchPolicy, CartRequest, CartStore, Decided, Emission, Fence, FillRead, IdempotencyClaim, KEY_LIFETIME,
    Loaded, Outcome, StorageError, decide,
};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;
use metrics::histogram;

use crate::{
    claims::{self, Claimed},
    events, lock_keys, read,
    recent::{Known, RecentCarts},
    sql::{
        CartRow, ForgetKeys, GateRow, ListingRow, LoadCarts, LoadListings, LockCarts, ReadGate,
        TryLockCartsShared,
    },
    store::PostgresStore,
    transaction::{Failure, Transaction},
    write::Write,
};

#[async_trait]
impl CartStore for PostgresStore {
    async fn execute_batch(
        &self,
        requests: &[CartRequest],
        policy: &BatchPolicy,
        fence: &dyn Fence,
    ) -> Result<Vec<Outcome>, StorageError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let outcomes = self.in_time(self.batch(requests, policy, fence)).await;
        histogram!("cartwright_store_batch_seconds").record(started.elapsed());
        histogram!("cartwright_store_batch_requests")
            .record(u32::try_from(requests.len()).unwrap_or(u32::MAX));
        outcomes
    }

    async fn load(&self, owners: &[OwnerId]) -> Result<Vec<Cart>, StorageError> {
        if owners.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.recent.of(&distinct(owners));
        let statement = load_carts(&known);
        let rows = self.run(async |connection| statement.load(connection).await).await?;
        Ok(in_order(owners, &read::carts(&known, rows)?))
    }

    async fn load_for_fill(&self, owners: &[OwnerId]) -> Result<Vec<FillRead>, StorageError> {
        if owners.is_empty() {
            return Ok(Vec::new());
        }
        self.in_time(self.fill(owners)).await
    }

    async fn forget_old_keys(&self, clock: &dyn Clock, limit: u32) -> Result<u64, StorageError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let statement = ForgetKeys { expired: clock.now() - KEY_LIFETIME, limit };
        let forgotten = self.run(async |connection| statement.execute(connection).await).await?;
        Ok(u64::try_from(forgotten).unwrap_or(u64::MAX))
    }

    async fn ping(&self) -> Result<(), StorageError> {
        match self.pending_migrations().await?.as_slice() {
            [] => Ok(()),
            missing => Err(StorageError::unexpected(format!(
                "the database lacks the migrations {}",
                missing.join(", ")
            ))),
        }
    }
}

impl PostgresStore {
    async fn batch(
        &self,
        requests: &[CartRequest],
        policy: &BatchPolicy,
        fence: &dyn Fence,
    ) -> Result<Vec<Outcome>, StorageError> {
        let names = Names::of(requests, &self.recent);
        let transaction = self.transaction().await?;
        match carry_out(&transaction, &names, requests, policy, self.emission, fence).await {
            Ok(decided) => {
                transaction.commit().await?;
                self.recent.written(&decided.changed);
                Ok(decided.outcomes)
            }
            Err(failure) => Err(transaction.roll_back(failure).await),
        }
    }

    pub(crate) async fn transaction(&self) -> Result<Transaction<'_>, StorageError> {
        Transaction::new(self.connection().await?).map_err(|error| StorageError::Unavailable(Box::new(error)))
    }

    /// One round trip: all of it is pipelined, `COMMIT` too.
    async fn fill(&self, owners: &[OwnerId]) -> Result<Vec<FillRead>, StorageError> {
        let distinct = distinct(owners);
        let known = self.recent.of(&distinct);
        let keys: Vec<i64> = distinct.iter().map(|owner| lock_keys::cart(owner)).collect();
        let transaction = self.transaction().await?;
        let (begun, busy, rows, committed) = join!(
            transaction.begin(),
            TryLockCartsShared { keys }.load::<(i64,)>(&mut transaction.pipe()),
            load_carts(&known).load::<CartRow>(&mut transaction.pipe()),
            transaction.pipe_commit(),
        );
        let read = begun.and(busy).and_then(|busy| committed.and(rows.map(|rows| (busy, rows))));
        let (busy, rows) = match read {
            Ok(read) => read,
            Err(error) => return Err(transaction.roll_back(error.into()).await),
        };
        transaction.committed().map_err(|error| StorageError::Unavailable(Box::new(error)))?;
        let busy: HashSet<&OwnerId> =
            busy.iter().map(|(at,)| read::at(&distinct, *at).copied()).collect::<Result<_, _>>()?;
        let carts = in_order(owners, &read::carts(&known, rows)?);
        Ok(carts.into_iter().map(|cart| FillRead { locked: !busy.contains(cart.owner()), cart }).collect())
    }
}

/// What a batch names, each once.
struct Names<'a> {
    owners: Known<'a>,
    /// Of the owners, sorted.
    locks: Vec<i64>,
    /// Those whose listing will be needed, if the carts are as they are remembered.
    products: Vec<&'a ProductId>,
    claims: Vec<&'a IdempotencyClaim>,
    /// The position of each claim's request.
    claimants: Vec<usize>,
}

impl<'a> Names<'a> {
    fn of(requests: &'a [CartRequest], recent: &RecentCarts) -> Self {
        let owners = distinct(requests.iter().flat_map(CartRequest::carts));
        let mut locks: Vec<i64> = owners.iter().map(|owner| lock_keys::cart(owner)).collect();
        locks.sort_unstable();
        locks.dedup();
        let known = recent.of(&owners);
        let remembered = known.remembered();
        let products = lines_to_make(requests, |owner| remembered.get(owner).copied());
        let claims =
            requests.iter().enumerate().filter_map(|(at, request)| Some((request.claim.as_ref()?, at)));
        let (claims, claimants) = claims.unzip();
        Self { owners: known, locks, products, claims, claimants }
    }
}

/// What was read under the locks.
struct UnderLocks {
    gate: Vec<GateRow>,
    carts: Vec<CartRow>,
    listings: Vec<ListingRow>,
    claimed: Claimed,
}

async fn carry_out(
    transaction: &Transaction<'_>,
    names: &Names<'_>,
    requests: &[CartRequest],
    policy: &BatchPolicy,
    emission: Emission,
    fence: &dyn Fence,
) -> Result<Decided, Failure> {
    let mut read = lock_and_read(transaction, names).await?;
    read.claimed = claims::try_again(transaction.pipe(), &names.claims, read.claimed).await?;
    // Asked under the locks, so that the times of a cart's changes are in the order of its versions.
    let now = policy.clock.now();
    let (gate, mut loaded) = values(names, read, now)?;
    let asked: HashSet<&ProductId> = names.products.iter().copied().collect();
    let mut missed = lines_to_make(requests, |owner| loaded.carts.get(owner));
    missed.retain(|product| !asked.contains(product));
    // One more round trip, when a cart was not as remembered.
    loaded.listings.extend(read::listings(load_listings(transaction.pipe(), &missed).await?)?);
    let decided = decide(requests, loaded, policy, now);
    if decided.is_empty() {
        return Ok(decided);
    }
    let changing = decided.changing();
    let write = Write::new(&decided.changed, claims::keep(decided.kept_answers(requests), now)?)?;
    let told = decided.events(emission);
    let raise = async { if changing.is_empty() { Ok(()) } else { fence.raise(&gate, &changing).await } };
    // Both are waited for: a fence that is half up is not left to itself. The writes are polled first, so that the
    // server works on them meanwhile.
    let connection = transaction.pipe();
    let (written, told, raised) = join!(write.run(connection), events::insert(connection, &told, now), raise);
    raised.map_err(StorageError::Fence)?;
    written?;
    told?;
    Ok(decided)
}

/// One round trip. PostgreSQL carries pipelined statements out one after the other, each with a snapshot of its own:
/// what comes after the locks sees what their previous holders committed.
async fn lock_and_read(transaction: &Transaction<'_>, names: &Names<'_>) -> QueryResult<UnderLocks> {
    let connection = transaction.pipe();
    let (begun, locked, busy, gate, carts, listings, keys) = join!(
        transaction.begin(),
        LockCarts { keys: names.locks.clone() }.execute(&mut &*connection),
        claims::lock(connection, &names.claims),
        ReadGate {}.load::<GateRow>(&mut &*connection),
        load_carts(&names.owners).load::<CartRow>(&mut &*connection),
        load_listings(connection, &names.products),
        claims::load(connection, &names.claims),
    );
    // The first that failed is the reason; those after it were only refused because of it.
    begun?;
    locked?;
    let claimed = Claimed { busy: busy?, rows: keys? };
    Ok(UnderLocks { gate: gate?, carts: carts?, listings: listings?, claimed })
}

/// The products of which a batch may make lines: their listings are needed. A line need not be made when its cart has it,
/// and the batch does nothing but add to that cart.
fn lines_to_make<'a, 'c>(
    requests: &'a [CartRequest],
    cart: impl Fn(&OwnerId) -> Option<&'c Arc<Cart>>,
) -> Vec<&'a ProductId> {
    let adds = |request: &CartRequest| request.command.needs_listing().is_some();
    let otherwise_changed: HashSet<&OwnerId> =
        requests.iter().filter(|request| !adds(request)).flat_map(CartRequest::carts).collect();
    distinct(requests.iter().filter_map(|request| {
        let product = request.command.needs_listing()?;
        let there = cart(&request.owner).is_some_and(|cart| cart.line(product).is_some());
        (!there || otherwise_changed.contains(&request.owner)).then_some(product)
    }))
}

async fn load_listings(
    connection: &AsyncPgConnection,
    products: &[&ProductId],
) -> QueryResult<Vec<ListingRow>> {
    if products.is_empty() {
        return Ok(Vec::new());
    }
    let ids = products.iter().map(|product| product.as_str()).collect();
    LoadListings { ids }.load::<ListingRow>(&mut &*connection).await
}

fn values(names: &Names<'_>, read: UnderLocks, now: DateTime<Utc>) -> Result<(Gate, Loaded), StorageError> {
    let keys = claims::states(&names.claims, read.claimed, now)?;
    let keys = keys.into_iter().map(|(at, state)| Ok((*read::at(&names.claimants, at)?, state)));
    let keys = keys.collect::<Result<_, StorageError>>()?;
    let carts = read::carts(&names.owners, read.carts)?;
    let listings = read::listings(read.listings)?;
    Ok((read::gate(read.gate)?, Loaded { carts, listings, keys }))
}

pub(crate) fn distinct<'a, T: Eq + std::hash::Hash>(items: impl IntoIterator<Item = &'a T>) -> Vec<&'a T> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|item| seen.insert(*item)).collect()
}

pub(crate) fn load_carts<'a>(known: &Known<'a>) -> LoadCarts<'a> {
    let owners = known.owners.iter().map(|owner| owner.as_str()).collect();
    LoadCarts { owners, versions: known.versions.clone(), updated: known.updated.clone() }
}

/// One cart for each owner, also for those named twice.
fn in_order(owners: &[OwnerId], carts: &HashMap<OwnerId, Arc<Cart>>) -> Vec<Cart> {
    owners
        .iter()
        .map(|owner| carts.get(owner).map_or_else(|| Cart::empty(owner.clone()), |cart| Cart::clone(cart)))
        .collect()
}
