//! Products: read, changed, deleted; and many at once.

use std::borrow::Cow;

use cartwright_domain::{Attributes, Category, Description, Product, ProductChange, ProductId, sort_key};
use cartwright_storage::{
    Changed, Deleted, Imported, ImportedProduct, ReadFrom, StorageError, fold_imported,
};
use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryResult};
use diesel_async::RunQueryDsl;
use futures_util::join;

use crate::{
    read,
    replicas::read_from,
    sql::{
        CleanPending, Details, ImportProducts, LoadProducts, LockProduct, ProductRow, RemoveProduct,
        UpdateProduct, units,
    },
    store::PostgresStore,
    transaction::Transaction,
};

/// How many products one statement writes.
const CHUNK: usize = 1000;
/// How often something is tried that somebody else gets in the way of at the same moment.
const TRIES: usize = 100;

impl PostgresStore {
    pub(crate) async fn by_ids(
        &self,
        ids: &[ProductId],
        from: ReadFrom,
    ) -> Result<Vec<Option<Product>>, StorageError> {
        let mut products: Vec<Option<Product>> = ids.iter().map(|_| None).collect();
        if ids.is_empty() {
            return Ok(products);
        }
        let statement = LoadProducts { ids: ids.iter().map(ProductId::as_str).collect() };
        let rows: Vec<(i64, ProductRow)> = read_from!(self, from, |pipe| (&statement).load(&mut { pipe }))?;
        for (at, row) in rows {
            let place = usize::try_from(at - 1).ok().and_then(|at| products.get_mut(at));
            *place.ok_or_else(|| StorageError::unexpected("a product that was not asked for"))? =
                Some(read::product(row)?);
        }
        Ok(products)
    }

    /// Two round trips: begin and lock; write and commit.
    pub(crate) async fn change(
        &self,
        id: &ProductId,
        change: &ProductChange,
        expected: &[u64],
        now: DateTime<Utc>,
    ) -> Result<Changed, StorageError> {
        let (transaction, before) = self.locked(id).await?;
        let Some(before) = before else { return Ok(end(transaction, Changed::Missing).await) };
        if is_other(expected, &before) {
            return Ok(end(transaction, Changed::VersionMismatch(before)).await);
        }
        let mut after = before.clone();
        if after.apply(change, now).is_empty() {
            return Ok(end(transaction, Changed::Unchanged(before)).await);
        }
        let statement = UpdateProduct {
            details: Details::of(&after.details),
            id: id.as_str(),
            version: i64::try_from(after.version).map_err(read::bad("a version beyond all versions"))?,
            now,
        };
        let (written, committed) =
            join!(statement.execute(&mut transaction.pipe()), transaction.pipe_commit());
        match finished(transaction, written, committed).await? {
            1 => Ok(Changed::Changed { before, after }),
            n => Err(StorageError::unexpected(format!("{n} rows of a product that is locked"))),
        }
    }

    /// Two round trips, likewise. Orders are looked for in a later statement than that which waited for the lock, so
    /// that those are seen which came before.
    pub(crate) async fn delete(
        &self,
        id: &ProductId,
        expected: &[u64],
        now: DateTime<Utc>,
    ) -> Result<Deleted, StorageError> {
        let (transaction, before) = self.locked(id).await?;
        let Some(mut product) = before else { return Ok(end(transaction, Deleted::Missing).await) };
        if is_other(expected, &product) {
            return Ok(end(transaction, Deleted::VersionMismatch(product)).await);
        }
        let statement = RemoveProduct { id: id.as_str(), now };
        let (removed, committed) =
            join!(statement.get_result::<(i64, i64)>(&mut transaction.pipe()), transaction.pipe_commit());
        match finished(transaction, removed, committed).await? {
            (0, 1) => Ok(Deleted::Removed(product)),
            (1, 0) => {
                product.details.active = false;
                product.version += 1;
                product.updated_at = now;
                Ok(Deleted::Retired(product))
            }
            other => Err(StorageError::unexpected(format!("{other:?} rows of a product that is locked"))),
        }
    }

    /// Begins a transaction with a product's lock.
    async fn locked(&self, id: &ProductId) -> Result<(Transaction<'_>, Option<Product>), StorageError> {
        let transaction = self.transaction().await?;
        let statement = LockProduct { id: id.as_str() };
        let (begun, row) =
            join!(transaction.begin(), statement.get_result::<(ProductRow,)>(&mut transaction.pipe()));
        match begun.and(row.optional()) {
            Ok(None) => Ok((transaction, None)),
            Ok(Some((row,))) => match read::product(row) {
                Ok(product) => Ok((transaction, Some(product))),
                Err(error) => Err(transaction.roll_back(error.into()).await),
            },
            Err(error) => Err(transaction.roll_back(error.into()).await),
        }
    }

    pub(crate) async fn import(
        &self,
        products: &[ImportedProduct],
        now: DateTime<Utc>,
    ) -> Result<Imported, StorageError> {
        let folded = fold_imported(products);
        let mut imported = Imported::default();
        for chunk in folded.chunks(CHUNK) {
            let Imported { created, changed } = self.import_chunk(chunk, now).await?;
            imported.created += created;
            imported.changed += changed;
        }
        if folded.len() >= CHUNK {
            let cleaned: Result<(i64,), _> =
                self.run(async |connection| CleanPending {}.get_result(connection).await).await;
            if let Err(error) = cleaned {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "autovacuum will sort the words in"
                );
            }
        }
        Ok(imported)
    }

    /// One statement; once more when somebody makes or removes one of the products at the same moment. What was written
    /// by then is there already.
    async fn import_chunk(
        &self,
        chunk: &[Cow<'_, ImportedProduct>],
        now: DateTime<Utc>,
    ) -> Result<Imported, StorageError> {
        let statement = import_statement(chunk, now);
        let mut imported = Imported::default();
        for _ in 0..TRIES {
            let (there, made, back, changed): (i64, i64, i64, i64) =
                self.run(async |connection| (&statement).get_result(connection).await).await?;
            imported.created += read::count(made + back)?;
            imported.changed += read::count(changed)?;
            if usize::try_from(there + made).is_ok_and(|written| written == chunk.len()) {
                return Ok(imported);
            }
        }
        Err(StorageError::unexpected("products of an import were made or removed at every moment"))
    }
}

fn import_statement<'a>(chunk: &'a [Cow<'_, ImportedProduct>], now: DateTime<Utc>) -> ImportProducts<'a> {
    fn column<'a, T>(
        chunk: &'a [Cow<'_, ImportedProduct>],
        value: impl Fn(&'a ImportedProduct) -> T,
    ) -> Vec<T> {
        chunk.iter().map(|product| value(product)).collect()
    }
    ImportProducts {
        ids: column(chunk, |product| product.id.as_str()),
        names: column(chunk, |product| product.name.as_str()),
        name_keys: column(chunk, |product| sort_key(product.name.as_str())),
        descriptions: column(chunk, |product| product.description.as_ref().map(Description::as_str)),
        prices: column(chunk, |product| product.price.minor()),
        currencies: column(chunk, |product| product.price.currency().code()),
        stocks: column(chunk, |product| product.stock.map(units)),
        categories: column(chunk, |product| {
            let category = product.category.as_ref()?;
            Some(category.as_ref().map_or("", Category::as_str))
        }),
        attributes: column(chunk, |product| product.attributes.as_ref().map(Attributes::to_json)),
        active: column(chunk, |product| product.active),
        now,
    }
}

fn is_other(expected: &[u64], product: &Product) -> bool {
    !expected.is_empty() && !expected.contains(&product.version)
}

/// Ends a transaction in which the last statement and `COMMIT` were pipelined.
pub(crate) async fn finished<T>(
    transaction: Transaction<'_>,
    written: QueryResult<T>,
    committed: QueryResult<()>,
) -> Result<T, StorageError> {
    match written.and_then(|written| committed.map(|()| written)) {
        Ok(written) => {
            transaction.committed().map_err(|error| StorageError::Unavailable(Box::new(error)))?;
            Ok(written)
        }
        Err(error) => Err(transaction.roll_back(error.into()).await),
    }
}

/// Ends a transaction that has written nothing; if that does not work, the connection is closed.
async fn end<T>(transaction: Transaction<'_>, outcome: T) -> T {
    if let Err(error) = transaction.commit().await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "a transaction without writes was not ended"
        );
    }
    outcome
}
