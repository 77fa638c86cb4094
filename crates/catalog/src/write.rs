//! Writing: the caches are told before and after, and lists and searches are renewed.

use cartwright_domain::{Category, NewProduct, Product, ProductChange, ProductId};
use cartwright_layered::{Tag, Target};
use cartwright_storage::{Changed, Created, Deleted, Imported, ImportedProduct};

use crate::{
    CatalogError, CatalogService,
    kinds::{InventoryKey, ProductKey, everything, of_category},
};

fn targets<'a>(ids: impl IntoIterator<Item = &'a ProductId>) -> Vec<Target> {
    let both =
        |id: &ProductId| [Target::from(&ProductKey(id.clone())), Target::from(&InventoryKey(id.clone()))];
    ids.into_iter().flat_map(both).collect()
}

/// What lists it: its category, and the whole.
fn tags<'a>(categories: impl IntoIterator<Item = Option<&'a Category>>) -> Vec<Tag> {
    categories.into_iter().flatten().map(of_category).chain([everything()]).collect()
}

impl CatalogService {
    /// Makes a product.
    ///
    /// # Errors
    /// [`CatalogError`] when it could not be written.
    pub async fn create(&self, new: NewProduct) -> Result<Created, CatalogError> {
        // Whoever looked for it before it was there remembers that it was not. A number that the store gives out may
        // have been asked for as well; that is forgotten within seconds.
        let known = new.id.clone();
        self.write(targets(&known), async move |service| {
            let created = service.inner.store.create_product(&new, service.inner.clock.now()).await?;
            let listed = match &created {
                Created::Created(product) => tags([product.details.category.as_ref()]),
                Created::Exists => Vec::new(),
            };
            Ok((created, listed))
        })
        .await
    }

    /// Changes a product. `expected`: the versions that the caller is prepared to change; empty: any.
    ///
    /// # Errors
    /// [`CatalogError`] when it could not be written.
    pub async fn change(
        &self,
        id: ProductId,
        change: ProductChange,
        expected: Vec<u64>,
    ) -> Result<Changed, CatalogError> {
        self.write(targets([&id]), async move |service| {
            let (store, now) = (&service.inner.store, service.inner.clock.now());
            let changed = store.change_product(&id, &change, &expected, now).await?;
            let listed = match &changed {
                Changed::Changed { before, after } => {
                    tags([before.details.category.as_ref(), after.details.category.as_ref()])
                }
                Changed::Unchanged(_) | Changed::Missing | Changed::VersionMismatch(_) => Vec::new(),
            };
            Ok((changed, listed))
        })
        .await
    }

    /// Deletes a product; one that orders name is retired.
    ///
    /// # Errors
    /// [`CatalogError`] when it could not be written.
    pub async fn delete(&self, id: ProductId, expected: Vec<u64>) -> Result<Deleted, CatalogError> {
        self.write(targets([&id]), async move |service| {
            let (store, now) = (&service.inner.store, service.inner.clock.now());
            let deleted = store.delete_product(&id, &expected, now).await?;
            let listed = match &deleted {
                Deleted::Removed(product) | Deleted::Retired(product) => {
                    tags([product.details.category.as_ref()])
                }
                Deleted::Missing | Deleted::VersionMismatch(_) => Vec::new(),
            };
            Ok((deleted, listed))
        })
        .await
    }

    /// Writes products over those with the same id. To be called with a thousand or so at a time.
    ///
    /// # Errors
    /// [`CatalogError`]: then a part may have been written. Writing all again does no harm.
    pub async fn import(&self, products: Vec<ImportedProduct>) -> Result<Imported, CatalogError> {
        let targets = targets(products.iter().map(|product| &product.id));
        self.write(targets, async move |service| {
            let (store, now) = (&service.inner.store, service.inner.clock.now());
            let ids: Vec<ProductId> = products.iter().map(|product| product.id.clone()).collect();
            // Where they were listed before is known only now.
            let before = store.products(&ids, cartwright_storage::ReadFrom::Primary).await?;
            let imported = store.import_products(&products, now).await?;
            let before = before.iter().flatten().map(|product: &Product| product.details.category.as_ref());
            let after = products.iter().map(|product| product.details.category.as_ref());
            let listed = if imported == Imported::default() { Vec::new() } else { tags(before.chain(after)) };
            Ok((imported, listed))
        })
        .await
    }

    /// In a task of its own: what was begun is finished, also when the caller goes away.
    async fn write<T: Send + 'static, F>(
        &self,
        targets: Vec<Target>,
        work: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<(T, Vec<Tag>), CatalogError>> + Send,
    {
        let service = self.clone();
        let written = tokio::spawn(async move {
            let announcer = service.inner.announcer.clone();
            let change = announcer.announce(&targets).await?;
            let written = work(service.clone()).await;
            announcer.declare(change).await;
            let (written, listed) = written?;
            if !listed.is_empty() {
                service.inner.bumper.bump(listed);
            }
            Ok(written)
        });
        written.await.unwrap_or(Err(CatalogError::Lost))
    }
}
