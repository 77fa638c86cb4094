//! From rows to holds.

use std::collections::HashMap;

use cartwright_domain::{Currency, Hold, HoldId, Money, OrderId, OrderLine, OwnerId, ProductId, Quantity};
use cartwright_storage::{KeptHold, StorageError};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Nullable, Text},
};

use crate::{
    error::storage_error,
    rows::{broken, json, time},
    statement::{Bind, Statement},
};

/// Id, owner, status, currency, the three times, what it became, and the lines as JSON.
type HoldRow = (String, String, String, String, i64, i64, i64, Option<String>, String);
type HoldColumns = (Text, Text, Text, Text, BigInt, BigInt, BigInt, Nullable<Text>, Text);

/// Product, name, price, quantity, whether its units have left the hold.
type Line = (String, String, i64, i64, i64);

pub(crate) const LOAD_HOLDS: &str = "\
    SELECT h.id, h.owner, h.status, h.currency, h.created_at, h.expires_at, h.until, h.order_id, (\
        SELECT json_group_array(json_array(product_id, name, price_minor, quantity, expires_at IS NULL) ORDER BY place) \
        FROM hold_lines WHERE hold_id = h.id) \
    FROM json_each(?) AS wanted CROSS JOIN holds AS h ON h.id = wanted.value";

/// Those of the holds that there are.
pub(crate) fn load(
    connection: &mut SqliteConnection,
    ids: &[HoldId],
) -> Result<HashMap<HoldId, KeptHold>, StorageError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted = json(ids)?;
    let rows = Statement::<HoldColumns>::new(LOAD_HOLDS, &[Bind::Text(&wanted)])
        .load::<HoldRow>(connection)
        .map_err(storage_error)?;
    rows.into_iter().map(|row| kept(row).map(|kept| (kept.hold.id, kept))).collect()
}

fn kept(
    (id, owner, status, currency, created_at, expires_at, until, order, lines): HoldRow,
) -> Result<KeptHold, StorageError> {
    let currency = Currency::new(&currency).map_err(|error| broken("a currency", error))?;
    let lines: Vec<Line> = serde_json::from_str(&lines).map_err(|error| broken("lines of a hold", error))?;
    let gone = lines.iter().map(|(.., gone)| *gone != 0).collect();
    let line = |(product, name, minor, quantity, _): Line| {
        Ok(OrderLine {
            product_id: ProductId::new(&product).map_err(|error| broken("a product", error))?,
            name,
            price: Money::from_minor(minor, currency).map_err(|error| broken("a price", error))?,
            quantity: Quantity::new(quantity).map_err(|error| broken("a quantity", error))?,
        })
    };
    let hold = Hold {
        id: id.parse().map_err(|error| broken("a hold's id", error))?,
        owner: OwnerId::new(&owner).map_err(|error| broken("an owner", error))?,
        status: status.parse().map_err(|error| broken("a status", error))?,
        currency,
        lines: lines.into_iter().map(line).collect::<Result<_, StorageError>>()?,
        created_at: time(created_at)?,
        expires_at: time(expires_at)?,
        until: time(until)?,
        order: order
            .map(|id| id.parse::<OrderId>())
            .transpose()
            .map_err(|error| broken("an order's id", error))?,
    };
    Ok(KeptHold { hold, gone })
}
