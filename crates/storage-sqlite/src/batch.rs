use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use cartwright_domain::{Gate, OwnerId, ProductId};
use cartwright_storage::{BatchPolicy, CartRequest, Fence, Loaded, Outcome, StorageError, decide};
use chrono::{DateTime, Utc};
use diesel::SqliteConnection;
use tokio::sync::oneshot;

use crate::{
    SqliteStore, claims,
    connection::{Transaction, start},
    gate,
    locks::WriteLocks,
    rows::{broken, load_carts, load_listings},
    write,
};

/// What the fence is to be raised with.
struct Changing {
    gate: Gate,
    owners: Vec<OwnerId>,
}

/// A batch on its way through a blocking thread. It owns all it needs, the locks of its carts too: when the caller
/// goes away, it still ends its transaction before anybody else gets its carts.
struct Batch {
    requests: Vec<CartRequest>,
    policy: BatchPolicy,
    now: DateTime<Utc>,
    /// Says what is about to change. Dropped without a word when nothing is.
    ask: oneshot::Sender<Changing>,
    /// Says that the fence is up. Closed when it is not, and when the caller has gone away.
    fenced: oneshot::Receiver<()>,
    _locks: WriteLocks,
}

impl SqliteStore {
    /// One trip to a blocking thread, which stops at the fence: the fence is raised here, while rows are written there.
    pub(crate) async fn batch(
        &self,
        requests: &[CartRequest],
        policy: &BatchPolicy,
        fence: &dyn Fence,
    ) -> Result<Vec<Outcome>, StorageError> {
        let mut writer = self.writer.lock().await;
        let owners: HashSet<&OwnerId> = requests.iter().flat_map(CartRequest::carts).collect();
        let locks = self.locks.write(owners.into_iter().cloned().collect()).await;
        let (ask, asked) = oneshot::channel();
        let (raised, fenced) = oneshot::channel();
        let batch = Batch {
            requests: requests.to_vec(),
            policy: BatchPolicy { clock: Arc::clone(&policy.clock), allow_unlisted: policy.allow_unlisted },
            now: policy.clock.now(),
            ask,
            fenced,
            _locks: locks,
        };
        let running = start(&mut writer, move |connection| batch.carry_out(connection));
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
}

impl Batch {
    fn carry_out(self, connection: &mut SqliteConnection) -> Result<Vec<Outcome>, StorageError> {
        if self.ask.is_closed() {
            return Err(abandoned());
        }
        let mut transaction = Transaction::begin(connection)?;
        let connection = transaction.connection();
        let gate = gate::read(connection)?;
        let loaded = load(connection, &self.requests, self.now)?;
        let decided = decide(&self.requests, loaded, &self.policy, self.now);
        if decided.is_empty() {
            // Dropping the transaction ends it.
            return Ok(decided.outcomes);
        }
        let fenced = if decided.changed.is_empty() {
            None
        } else {
            let changing = Changing { gate, owners: decided.changing() };
            self.ask.send(changing).map_err(|_unsent| abandoned())?;
            Some(self.fenced)
        };
        write::carts(connection, &decided.changed)?;
        claims::keep(connection, decided.kept_answers(&self.requests), self.now)?;
        if let Some(fenced) = fenced {
            fenced.blocking_recv().map_err(|error| broken("a batch without its fence", error))?;
        }
        transaction.commit()?;
        Ok(decided.outcomes)
    }
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
