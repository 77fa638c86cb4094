//! Writing: the caches are told before and after, and lists and searches are renewed.

use cartwright_domain::{Category, NewProduct, Product, ProductChange, ProductId};
use cartwright_edge::SurrogateKey;
use cartwright_layered::{Tag, Target};
use cartwright_storage::{
    Changed, Created, Deleted, IdempotencyClaim, Imported, ImportedProduct, ReadFrom, fold_imported,
};

use crate::{
    CatalogError, CatalogService, Edit, Fault,
    kinds::{InventoryKey, ProductKey, everything, of_category},
    surrogate,
};

/// How often a product is looked at again because somebody else changed it at the same time.
const TRIES: usize = 8;

/// Why a product was not edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It makes no sense for this product.
    #[error("the change makes no sense for this product")]
    Fault(Fault),
    /// It could not be written.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<cartwright_storage::StorageError> for EditError {
    fn from(error: cartwright_storage::StorageError) -> Self {
        Self::Catalog(error.into())
    }
}

/// What a write is about to change.
pub(crate) struct Touched {
    targets: Vec<Target>,
    /// What is to be dropped at the edge.
    keys: Vec<SurrogateKey>,
}

impl Touched {
    fn products<'a>(ids: impl IntoIterator<Item = &'a ProductId> + Clone) -> Self {
        Self { targets: targets(ids.clone()), keys: ids.into_iter().map(surrogate::of_product).collect() }
    }

    /// Something that is in no cache in front.
    pub(crate) fn behind(target: Target) -> Self {
        Self { targets: vec![target], keys: Vec::new() }
    }
}

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
    /// Makes a product; with a claim, once however often it is called.
    ///
    /// # Errors
    /// [`CatalogError`] when it could not be written.
    pub async fn create(
        &self,
        new: NewProduct,
        claim: Option<IdempotencyClaim>,
    ) -> Result<Created, CatalogError> {
        // Whoever looked for it before it was there remembers that it was not. A number that the store gives out may
        // have been asked for as well; that is forgotten within seconds.
        let known = new.id.clone();
        self.write(Touched::products(&known), async move |service| {
            let (store, now) = (&service.inner.store, service.inner.clock.now());
            let created = store.create_product(&new, claim.as_ref(), now).await?;
            let listed = match &created {
                Created::Created(product) => tags([product.details.category.as_ref()]),
                Created::Replayed(_) | Created::Exists | Created::KeyReused | Created::KeyInFlight => {
                    Vec::new()
                }
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
        self.write(Touched::products([&id]), async move |service| {
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

    /// Changes a product by what was said of it. `expected` as in [`change`](Self::change).
    ///
    /// # Errors
    /// [`EditError`] when it makes no sense for this product, or could not be written.
    pub async fn edit(&self, id: ProductId, edit: Edit, expected: Vec<u64>) -> Result<Changed, EditError> {
        if let Some(change) = edit.known() {
            return Ok(self.change(id, change.clone(), expected).await?);
        }
        let mut tries = 0;
        loop {
            let found = self.inner.store.products(std::slice::from_ref(&id), ReadFrom::Primary).await?;
            let Some(product) = found.into_iter().next().flatten() else { return Ok(Changed::Missing) };
            if !expected.is_empty() && !expected.contains(&product.version) {
                return Ok(Changed::VersionMismatch(product));
            }
            let change = edit.of(&product).map_err(EditError::Fault)?;
            // Only of what was looked at: its currency may be another one by now.
            let changed = self.change(id.clone(), change, vec![product.version]).await?;
            tries += 1;
            if !matches!(changed, Changed::VersionMismatch(_)) || !expected.is_empty() || tries == TRIES {
                return Ok(changed);
            }
        }
    }

    /// Deletes a product; one that orders name is retired.
    ///
    /// # Errors
    /// [`CatalogError`] when it could not be written.
    pub async fn delete(&self, id: ProductId, expected: Vec<u64>) -> Result<Deleted, CatalogError> {
        self.write(Touched::products([&id]), async move |service| {
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

    /// Makes and changes products, as [`CatalogStore::import_products`](cartwright_storage::CatalogStore::import_products)
    /// does. To be called with a thousand or so at a time.
    ///
    /// # Errors
    /// [`CatalogError`]: then a part may have been written. Writing all again does no harm.
    pub async fn import(&self, products: Vec<ImportedProduct>) -> Result<Imported, CatalogError> {
        let touched = Touched::products(products.iter().map(|product| &product.id));
        self.write(touched, async move |service| {
            let (store, now) = (&service.inner.store, service.inner.clock.now());
            let ids: Vec<ProductId> = products.iter().map(|product| product.id.clone()).collect();
            // Where they were listed before is known only now.
            let before = store.products(&ids, ReadFrom::Primary).await?;
            let imported = store.import_products(&products, now).await?;
            let before = before.iter().flatten().map(|product: &Product| product.details.category.as_ref());
            let after = products.iter().filter_map(|product| product.category.as_ref().map(Option::as_ref));
            let listed = if imported == Imported::default() { Vec::new() } else { tags(before.chain(after)) };
            Ok((imported, listed))
        })
        .await
    }

    /// Says that there is none of these any more, or some again, since a moment ago: whoever looks at them, or at lists
    /// and searches for what is in stock, is to see that.
    ///
    /// # Errors
    /// [`CatalogError`] when the caches could not be told: then it is seen when what they keep runs out.
    pub async fn stock_turned(&self, products: Vec<ProductId>) -> Result<(), CatalogError> {
        self.write(Touched::products(&products), async move |service| {
            let found = service.inner.store.products(&products, ReadFrom::Primary).await?;
            let categories = found.iter().flatten().map(|product| product.details.category.as_ref());
            Ok(((), tags(categories)))
        })
        .await
    }

    /// What [`import`](Self::import) would do.
    ///
    /// # Errors
    /// [`CatalogError`] when it could not be looked at.
    pub async fn preview_import(&self, products: &[ImportedProduct]) -> Result<Imported, CatalogError> {
        let folded = fold_imported(products);
        let ids: Vec<ProductId> = folded.iter().map(|product| product.id.clone()).collect();
        let found = self.inner.store.products(&ids, ReadFrom::Primary).await?;
        let (mut imported, now) = (Imported::default(), self.inner.clock.now());
        for (wanted, found) in folded.iter().zip(found) {
            match found {
                None => imported.created += 1,
                Some(mut found) => {
                    imported.changed += u64::from(!found.apply(&wanted.change(), now).is_empty());
                }
            }
        }
        Ok(imported)
    }

    /// In a task of its own: what was begun is finished, also when the caller goes away.
    pub(crate) async fn write<T: Send + 'static, F>(
        &self,
        touched: Touched,
        work: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<(T, Vec<Tag>), CatalogError>> + Send,
    {
        let service = self.clone();
        let written = tokio::spawn(async move {
            let announcer = service.inner.announcer.clone();
            let change = announcer.announce(&touched.targets).await?;
            let written = work(service.clone()).await;
            announcer.declare(change, touched.keys).await;
            let (written, listed) = written?;
            if !listed.is_empty() {
                service.inner.bumper.bump(listed);
            }
            Ok(written)
        });
        written.await.unwrap_or(Err(CatalogError::Lost))
    }
}
