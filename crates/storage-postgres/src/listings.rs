use std::collections::BTreeMap;

use async_trait::async_trait;
use cartwright_domain::{Listing, sort_key};
use cartwright_storage::{ListingStore, StorageError};
use diesel_async::RunQueryDsl;

use crate::{
    sql::{CountListings, PutListings},
    store::PostgresStore,
};

/// How many listings one statement writes.
const CHUNK: usize = 1000;

#[async_trait]
impl ListingStore for PostgresStore {
    async fn put_listings(&self, listings: &[Listing]) -> Result<(), StorageError> {
        // The last of those with the same id counts: one statement must not write a row twice. And in the order of
        // their ids, so that two writers do not wait for each other in a circle.
        let unique: BTreeMap<_, _> = listings.iter().map(|listing| (&listing.product_id, listing)).collect();
        let unique: Vec<&Listing> = unique.into_values().collect();
        for chunk in unique.chunks(CHUNK) {
            let statement = PutListings {
                ids: chunk.iter().map(|listing| listing.product_id.as_str()).collect(),
                names: chunk.iter().map(|listing| listing.name.as_str()).collect(),
                name_keys: chunk.iter().map(|listing| sort_key(&listing.name)).collect(),
                prices: chunk.iter().map(|listing| listing.price.minor()).collect(),
                currencies: chunk.iter().map(|listing| listing.price.currency().code()).collect(),
                active: chunk.iter().map(|listing| listing.active).collect(),
            };
            self.run(async |connection| statement.execute(connection).await).await?;
        }
        Ok(())
    }

    async fn count_listings(&self, up_to: u32) -> Result<u32, StorageError> {
        let statement = CountListings { up_to: i32::try_from(up_to).unwrap_or(i32::MAX) };
        let (count,): (i64,) = self.run(async |connection| statement.get_result(connection).await).await?;
        u32::try_from(count)
            .map_err(|error| StorageError::Unexpected("a count that cannot be".into(), Some(Box::new(error))))
    }
}
