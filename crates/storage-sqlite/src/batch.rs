use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use cartwright_domain::{Gate, OwnerId, ProductId};
use cartwright_storage::{BatchPolicy, CartRequest, Emission, Fence, Loaded, Outcome, StorageError, decide};
use chrono::{DateTime, Utc};
use diesel::SqliteConnection;
use tokio::sync::oneshot;

use crate::{
    SqliteStore, claims,
    connection::{Transaction, start},
    events, gate,
    locks::WriteLocks,
    rows::{broken, load_carts, load_listings},
    write,
};

/// What the fence is to be raised with.
struct Changing {
    gate: Gate,
    owners: Vec<OwnerId>,
}

/// A batch's way to its fence, from a blocking thread. It holds the locks of its carts, too: when the caller goes away, the
/// batch still ends its transaction before anybody else gets its carts.
pub(crate) struct FenceAhead {
    /// Says what is about to change. Dropped without a word when nothing is.
    ask: oneshot::Sender<Changing>,
    /// Says that the fence is up. Closed when it is not, and when the caller has gone away.
    fenced: oneshot::Receiver<()>,
    _locks: WriteLocks,
}

impl FenceAhead {
    /// Has the fence raised, while `write` is done, and waits for it. Without owners there is nothing to fence off.
    pub(crate) fn around(
        self,
        gate: Gate,
        owners: Vec<OwnerId>,
        write: impl FnOnce() -> Result<(), StorageError>,
    ) -> Result<Fenced, StorageError> {
        let Self { ask, fenced, _locks } = self;
        if owners.is_empty() {
            write()?;
            return Ok(Fenced { _locks });
        }
        ask.send(Changing { gate, owners }).map_err(|_unsent| abandoned())?;
        write()?;
        fenced.blocking_recv().map_err(|error| broken("a batch without its fence", error))?;
        Ok(Fenced { _locks })
    }
}

/// The right to commit. The locks are given back when this is dropped.
pub(crate) struct Fenced {
    _locks: WriteLocks,
}

impl SqliteStore {
    /// One trip to a blocking thread, which stops at the fence: the fence is raised here, while rows are written there.
    pub(crate) async fn fenced<R: Send + 'static>(
        &self,
        owners: Vec<OwnerId>,
        fence: &dyn Fence,
        carry_out: impl FnOnce(&mut SqliteConnection, FenceAhead) -> Result<R, StorageError> + Send + 'static,
    ) -> Result<R, StorageError> {
        let mut writer = self.writer.lock().await;
        let locks = self.locks.write(owners).await;
        let (ask, asked) = oneshot::channel();
        let (raised, fenced) = oneshot::channel();
        let ahead = FenceAhead { ask, fenced, _locks: locks };
        let running = start(&mut writer, move |connection| {
            if ahead.ask.is_closed() { Err(abandoned()) } else { carry_out(connection, ahead) }
        });
        if let Ok(Changing { gate, owners }) = asked.await {
            if let Err(refused) = fence.raise(&gate, &owners).await {
                drop(raised);
                // Its error is that it was told to stop; what counts is that it has.
                let _stopped = running.await;
                return Err(StorageError::Fence(refused));
            }
            // A batch that failed meanwhile no longer listens; its error comes below.
            let _failed = raised.send(());
        }
        running.await
    }

    pub(crate) async fn batch(
        &self,
        requests: &[CartRequest],
        policy: &BatchPolicy,
        fence: &dyn Fence,
    ) -> Result<Vec<Outcome>, StorageError> {
        let owners: HashSet<&OwnerId> = requests.iter().flat_map(CartRequest::carts).collect();
        let owners = owners.into_iter().cloned().collect();
        let requests = requests.to_vec();
        let policy = BatchPolicy { clock: Arc::clone(&policy.clock), allow_unlisted: policy.allow_unlisted };
        let emission = self.emission;
        let batch =
            move |connection: &mut _, ahead| carry_out(connection, ahead, &requests, &policy, emission);
        self.fenced(owners, fence, batch).await
    }
}

fn carry_out(
    connection: &mut SqliteConnection,
    ahead: FenceAhead,
    requests: &[CartRequest],
    policy: &BatchPolicy,
    emission: Emission,
) -> Result<Vec<Outcome>, StorageError> {
    // On the writing connection, so that the times of a cart's changes are in the order of its versions.
    let now = policy.clock.now();
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let gate = gate::read(connection)?;
    let loaded = load(connection, requests, now)?;
    let decided = decide(requests, loaded, policy, now);
    if decided.is_empty() {
        // Dropping the transaction ends it.
        return Ok(decided.outcomes);
    }
    let fenced = ahead.around(gate, decided.changing(), || {
        write::carts(connection, &decided.changed)?;
        events::insert(connection, &decided.events(emission), now)?;
        claims::keep(connection, decided.kept_answers(requests), now)
    })?;
    transaction.commit()?;
    drop(fenced);
    Ok(decided.outcomes)
}

/// Nobody gets to see this: it is said to a caller who has gone away.
fn abandoned() -> StorageError {
    StorageError::unexpected("the caller of a batch has gone away")
}

/// What the requests are decided by, each kind in one statement.
fn load(
    connection: &mut SqliteConnection,
    requests: &[CartRequest],
    now: DateTime<Utc>,
) -> Result<Loaded, StorageError> {
    let owners: HashSet<&OwnerId> = requests.iter().flat_map(CartRequest::carts).collect();
    let carts =
        load_carts(connection, owners)?.into_iter().map(|(owner, cart)| (owner, Arc::new(cart))).collect();
    let products: HashSet<&ProductId> = requests.iter().filter_map(|r| r.command.needs_listing()).collect();
    let listings = if products.is_empty() {
        HashMap::new()
    } else {
        load_listings(connection, &products.into_iter().collect::<Vec<_>>())?
    };
    let claims: Vec<_> = (requests.iter().enumerate())
        .filter_map(|(at, request)| Some((at, request.claim.as_ref()?)))
        .collect();
    Ok(Loaded { carts, listings, keys: claims::load(connection, &claims, now)? })
}
