use async_trait::async_trait;
use cartwright_domain::{Category, ListQuery, NewProduct, Product, ProductChange, ProductId, SearchQuery};
use cartwright_storage::{
    CatalogStore, CategoryCount, Changed, Created, Deleted, Found, IdempotencyClaim, Imported,
    ImportedProduct, Listed, LogPosition, PositionStore, ReadFrom, StorageError,
};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl,
    sql_types::{BigInt, Text},
};

use crate::{SqliteStore, error::storage_error, lists, products, rows::broken, search, statement::Statement};

const CATEGORIES: &str = "SELECT category, active FROM category_counts WHERE active > 0 ORDER BY category";

#[async_trait]
impl CatalogStore for SqliteStore {
    async fn create_product(
        &self,
        new: &NewProduct,
        claim: Option<&IdempotencyClaim>,
        now: DateTime<Utc>,
    ) -> Result<Created, StorageError> {
        let (new, claim) = (new.clone(), claim.cloned());
        self.write(move |connection| products::create(connection, &new, claim.as_ref(), now)).await
    }

    async fn products(
        &self,
        ids: &[ProductId],
        _from: ReadFrom,
    ) -> Result<Vec<Option<Product>>, StorageError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.to_vec();
        self.readers.run(move |connection| products::by_ids(connection, &ids)).await
    }

    async fn change_product(
        &self,
        id: &ProductId,
        change: &ProductChange,
        expected: &[u64],
        now: DateTime<Utc>,
    ) -> Result<Changed, StorageError> {
        let (id, change, expected) = (id.clone(), change.clone(), expected.to_vec());
        self.write(move |connection| products::change(connection, &id, &change, &expected, now)).await
    }

    async fn delete_product(
        &self,
        id: &ProductId,
        expected: &[u64],
        now: DateTime<Utc>,
    ) -> Result<Deleted, StorageError> {
        let (id, expected) = (id.clone(), expected.to_vec());
        self.write(move |connection| products::delete(connection, &id, &expected, now)).await
    }

    async fn import_products(
        &self,
        products: &[ImportedProduct],
        now: DateTime<Utc>,
    ) -> Result<Imported, StorageError> {
        let mut imported = Imported::default();
        for chunk in products::chunks(products, now)? {
            // Between chunks others may write.
            let Imported { created, changed } =
                self.write(move |connection| products::import(connection, &chunk)).await?;
            imported.created += created;
            imported.changed += changed;
        }
        Ok(imported)
    }

    async fn list_products(&self, query: &ListQuery, _from: ReadFrom) -> Result<Listed, StorageError> {
        let query = query.clone();
        self.readers.run(move |connection| lists::list(connection, &query)).await
    }

    async fn categories(&self, _from: ReadFrom) -> Result<Vec<CategoryCount>, StorageError> {
        let rows = self.readers.run(|connection| {
            Statement::<(Text, BigInt)>::new(CATEGORIES, &[])
                .load::<(String, i64)>(connection)
                .map_err(storage_error)
        });
        let category = |(category, products): (String, i64)| {
            let category = (!category.is_empty()).then(|| Category::kept(category));
            let products = u64::try_from(products).map_err(|error| broken("a count", error))?;
            Ok(CategoryCount { category, products })
        };
        rows.await?.into_iter().map(category).collect()
    }

    async fn search(&self, query: &SearchQuery, _from: ReadFrom) -> Result<Found, StorageError> {
        let query = query.clone();
        self.readers.run(move |connection| search::find(connection, &query)).await
    }

    fn tolerates_typos(&self) -> bool {
        false
    }
}

#[async_trait]
impl PositionStore for SqliteStore {
    /// One file has no replicas.
    async fn position(&self) -> Result<Option<LogPosition>, StorageError> {
        Ok(None)
    }
}
