use async_trait::async_trait;
use cartwright_domain::{Gate, OwnerId};

use crate::{CacheRead, StoreValue, Unfenced};

/// One document for each owner, coherent with the database, without its locks: what owners are shown of their orders, say, or
/// their profiles. Each kind of documents has a cache of its own.
///
/// Read: [`claim`](Self::claim); on [`CacheRead::Absent`], the database is asked *after* that answer, and what it says may be
/// [`store`](Self::store)d.
///
/// Write: the database is changed; after the commit, and before anybody is told of it, [`forget`](Self::forget).
///
/// Why no reader is shown less than anybody was told of: a lease holds until somebody forgets. Who read the database before a
/// commit got his lease before that, so it is gone when the writer has forgotten: he either stored what he read before, and
/// that is gone too, or cannot store it any more.
#[async_trait]
pub trait DocumentCache: Send + Sync + std::fmt::Debug + 'static {
    /// Reads documents, and gives leases for those that are not there: one answer for each owner, in order; never
    /// [`CacheRead::Missing`]. One round trip.
    async fn claim(&self, owners: &[OwnerId]) -> Vec<CacheRead>;

    /// Stores documents whose lease still holds. Failures are counted, not reported: they cost a later miss.
    async fn store(&self, values: Vec<StoreValue>);

    /// The gate, if it is open as far as this node knows, and no other opening can have come after that one by now. `None`: ask
    /// the database.
    fn opening(&self) -> Option<Gate>;

    /// Makes sure that no reader, on any node, is served what stands there now, or what is stored with a lease of before.
    /// `gate` is from [`opening`](Self::opening) or from the database, asked *after* the commit.
    ///
    /// # Errors
    /// [`Unfenced`]; nobody must be told of the change yet.
    async fn forget(&self, gate: &Gate, owners: &[OwnerId]) -> Result<(), Unfenced>;
}
