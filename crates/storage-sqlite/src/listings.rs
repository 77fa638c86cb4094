use std::collections::HashMap;

use async_trait::async_trait;
use cartwright_domain::{Listing, ProductId, sort_key};
use cartwright_storage::{ListingStore, StorageError};
use diesel::{RunQueryDsl, sql_types::BigInt};

use crate::{
    SqliteStore,
    connection::Transaction,
    error::storage_error,
    rows::{broken, json},
    statement::{Bind, Statement},
};

/// Rows in one statement: keeps its parameter below a megabyte.
const CHUNK: usize = 1000;

// `unixepoch('subsec')` is in seconds, exact to the millisecond.
const PUT_LISTINGS: &str = "\
    INSERT INTO products AS p (id, name, name_key, price_minor, currency, active, created_at, updated_at) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, clock.now, clock.now \
    FROM (SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000 AS now) AS clock, json_each(?) WHERE true \
    ON CONFLICT (id) DO UPDATE SET \
        name = excluded.name, name_key = excluded.name_key, price_minor = excluded.price_minor, \
        currency = excluded.currency, active = excluded.active, version = p.version + 1, \
        updated_at = excluded.updated_at, retired_at = NULL \
    WHERE p.retired_at IS NOT NULL OR (p.name, p.price_minor, p.currency, p.active) \
        IS NOT (excluded.name, excluded.price_minor, excluded.currency, excluded.active)";

const COUNT_LISTINGS: &str = "SELECT count(*) FROM (SELECT 1 FROM products WHERE retired_at IS NULL LIMIT ?)";

#[async_trait]
impl ListingStore for SqliteStore {
    async fn put_listings(&self, listings: &[Listing]) -> Result<(), StorageError> {
        // Of listings with the same id, the last.
        let listings: HashMap<&ProductId, &Listing> = listings.iter().map(|l| (&l.product_id, l)).collect();
        let rows: Vec<_> = (listings.into_values())
            .map(|l| {
                (
                    &l.product_id,
                    &l.name,
                    sort_key(&l.name),
                    l.price.minor(),
                    l.price.currency().code(),
                    l.active,
                )
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let chunks = rows.chunks(CHUNK).map(|chunk| json(&chunk)).collect::<Result<Vec<_>, _>>()?;
        self.write(move |connection| {
            let mut transaction = Transaction::begin(connection)?;
            for chunk in &chunks {
                let binds = [Bind::Text(chunk)];
                Statement::<()>::new(PUT_LISTINGS, &binds)
                    .execute(transaction.connection())
                    .map_err(storage_error)?;
            }
            transaction.commit()
        })
        .await
    }

    async fn count_listings(&self, up_to: u32) -> Result<u32, StorageError> {
        let count = move |connection: &mut _| {
            Statement::<BigInt>::new(COUNT_LISTINGS, &[Bind::Int(up_to.into())])
                .get_result::<i64>(connection)
                .map_err(storage_error)
        };
        u32::try_from(self.readers.run(count).await?).map_err(|error| broken("a count", error))
    }
}
