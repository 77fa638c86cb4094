//! Stock against its ledger.

use cartwright_storage::StorageError;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection, pooled_connection::PoolableConnection};

use crate::{error::statement_failed, read::count, sql::CountDrift, store::PostgresStore};

/// For a statement that reads two tables as a whole, once an hour. Sessions are made for those that read a few rows by key:
/// they are bound to the indexes, and end after seconds. The ledger has no index by product, which each order would have
/// to write; so it is read through and gathered by hashes, on one core.
const AUDIT: &str = "\
    SET statement_timeout = '30min'; \
    RESET plan_cache_mode; \
    RESET enable_seqscan; \
    RESET enable_hashjoin; \
    RESET enable_mergejoin";

impl PostgresStore {
    /// On a connection of its own, and without the limit of a call: with the years it takes minutes.
    pub(super) async fn drift(&self) -> Result<u64, StorageError> {
        let mut connection = self.own_connection().await?;
        let counted = match connection.batch_execute(AUDIT).await {
            Ok(()) => CountDrift {}.get_result::<(i64,)>(&mut connection).await,
            Err(error) => Err(error),
        };
        count(counted.map_err(|error| statement_failed(error, !connection.is_broken()))?.0)
    }
}
