//! What is in holds that have expired is anybody's who lacks it, cleaned up or not.

use std::collections::{BTreeMap, HashMap};

use cartwright_domain::ProductId;
use cartwright_storage::{Lacking, OfferedProduct, StorageError};
use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::move_stock;
use crate::{
    read::bad,
    sql::{EmptyExpired, LockExpired, LookExpired},
    transaction::Failure,
};

/// Whether anything of what is lacking can be had after all: from a hold that has expired, or because it came back after
/// `products` were read. Locks nothing; one look into an index for each.
pub(crate) async fn can_be_had(
    mut connection: &AsyncPgConnection,
    lacking: &Lacking,
    products: &HashMap<ProductId, OfferedProduct>,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    if lacking.is_empty() {
        return Ok(false);
    }
    let stock = |id: &ProductId| {
        products.get(id).and_then(|product| i32::try_from(product.stock).ok()).unwrap_or_default()
    };
    let look = LookExpired {
        products: lacking.keys().map(ProductId::as_str).collect(),
        stocks: lacking.keys().map(stock).collect(),
        now,
    };
    Ok(look.get_result::<(String,)>(&mut connection).await.optional()?.is_some())
}

/// Gives back what is lacking, as far as it is in holds that have expired: three round trips at most. The products are
/// locked, and `products` is how they are; they are corrected. Returns those of which there is some again.
///
/// Holds that somebody else has locked are left alone: whoever gives something back must have locked the products before,
/// so that one is being renewed or claimed, and does not wait for anything. Nor does this.
pub(crate) async fn give_back(
    mut connection: &AsyncPgConnection,
    lacking: &Lacking,
    products: &mut HashMap<ProductId, OfferedProduct>,
    now: DateTime<Utc>,
) -> Result<Vec<ProductId>, Failure> {
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = lacking.keys().map(ProductId::as_str).collect();
    let lock = LockExpired {
        products: ids.clone(),
        lacking: lacking.values().map(|units| i32::try_from(*units).unwrap_or(i32::MAX)).collect(),
        now,
    };
    let holds: Vec<(Uuid,)> = lock.load(&mut connection).await?;
    if holds.is_empty() {
        return Ok(Vec::new());
    }
    let holds = holds.into_iter().map(|(id,)| id).collect();
    let back: Vec<(String, i64)> = EmptyExpired { holds, products: ids, now }.load(&mut connection).await?;
    let (mut units, mut turned) = (BTreeMap::new(), Vec::new());
    for (id, back) in back {
        let id = ProductId::new(&id).map_err(bad("a hold of a product with a bad id"))?;
        let product =
            products.get_mut(&id).ok_or_else(|| StorageError::unexpected("a hold of no product"))?;
        if product.stock == 0 {
            turned.push(id.clone());
        }
        product.stock += u32::try_from(back).map_err(bad("more units than there can be"))?;
        units.insert(id, back);
    }
    move_stock(connection, &units, now).await?;
    Ok(turned)
}
