use cartwright_layered::LoadError;
use cartwright_storage::StorageError;

/// Why the service did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The store failed. A write may or may not have happened.
    #[error("the store failed")]
    Storage(#[from] StorageError),
    /// It is in no cache, and could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The caches could not be told of a change in time. Nothing was done; trying again will help.
    #[error("the caches could not be told")]
    Fence,
    /// What is to be shown cannot be written as JSON.
    #[error("a document cannot be written")]
    Document(#[from] serde_json::Error),
    /// The task that carried the change broke. Whether it was carried out is not known.
    #[error("the change was lost")]
    Lost,
}
