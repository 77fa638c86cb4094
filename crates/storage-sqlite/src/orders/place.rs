//! A batch of orders: one transaction.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use cartwright_domain::{Currency, HoldId, Money, Order, OrderId, OwnerId, ProductId, Purchase};
use cartwright_storage::{
    DecidedOrders, Emission, KeptHold, LoadedForOrders, OfferedProduct, OrderBatch, OrderPolicy,
    OrderRequest, Placed, StorageError, decide_orders,
};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Bool, Text},
};

use super::read::{self, LOAD_OF_CARTS, LOAD_ORDERS};
use crate::{
    batch::FenceAhead,
    claims,
    connection::Transaction,
    error::storage_error,
    events, gate, holds, jobs,
    rows::{broken, json, load_carts},
    statement::{Bind, Statement},
    write::{self, exactly, put},
};

pub(crate) const LOAD_OFFERS: &str = "\
    SELECT p.id, p.name, p.price_minor, p.currency, p.active, p.stock \
    FROM json_each(?) AS wanted CROSS JOIN products AS p ON p.id = wanted.value";

/// Shoppers see when there is none any more, or some again: that is another version of the product. The check of the
/// column refuses what is not there.
pub(crate) const MOVE_STOCK: &str = "\
    UPDATE products SET stock = stock + moved.value ->> 1, moves = moves + 1, \
        version = version + (stock = 0 OR stock + moved.value ->> 1 = 0), \
        updated_at = iif(stock = 0 OR stock + moved.value ->> 1 = 0, moved.value ->> 2, updated_at) \
    FROM json_each(?) AS moved WHERE products.id = moved.value ->> 0";

const PUT_ORDERS: &str = "\
    INSERT INTO orders (id, owner, status, currency, total_minor, cart_version, created_at, updated_at) \
    SELECT value ->> 0, value ->> 1, 'pending', value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 5 \
    FROM json_each(?)";

const PUT_LINES: &str = "\
    INSERT INTO order_lines (order_number, product_id, name, price_minor, quantity, place) \
    SELECT o.number, line.value ->> 1, line.value ->> 2, line.value ->> 3, line.value ->> 4, line.value ->> 5 \
    FROM json_each(?) AS line CROSS JOIN orders AS o ON o.id = line.value ->> 0";

/// Order, product, kind, units, time.
pub(crate) const ENTER: &str = "\
    INSERT INTO stock_ledger (source, product_id, kind, units, at) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)";

pub(super) fn place(
    connection: &mut SqliteConnection,
    ahead: FenceAhead,
    requests: &[OrderRequest],
    policy: &OrderPolicy,
    emission: Emission,
) -> Result<OrderBatch<Placed>, StorageError> {
    let now = policy.clock.now();
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let gate = gate::read(connection)?;
    let mut loaded = load(connection, requests, now)?;
    // Nothing is looked for as long as there is enough.
    let lacking = loaded.lacking(requests);
    let returned = holds::give_back(connection, &lacking, &mut loaded.products, now)?;
    let decided = decide_orders(requests, loaded, policy, now);
    if decided.is_empty() {
        // Dropping the transaction ends it. What came back and was not enough stays in stock.
        if !lacking.is_empty() {
            transaction.commit()?;
        }
        return Ok(OrderBatch { outcomes: decided.outcomes, turned: returned });
    }
    let emptied = decided.carts.iter().map(|change| change.after.owner().clone()).collect();
    let fenced = ahead.around(gate, emptied, || {
        insert(connection, &decided, now)?;
        holds::claim(connection, &decided.claimed, now)?;
        let mut told = decided.events(emission);
        for (product, left) in decided.running_low(emission.stock_low) {
            told.stock_low(product, left, emission.stock_low);
        }
        events::insert(connection, &told, now)?;
        write::carts(connection, &decided.carts)?;
        jobs::insert(connection, &policy.follow_up.jobs(decided.made(), now)?, now)?;
        claims::keep(connection, decided.kept_answers(requests), now)
    })?;
    transaction.commit()?;
    drop(fenced);
    let mut batch = decided.into_batch();
    batch.returned(returned);
    Ok(batch)
}

/// What the requests are decided by, each kind in one statement.
fn load(
    connection: &mut SqliteConnection,
    requests: &[OrderRequest],
    now: DateTime<Utc>,
) -> Result<LoadedForOrders, StorageError> {
    let claims: Vec<_> = (requests.iter().enumerate())
        .filter_map(|(at, request)| Some((at, request.claim.as_ref()?)))
        .collect();
    let keys = claims::load(connection, &claims, now)?;
    let (mut carts, mut ordered) = (HashMap::new(), HashMap::new());
    let mut versions: Vec<(&OwnerId, u64)> = Vec::new();
    let (mut products, mut held) = (BTreeSet::<ProductId>::new(), Vec::new());
    for request in requests {
        match &request.purchase {
            Purchase::Lines(lines) => products.extend(lines.iter().map(|(product, _)| product.clone())),
            Purchase::Cart { version } => versions.push((&request.owner, *version)),
            Purchase::Hold(id) => held.push(*id),
        }
    }
    if !versions.is_empty() {
        let owners: BTreeSet<&OwnerId> = versions.iter().map(|(owner, _)| *owner).collect();
        for (owner, cart) in load_carts(connection, owners)? {
            products.extend(cart.lines().iter().map(|line| line.product_id.clone()));
            carts.insert(owner, Arc::new(cart));
        }
        for order in read::load(connection, LOAD_OF_CARTS, &json(&versions)?)? {
            if let Some(version) = order.cart_version {
                ordered.insert((order.owner.clone(), version), order);
            }
        }
    }
    let (holds, claimed) = holds(connection, &held)?;
    Ok(LoadedForOrders { carts, products: offers(connection, &products)?, ordered, holds, claimed, keys })
}

type Holds = HashMap<HoldId, KeptHold>;

/// Holds, and what those of them became that were claimed.
fn holds(
    connection: &mut SqliteConnection,
    ids: &[HoldId],
) -> Result<(Holds, HashMap<HoldId, Order>), StorageError> {
    let holds = holds::load(connection, ids)?;
    let became: HashMap<OrderId, HoldId> =
        holds.values().filter_map(|kept| Some((kept.hold.order?, kept.hold.id))).collect();
    if became.is_empty() {
        return Ok((holds, HashMap::new()));
    }
    let orders = read::load(connection, LOAD_ORDERS, &json(&became.keys().collect::<Vec<_>>())?)?;
    let claimed = orders.into_iter().filter_map(|order| Some((*became.get(&order.id)?, order)));
    Ok((holds, claimed.collect()))
}

pub(crate) fn offers(
    connection: &mut SqliteConnection,
    products: &BTreeSet<ProductId>,
) -> Result<HashMap<ProductId, OfferedProduct>, StorageError> {
    if products.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted = json(products)?;
    let rows =
        Statement::<(Text, Text, BigInt, Text, Bool, BigInt)>::new(LOAD_OFFERS, &[Bind::Text(&wanted)])
            .load::<(String, String, i64, String, bool, i64)>(connection)
            .map_err(storage_error)?;
    let offer = |(id, name, minor, currency, active, stock): (String, String, i64, String, bool, i64)| {
        let id = ProductId::new(&id).map_err(|error| broken("a product", error))?;
        let price = Currency::new(&currency)
            .and_then(|currency| Money::from_minor(minor, currency))
            .map_err(|error| broken("a price", error))?;
        let stock = u32::try_from(stock).map_err(|error| broken("a stock", error))?;
        Ok((id, OfferedProduct { name, price, active, stock }))
    };
    rows.into_iter().map(offer).collect()
}

fn insert(
    connection: &mut SqliteConnection,
    decided: &DecidedOrders,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let at = now.timestamp_micros();
    let taken: Vec<_> =
        decided.taken.iter().map(|(product, units)| (product, -i64::from(*units), at)).collect();
    exactly(put(connection, MOVE_STOCK, &taken)?, taken.len(), "stocks were moved")?;
    let orders: Vec<_> = (decided.made())
        .map(|order| {
            let currency = order.currency.code();
            (order.id, &order.owner, currency, order.total_minor(), order.cart_version, at)
        })
        .collect();
    exactly(put(connection, PUT_ORDERS, &orders)?, orders.len(), "orders were written")?;
    let places = decided.made().flat_map(|order| 0..order.lines.len());
    let lines: Vec<_> = (decided.lines().zip(places))
        .map(|(moved, place)| {
            let line = moved.line;
            (moved.order.id, &line.product_id, &line.name, line.price.minor(), line.quantity, place)
        })
        .collect();
    exactly(put(connection, PUT_LINES, &lines)?, lines.len(), "lines were written")?;
    let entered: Vec<_> = (decided.lines().filter(|moved| moved.stocked))
        .map(|moved| {
            let units = -i64::from(moved.line.quantity.get());
            (moved.order.id, &moved.line.product_id, "sale", units, at)
        })
        .collect();
    exactly(put(connection, ENTER, &entered)?, entered.len(), "movements were entered")
}
