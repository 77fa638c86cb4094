//! What is in holds that have expired is anybody's who lacks it, cleaned up or not.

use std::collections::{BTreeMap, HashMap};

use cartwright_domain::ProductId;
use cartwright_storage::{Lacking, OfferedProduct, StorageError};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};

use super::move_stock;
use crate::{
    error::storage_error,
    orders::ENTER,
    rows::{broken, json},
    statement::{Bind, Statement},
    write::{exactly, put},
};

/// Hold, product, source, units: of each product those that expired first, and as many as units are lacking, because with
/// every line comes one at least.
pub(crate) const LOAD_EXPIRED: &str = "\
    SELECT hold_id, product_id, source, quantity FROM (\
        SELECT l.hold_id, l.product_id, l.source, l.quantity, wanted.value ->> 1 AS lacking, \
            row_number() OVER (PARTITION BY l.product_id ORDER BY l.expires_at) AS nth \
        FROM json_each(?) AS wanted CROSS JOIN hold_lines AS l \
        ON l.product_id = wanted.value ->> 0 AND l.expires_at <= ?) \
    WHERE nth <= lacking";

const EMPTY_LINES: &str = "\
    UPDATE hold_lines SET expires_at = NULL \
    FROM json_each(?) AS gone WHERE hold_id = gone.value ->> 0 AND product_id = gone.value ->> 1";

/// Gives back what is lacking, as far as it is in holds that have expired. `products` are corrected. Returns those of which
/// there is some again.
pub(crate) fn give_back(
    connection: &mut SqliteConnection,
    lacking: &Lacking,
    products: &mut HashMap<ProductId, OfferedProduct>,
    now: DateTime<Utc>,
) -> Result<Vec<ProductId>, StorageError> {
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = json(&lacking.iter().collect::<Vec<_>>())?;
    let at = now.timestamp_micros();
    let binds = [Bind::Text(&wanted), Bind::Int(at)];
    let rows = Statement::<(Text, Text, Text, BigInt)>::new(LOAD_EXPIRED, &binds)
        .load::<(String, String, String, i64)>(connection)
        .map_err(storage_error)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (mut units, mut turned) = (BTreeMap::new(), Vec::new());
    for (_, product, _, back) in &rows {
        let id = ProductId::new(product).map_err(|error| broken("a product", error))?;
        *units.entry(id).or_default() += back;
    }
    for (id, back) in &units {
        let product = products.get_mut(id).ok_or_else(|| StorageError::unexpected("a hold of no product"))?;
        if product.stock == 0 {
            turned.push(id.clone());
        }
        product.stock += u32::try_from(*back).map_err(|error| broken("a quantity", error))?;
    }
    let gone: Vec<_> = rows.iter().map(|(hold, product, ..)| (hold, product)).collect();
    exactly(put(connection, EMPTY_LINES, &gone)?, gone.len(), "lines of holds were emptied")?;
    let entered: Vec<_> =
        rows.iter().map(|(_, product, source, units)| (source, product, "release", units, at)).collect();
    exactly(put(connection, ENTER, &entered)?, entered.len(), "movements were entered")?;
    move_stock(connection, &units, now)?;
    Ok(turned)
}
