use async_trait::async_trait;
use cartwright_domain::{Category, ListQuery, NewProduct, Product, ProductChange, ProductId, SearchQuery};
use cartwright_storage::{
    CatalogStore, CategoryCount, Changed, Created, Deleted, Found, IdempotencyClaim, Imported,
    ImportedProduct, Listed, LogPosition, PositionStore, ReadFrom, StorageError,
};
use chrono::{DateTime, Utc};
use diesel_async::RunQueryDsl;

use crate::{
    read,
    replicas::read_from,
    sql::{CountCategories, LogEnd},
    store::PostgresStore,
};

#[async_trait]
impl CatalogStore for PostgresStore {
    async fn create_product(
        &self,
        new: &NewProduct,
        claim: Option<&IdempotencyClaim>,
        now: DateTime<Utc>,
    ) -> Result<Created, StorageError> {
        self.create(new, claim, now).await
    }

    async fn products(
        &self,
        ids: &[ProductId],
        from: ReadFrom,
    ) -> Result<Vec<Option<Product>>, StorageError> {
        self.by_ids(ids, from).await
    }

    async fn change_product(
        &self,
        id: &ProductId,
        change: &ProductChange,
        expected: &[u64],
        now: DateTime<Utc>,
    ) -> Result<Changed, StorageError> {
        self.in_time(self.change(id, change, expected, now)).await
    }

    async fn delete_product(
        &self,
        id: &ProductId,
        expected: &[u64],
        now: DateTime<Utc>,
    ) -> Result<Deleted, StorageError> {
        self.in_time(self.delete(id, expected, now)).await
    }

    async fn import_products(
        &self,
        products: &[ImportedProduct],
        now: DateTime<Utc>,
    ) -> Result<Imported, StorageError> {
        self.import(products, now).await
    }

    async fn list_products(&self, query: &ListQuery, from: ReadFrom) -> Result<Listed, StorageError> {
        self.list(query, from).await
    }

    async fn categories(&self, from: ReadFrom) -> Result<Vec<CategoryCount>, StorageError> {
        let rows: Vec<(String, i64)> = read_from!(self, from, |pipe| CountCategories {}.load(&mut { pipe }))?;
        let category = |(category, products): (String, i64)| {
            let category = (!category.is_empty()).then(|| Category::kept(category));
            Ok(CategoryCount { category, products: read::count(products)? })
        };
        rows.into_iter().map(category).collect()
    }

    async fn search(&self, query: &SearchQuery, from: ReadFrom) -> Result<Found, StorageError> {
        self.find(query, from).await
    }

    fn tolerates_typos(&self) -> bool {
        true
    }
}

#[async_trait]
impl PositionStore for PostgresStore {
    async fn position(&self) -> Result<Option<LogPosition>, StorageError> {
        let (end,): (i64,) = self.run(async |connection| LogEnd {}.get_result(connection).await).await?;
        Ok(Some(LogPosition(read::count(end)?)))
    }
}
