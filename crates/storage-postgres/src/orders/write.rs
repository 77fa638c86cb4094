//! What a batch of orders writes: one round trip, whatever their number, and one statement when there is nothing but orders.

use std::collections::BTreeMap;

use cartwright_domain::{Gate, Order, OrderId, OwnerId, ProductId};
use cartwright_storage::{
    DecidedOrders, Emission, EventType, EventTypes, Fence, FollowUp, Moved, NewEvents, NewJob, OrderRequest,
    StorageError, write_order_lines,
};
use chrono::{DateTime, Utc};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use crate::{
    claims,
    error::not_as_many,
    events, holds, jobs,
    read::bad,
    sql::Sell,
    transaction::{Failure, Transaction},
    write::Write,
};

/// What was decided and written, and whether it is committed already.
pub(super) struct Written {
    pub(super) decided: DecidedOrders,
    /// Products of which there is some again, because holds of them have expired.
    pub(super) returned: Vec<ProductId>,
    /// Whether there is more or less left than was decided: others moved the stock meanwhile.
    pub(super) others: bool,
    pub(super) committed: bool,
}

/// In which transaction it is written.
#[derive(Clone, Copy)]
pub(super) enum Within<'a> {
    /// One that is begun.
    Begun(&'a Transaction<'a>),
    /// One that nobody has begun, and nobody need: one statement is all there is, which is a transaction by itself.
    Alone(&'a AsyncPgConnection),
}

/// What is to be written.
pub(super) struct ToWrite<'a> {
    pub(super) decided: DecidedOrders,
    pub(super) requests: &'a [OrderRequest],
    pub(super) follow_up: &'a FollowUp,
    pub(super) emission: Emission,
    pub(super) now: DateTime<Utc>,
}

impl ToWrite<'_> {
    /// One round trip. The gate is known when carts are emptied. Alone, there may be orders of lines only, and no keys.
    pub(super) async fn run(
        self,
        within: Within<'_>,
        (gate, fence): (Option<Gate>, &dyn Fence),
    ) -> Result<Written, Failure> {
        let Self { mut decided, requests, follow_up, emission, now } = self;
        let changing: Vec<OwnerId> =
            decided.carts.iter().map(|change| change.after.owner().clone()).collect();
        let write = Write::new(&decided.carts, claims::keep(decided.kept_answers(requests), now)?)?;
        let jobs = follow_up.jobs(decided.made(), now)?;
        let told = decided.events(emission);
        let raise = async {
            match &gate {
                Some(gate) if !changing.is_empty() => fence.raise(gate, &changing).await,
                _ => Ok(()),
            }
        };
        // Carts may only be committed when the fence is up, and holds when all of them could be claimed. Without any, `COMMIT`
        // goes with what is written: as each statement fails when it has not written what it should, that is then a rollback.
        let at_once = changing.is_empty() && decided.claimed.is_empty();
        let commit = async {
            match within {
                Within::Begun(transaction) if at_once => transaction.pipe_commit().await,
                Within::Begun(_) | Within::Alone(_) => Ok(()),
            }
        };
        let connection = match within {
            Within::Begun(transaction) => transaction.pipe(),
            Within::Alone(connection) => connection,
        };
        // Stock last: its rows are locked for as short as can be. Only holds come after it, as they do for everybody.
        let (written, left, claimed, raised, committed) = join!(
            write.run(connection),
            sell(connection, &decided, &jobs, &told, now, emission),
            holds::claim(connection, &decided.claimed, now),
            raise,
            commit,
        );
        raised.map_err(StorageError::Fence)?;
        // In the order in which they were sent: what comes after the first that fails only says that something did.
        written?;
        let left = left?;
        claimed?;
        committed?;
        let mut others = false;
        for (id, left) in decided.taken.keys().zip(left) {
            if let Some(product) = decided.products.get_mut(id) {
                let left = u32::try_from(left).map_err(bad("a negative stock"))?;
                others |= product.stock != left;
                product.stock = left;
            }
        }
        Ok(Written { decided, returned: Vec::new(), others, committed: at_once })
    }
}

/// Writes the orders and takes their stock: what is left, in the order of the products. [`Failure::Overtaken`] where there is
/// not enough any more, or the product has changed. What little is left of is told by the statement itself, for nobody else
/// knows.
async fn sell(
    mut connection: &AsyncPgConnection,
    decided: &DecidedOrders,
    jobs: &[NewJob],
    told: &NewEvents,
    now: DateTime<Utc>,
    emission: Emission,
) -> Result<Vec<i32>, Failure> {
    let made: Vec<&Order> = decided.made().collect();
    if made.is_empty() {
        return Ok(Vec::new());
    }
    let version = |order: &&Order| order.cart_version.map(i64::try_from).transpose();
    let versions = made.iter().map(version).collect::<Result<_, _>>();
    let moved: Vec<Moved<'_>> = decided.lines().collect();
    let of_order = moved.chunk_by(|one, next| one.order.id == next.order.id);
    let lines =
        of_order.map(|lines| write_order_lines(lines.iter().map(|moved| (moved.line, moved.stocked))));
    let lines = lines.collect::<Result<_, _>>()?;
    let sold = sold(&moved)?;
    let mut statement = Sell {
        jobs: jobs::rows(jobs, now),
        now,
        ids: made.iter().map(|order| order.id.uuid()).collect(),
        owners: made.iter().map(|order| order.owner.as_str()).collect(),
        currencies: made.iter().map(|order| order.currency.code()).collect(),
        totals: made.iter().map(|order| order.total_minor()).collect(),
        cart_versions: versions.map_err(bad("a version too large"))?,
        lines,
        sources: sold.values().map(|(source, _)| source.uuid()).collect(),
        products: sold.keys().map(|product| product.as_str()).collect(),
        sold: sold.values().map(|(_, units)| *units).collect(),
        taken: Vec::new(),
        units: Vec::new(),
        offered_names: Vec::new(),
        offered_prices: Vec::new(),
        offered_currencies: Vec::new(),
        low: i32::try_from(emission.stock_low).unwrap_or(i32::MAX),
        low_type: EventTypes::from(EventType::StockLow).bits(),
        event_count: events::count_of(told),
        event_types: told.types().bits(),
        packed: told.packed(),
    };
    for (id, units) in &decided.taken {
        let units = i32::try_from(*units).map_err(bad("more units than there can be"))?;
        let product = decided.products.get(id);
        let product = product.ok_or_else(|| StorageError::unexpected("stock of an unknown product"))?;
        statement.taken.push(id.as_str());
        statement.units.push(-units);
        statement.offered_names.push(&product.name);
        statement.offered_prices.push(product.price.minor());
        statement.offered_currencies.push(product.price.currency().code());
    }
    match statement.get_result::<(i64, i64, i64, Option<Vec<i32>>, bool)>(&mut connection).await {
        Ok((.., left, _)) => Ok(left.unwrap_or_default()),
        Err(error) if not_as_many(&error) => Err(Failure::Overtaken),
        Err(error) => Err(error.into()),
    }
}

/// What is entered in the ledger of the products of a batch: the first order that takes some of it, and the units of all.
fn sold<'a>(moved: &[Moved<'a>]) -> Result<BTreeMap<&'a ProductId, (OrderId, i32)>, StorageError> {
    let mut sold = BTreeMap::new();
    for moved in moved.iter().filter(|moved| moved.stocked) {
        let (_, units): &mut (_, i32) = sold.entry(&moved.line.product_id).or_insert((moved.order.id, 0));
        let more = i32::from(moved.line.quantity.get());
        *units = units
            .checked_add(more)
            .ok_or_else(|| StorageError::unexpected("more units than there can be"))?;
    }
    Ok(sold)
}
