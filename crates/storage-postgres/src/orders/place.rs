//! A batch of orders: one transaction, whatever their number. One round trip when nothing need be read, two when only products
//! must be; else two and a commit, and some more when units are short.

use std::collections::{BTreeSet, HashMap};

use cartwright_domain::{Gate, HoldId, Order, OwnerId, ProductId, Purchase};
use cartwright_storage::{
    DecidedOrders, Emission, Fence, IdempotencyClaim, LoadedForOrders, OrderBatch, OrderPolicy, OrderRequest,
    Placed, StockLocking, StorageError, decide_orders,
};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;
use uuid::Uuid;

use super::{
    TRIES, collided, read,
    write::{ToWrite, Within, Written},
};
use crate::{
    carts::{distinct, load_carts},
    claims::{self, Claimed},
    holds, lock_keys,
    read::{at, carts, gate},
    recent::Known,
    sql::{
        CartRow, GateRow, HoldRow, LoadHolds, LoadOffers, LoadOrdersOfCarts, LoadOrdersOfHolds, LockCarts,
        LockOffers, OfferRow, OrderRow, ReadGate,
    },
    store::PostgresStore,
    transaction::{Failure, Transaction},
};

impl PostgresStore {
    pub(super) async fn place(
        &self,
        requests: &[OrderRequest],
        policy: &OrderPolicy,
        fence: &dyn Fence,
    ) -> Result<OrderBatch<Placed>, StorageError> {
        let mut policy = policy.clone();
        for tries in 1..=TRIES {
            if let Some(batch) = self.try_to_place(requests, &policy, fence).await? {
                return Ok(batch);
            }
            // Whoever is overtaken gets in line: at once, or when it happens again and again.
            if policy.locking == StockLocking::Adaptive || tries + 1 == TRIES {
                policy.locking = StockLocking::Locked;
            }
        }
        Err(collided())
    }

    /// `None`: somebody else was quicker.
    async fn try_to_place(
        &self,
        requests: &[OrderRequest],
        policy: &OrderPolicy,
        fence: &dyn Fence,
    ) -> Result<Option<OrderBatch<Placed>>, StorageError> {
        let names = Names::of(requests, self);
        let locked;
        let policy = match self.decide_lines(&names, requests, policy).await? {
            Early::Decided(decided, now) => {
                let write = ToWrite {
                    decided: *decided,
                    requests,
                    follow_up: &policy.follow_up,
                    emission: self.emission,
                    now,
                };
                return self.write_alone(&names, write, fence).await;
            }
            Early::Scarce => {
                locked = OrderPolicy { locking: StockLocking::Locked, ..policy.clone() };
                &locked
            }
            Early::NotOnlyLines => policy,
        };
        let transaction = self.transaction().await?;
        match carry_out(&transaction, &names, requests, policy, self.emission, fence).await {
            Ok(written) => {
                transaction.end(written.committed).await?;
                Ok(Some(self.placed(written)))
            }
            Err(failure) => {
                self.offers.forget(&names.products);
                transaction.roll_back_for_another_try(failure).await.map(|()| None)
            }
        }
    }

    /// Writes what needs no other statement, if there is anything to write. Those who come meanwhile are decided by what will
    /// be left then.
    async fn write_alone(
        &self,
        names: &Names<'_>,
        write: ToWrite<'_>,
        fence: &dyn Fence,
    ) -> Result<Option<OrderBatch<Placed>>, StorageError> {
        if write.decided.is_empty() {
            self.offers.seen(&write.decided.products);
            return Ok(Some(write.decided.into_batch()));
        }
        let connection = self.shared_connection().await?;
        self.offers.seen(&write.decided.products);
        let failure = match write.run(Within::Alone(&connection), (None, fence)).await {
            Ok(Written { decided, others, .. }) => {
                connection.done();
                if others {
                    self.offers.seen(&decided.products);
                }
                return Ok(Some(decided.into_batch()));
            }
            Err(failure) => failure,
        };
        self.offers.forget(&names.products);
        if failure.may_go_well_again() {
            connection.done();
            return Ok(None);
        }
        let survived = connection.survived().await;
        if survived && !failure.is_of_a_standby() {
            connection.done();
        }
        Err(failure.into_error(survived))
    }

    /// Remembers what was committed, or read when nothing was.
    fn placed(&self, written: Written) -> OrderBatch<Placed> {
        let Written { decided, returned, .. } = written;
        self.recent.written(&decided.carts);
        self.offers.seen(&decided.products);
        let mut batch = decided.into_batch();
        batch.returned(returned);
        batch
    }

    /// Decides orders of lines without keys, for which only products are to be read, and stock is taken on the condition that
    /// they are still like that: no transaction is needed before it is known what to write. What is remembered of the products
    /// will do as long as it says that there is enough.
    async fn decide_lines(
        &self,
        names: &Names<'_>,
        requests: &[OrderRequest],
        policy: &OrderPolicy,
    ) -> Result<Early, StorageError> {
        let only_lines = names.owners.owners.is_empty() && names.claims.is_empty() && names.holds.is_empty();
        if !only_lines || policy.locking == StockLocking::Locked {
            return Ok(Early::NotOnlyLines);
        }
        let now = policy.clock.now();
        let adaptive = policy.locking == StockLocking::Adaptive;
        let loaded = |products| LoadedForOrders { products, ..LoadedForOrders::default() };
        if let Some(products) = self.offers.all(&names.products) {
            let decided = decide_orders(requests, loaded(products), policy, now);
            if decided.made_all() {
                return Ok(Early::Decided(Box::new(decided), now));
            }
            if adaptive && !decided.had_plenty() {
                return Ok(Early::Scarce);
            }
        }
        let rows = self.run(async |connection| offers(connection, &names.products, policy.locking).await);
        let loaded = loaded(read::offers(rows.await?)?);
        let (lacking, products) = (loaded.lacking(requests), &loaded.products);
        let more = !lacking.is_empty()
            && self
                .run(async |connection| holds::can_be_had(connection, &lacking, products, now).await)
                .await?;
        let decided = decide_orders(requests, loaded, policy, now);
        let scarce = more || adaptive && !decided.had_plenty();
        Ok(if scarce { Early::Scarce } else { Early::Decided(Box::new(decided), now) })
    }
}

/// What is known of a batch before a transaction is begun.
enum Early {
    /// All that is to be answered and written.
    Decided(Box<DecidedOrders>, DateTime<Utc>),
    /// That little is left of something that is to be sold: whoever buys it gets in line.
    Scarce,
    /// That more than products is to be read.
    NotOnlyLines,
}

/// What a batch names, each once.
struct Names<'a> {
    owners: Known<'a>,
    /// Of the owners, sorted.
    locks: Vec<i64>,
    /// What is bought as far as is known before the carts are read, in the order in which it is locked.
    products: BTreeSet<ProductId>,
    claims: Vec<&'a IdempotencyClaim>,
    /// The position of each claim's request.
    claimants: Vec<usize>,
    /// The carts' versions that may have been ordered before.
    ordered: Vec<(&'a OwnerId, u64)>,
    /// The holds that are to become orders, each once.
    holds: Vec<HoldId>,
}

impl<'a> Names<'a> {
    fn of(requests: &'a [OrderRequest], store: &PostgresStore) -> Self {
        let owners = distinct(requests.iter().filter_map(OrderRequest::cart));
        let mut locks: Vec<i64> = owners.iter().map(|owner| lock_keys::cart(owner)).collect();
        locks.sort_unstable();
        locks.dedup();
        let owners = store.recent.of(&owners);
        let mut products = BTreeSet::new();
        let (mut ordered, mut holds) = (Vec::new(), Vec::new());
        for request in requests {
            match &request.purchase {
                Purchase::Lines(lines) => products.extend(lines.iter().map(|(product, _)| product.clone())),
                Purchase::Cart { version } => ordered.push((&request.owner, *version)),
                Purchase::Hold(id) => holds.push(*id),
            }
        }
        holds.sort_unstable();
        holds.dedup();
        for cart in owners.remembered().values() {
            products.extend(cart.lines().iter().map(|line| line.product_id.clone()));
        }
        let claims =
            requests.iter().enumerate().filter_map(|(at, request)| Some((request.claim.as_ref()?, at)));
        let (claims, claimants) = claims.unzip();
        Self { owners, locks, products, claims, claimants, ordered, holds }
    }
}

/// What was read under the locks.
struct UnderLocks {
    gate: Vec<GateRow>,
    carts: Vec<CartRow>,
    ordered: Vec<(i64, OrderRow)>,
    holds: Vec<(i64, HoldRow)>,
    of_holds: Vec<(i64, OrderRow)>,
    offers: Vec<OfferRow>,
    claimed: Claimed,
}

/// Two round trips and a commit.
async fn carry_out(
    transaction: &Transaction<'_>,
    names: &Names<'_>,
    requests: &[OrderRequest],
    policy: &OrderPolicy,
    emission: Emission,
    fence: &dyn Fence,
) -> Result<Written, Failure> {
    let mut found = lock_and_read(transaction, names, policy.locking).await?;
    found.claimed = claims::try_again(transaction.pipe(), &names.claims, found.claimed).await?;
    let now = policy.clock.now();
    let (gate, mut loaded) = values(names, found, now)?;
    // Carts that are not as they were remembered. More is locked, out of order: whoever waits in a circle is told so by
    // the server, and begins anew.
    let in_carts = loaded.carts.values().flat_map(|cart| cart.lines().iter().map(|line| &line.product_id));
    let missed: BTreeSet<ProductId> = in_carts.filter(|id| !names.products.contains(*id)).cloned().collect();
    loaded.products.extend(read::offers(offers(transaction.pipe(), &missed, policy.locking).await?)?);
    // Nothing is looked for as long as there is enough. Who has the products locked need not look before he takes.
    let lacking = loaded.lacking(requests);
    let more = match policy.locking {
        StockLocking::Locked => !lacking.is_empty(),
        _ => holds::can_be_had(transaction.pipe(), &lacking, &loaded.products, now).await?,
    };
    let adaptive = policy.locking == StockLocking::Adaptive;
    let again = (adaptive || more).then(|| loaded.clone());
    let (mut decided, mut returned) = (decide_orders(requests, loaded, policy, now), Vec::new());
    if decided.is_empty() && !more {
        return Ok(Written { decided, returned, others: false, committed: false });
    }
    if let Some(mut loaded) = again.filter(|_| more || !decided.had_plenty()) {
        // Not much is left: in line, and as it is when it is our turn.
        if policy.locking != StockLocking::Locked {
            let all: BTreeSet<ProductId> = loaded.products.keys().cloned().collect();
            loaded.products = read::offers(offers(transaction.pipe(), &all, StockLocking::Locked).await?)?;
        }
        let lacking = loaded.lacking(requests);
        returned = holds::give_back(transaction.pipe(), &lacking, &mut loaded.products, now).await?;
        decided = decide_orders(requests, loaded, policy, now);
        if decided.is_empty() {
            return Ok(Written { decided, returned, others: false, committed: false });
        }
    }
    let write = ToWrite { decided, requests, follow_up: &policy.follow_up, emission, now };
    let written = write.run(Within::Begun(transaction), (gate, fence)).await?;
    Ok(Written { returned, ..written })
}

/// One round trip. Carts are locked before products, by everybody who locks both.
async fn lock_and_read(
    transaction: &Transaction<'_>,
    names: &Names<'_>,
    locking: StockLocking,
) -> QueryResult<UnderLocks> {
    let connection = transaction.pipe();
    let carts = async {
        if names.owners.owners.is_empty() {
            return QueryResult::Ok((Vec::new(), Vec::new(), Vec::new()));
        }
        let ordered = LoadOrdersOfCarts {
            owners: names.ordered.iter().map(|(owner, _)| owner.as_str()).collect(),
            versions: names.ordered.iter().map(|(_, version)| i64::try_from(*version).unwrap_or(0)).collect(),
        };
        let (locked, gate, carts, ordered) = join!(
            LockCarts { keys: names.locks.clone() }.execute(&mut &*connection),
            ReadGate {}.load::<GateRow>(&mut &*connection),
            load_carts(&names.owners).load::<CartRow>(&mut &*connection),
            ordered.load::<(i64, OrderRow)>(&mut &*connection),
        );
        locked?;
        Ok((gate?, carts?, ordered?))
    };
    let (begun, busy, carts, keys, offers, holds) = join!(
        transaction.begin(),
        claims::lock(connection, &names.claims),
        carts,
        claims::load(connection, &names.claims),
        offers(connection, &names.products, locking),
        load_holds(connection, &names.holds),
    );
    // The first that failed is the reason; those after it were only refused because of it.
    begun?;
    let busy = busy?;
    let (gate, carts, ordered) = carts?;
    let claimed = Claimed { busy, rows: keys? };
    let (offers, (holds, of_holds)) = (offers?, holds?);
    Ok(UnderLocks { gate, carts, ordered, holds, of_holds, offers, claimed })
}

/// Holds, as they are, and the orders that some of them became. They are not locked: products come first.
async fn load_holds(
    connection: &AsyncPgConnection,
    holds: &[HoldId],
) -> QueryResult<(Vec<(i64, HoldRow)>, Vec<(i64, OrderRow)>)> {
    if holds.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let ids: Vec<Uuid> = holds.iter().map(|id| id.uuid()).collect();
    let (holds, orders) = join!(
        LoadHolds { ids: ids.clone() }.load(&mut &*connection),
        LoadOrdersOfHolds { ids }.load(&mut &*connection),
    );
    Ok((holds?, orders?))
}

async fn offers(
    mut connection: &AsyncPgConnection,
    products: &BTreeSet<ProductId>,
    locking: StockLocking,
) -> QueryResult<Vec<OfferRow>> {
    if products.is_empty() {
        return Ok(Vec::new());
    }
    let ids = products.iter().map(ProductId::as_str).collect();
    match locking {
        StockLocking::Locked => LockOffers { ids }.load(&mut connection).await,
        StockLocking::Adaptive | StockLocking::Conditional => LoadOffers { ids }.load(&mut connection).await,
    }
}

/// The gate is known when there are carts.
fn values(
    names: &Names<'_>,
    found: UnderLocks,
    now: DateTime<Utc>,
) -> Result<(Option<Gate>, LoadedForOrders), StorageError> {
    let keys = claims::states(&names.claims, found.claimed, now)?;
    let keys = keys.into_iter().map(|(position, state)| Ok((*at(&names.claimants, position)?, state)));
    let keys = keys.collect::<Result<_, StorageError>>()?;
    let orders = read::in_places(names.ordered.len(), found.ordered)?;
    let ordered: HashMap<(OwnerId, u64), Order> = (names.ordered.iter().zip(orders))
        .filter_map(|((owner, version), order)| Some((((*owner).clone(), *version), order?)))
        .collect();
    let kept = holds::read::in_places(names.holds.len(), found.holds)?;
    let holds = names.holds.iter().zip(kept).filter_map(|(id, kept)| Some((*id, kept?))).collect();
    let orders = read::in_places(names.holds.len(), found.of_holds)?;
    let claimed = names.holds.iter().zip(orders).filter_map(|(id, order)| Some((*id, order?))).collect();
    let gate = if names.owners.owners.is_empty() { None } else { Some(gate(found.gate)?) };
    let carts = carts(&names.owners, found.carts)?;
    let products = read::offers(found.offers)?;
    Ok((gate, LoadedForOrders { carts, products, ordered, holds, claimed, keys }))
}
