//! Holds are made: one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cartwright_domain::{OwnerId, ProductId};
use cartwright_storage::{
    DecidedHolds, HoldPolicy, HoldRequest, LoadedForHolds, NewEvents, OrderBatch, Reserved, StorageError,
    decide_holds,
};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};

use super::{give_back, move_stock};
use crate::{
    claims,
    connection::Transaction,
    error::storage_error,
    events,
    orders::{ENTER, offers},
    rows::{broken, json},
    statement::{Bind, Statement},
    write::{exactly, put},
};

pub(crate) const COUNT_HOLDS: &str = "\
    SELECT wanted.value, (\
        SELECT count(*) FROM holds WHERE owner = wanted.value AND status = 'active' AND expires_at > ?) \
    FROM json_each(?) AS wanted";

const PUT_HOLDS: &str = "\
    INSERT INTO holds (id, owner, status, currency, created_at, expires_at, until) \
    SELECT value ->> 0, value ->> 1, 'active', value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?)";

const PUT_LINES: &str = "\
    INSERT INTO hold_lines (hold_id, product_id, name, price_minor, quantity, place, source, expires_at) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 0, value ->> 6 \
    FROM json_each(?)";

pub(super) fn reserve(
    connection: &mut SqliteConnection,
    requests: &[HoldRequest],
    policy: &HoldPolicy,
    low: u32,
) -> Result<OrderBatch<Reserved>, StorageError> {
    let now = policy.clock.now();
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let mut loaded = load(connection, requests, now)?;
    let lacking = loaded.lacking(requests);
    let returned = give_back(connection, &lacking, &mut loaded.products, now)?;
    let before: HashMap<ProductId, u32> =
        loaded.products.iter().map(|(id, product)| (id.clone(), product.stock)).collect();
    let decided = decide_holds(requests, loaded, policy, now);
    if !decided.is_empty() {
        insert(connection, &decided, now)?;
        let mut told = NewEvents::new();
        let units = decided.taken.iter().map(|(id, units)| (id, *units));
        told.stock_taken(units, |id| before.get(id).copied(), low);
        events::insert(connection, &told, now)?;
        claims::keep(connection, decided.kept_answers(requests), now)?;
    }
    transaction.commit()?;
    let mut batch = decided.into_batch();
    batch.returned(returned);
    Ok(batch)
}

fn load(
    connection: &mut SqliteConnection,
    requests: &[HoldRequest],
    now: DateTime<Utc>,
) -> Result<LoadedForHolds, StorageError> {
    let claims: Vec<_> = (requests.iter().enumerate())
        .filter_map(|(at, request)| Some((at, request.claim.as_ref()?)))
        .collect();
    let keys = claims::load(connection, &claims, now)?;
    let owners: BTreeSet<&OwnerId> = requests.iter().map(|request| &request.owner).collect();
    let products: BTreeSet<ProductId> =
        requests.iter().flat_map(|request| request.lines.iter().map(|(id, _)| id.clone())).collect();
    let kept = count(connection, owners, now)?;
    Ok(LoadedForHolds { products: offers(connection, &products)?, kept, keys })
}

/// How many holds owners have that have not expired.
pub(super) fn count<'a>(
    connection: &mut SqliteConnection,
    owners: impl IntoIterator<Item = &'a OwnerId>,
    now: DateTime<Utc>,
) -> Result<HashMap<OwnerId, u32>, StorageError> {
    let owners = json(&owners.into_iter().collect::<Vec<_>>())?;
    let binds = [Bind::Int(now.timestamp_micros()), Bind::Text(&owners)];
    let rows = Statement::<(Text, BigInt)>::new(COUNT_HOLDS, &binds)
        .load::<(String, i64)>(connection)
        .map_err(storage_error)?;
    let count = |(owner, kept): (String, i64)| {
        let owner = OwnerId::new(&owner).map_err(|error| broken("an owner", error))?;
        Ok((owner, u32::try_from(kept).map_err(|error| broken("a count", error))?))
    };
    rows.into_iter().map(count).collect()
}

fn insert(
    connection: &mut SqliteConnection,
    decided: &DecidedHolds,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let at = now.timestamp_micros();
    let holds: Vec<_> = (decided.made())
        .map(|hold| {
            let (expires_at, until) = (hold.expires_at.timestamp_micros(), hold.until.timestamp_micros());
            (hold.id, &hold.owner, hold.currency.code(), at, expires_at, until)
        })
        .collect();
    exactly(put(connection, PUT_HOLDS, &holds)?, holds.len(), "holds were written")?;
    let (mut lines, mut entered) = (Vec::new(), Vec::new());
    for hold in decided.made() {
        let expires_at = hold.expires_at.timestamp_micros();
        for (place, line) in hold.lines.iter().enumerate() {
            let (id, price) = (&line.product_id, line.price.minor());
            lines.push((hold.id, id, &line.name, price, line.quantity, place, expires_at));
            entered.push((hold.id, id, "hold", -i64::from(line.quantity.get()), at));
        }
    }
    exactly(put(connection, PUT_LINES, &lines)?, lines.len(), "lines were written")?;
    exactly(put(connection, ENTER, &entered)?, entered.len(), "movements were entered")?;
    let taken: BTreeMap<ProductId, i64> =
        decided.taken.iter().map(|(id, units)| (id.clone(), -i64::from(*units))).collect();
    move_stock(connection, &taken, now)
}
