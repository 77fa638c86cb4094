//! Reading: a fresh replica first, then the primary.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use cartwright_cache::{CacheRead, Layer, Lease};
use cartwright_domain::OwnerId;

use crate::{
    carts::{Inner, bypass, lease},
    endpoint::{Endpoint, Over},
    heartbeat::fresh,
    value::{self, Family, Value},
    view::Opening,
};

/// The same for a reader who means to fill.
const READER_TOKEN: Duration = Duration::from_secs(3);

impl Inner {
    /// The next replica in turn that was fresh when it was last looked at.
    fn replica<'a>(&'a self, opening: &'a Opening) -> Option<(&'a Endpoint, &'a str)> {
        let ids = &opening.gate.replicas.endpoints;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..ids.len()).find_map(|step| {
            let id = ids.get((turn + step) % ids.len())?;
            let endpoint = self.endpoints.iter().find(|endpoint| endpoint.is(id))?;
            (!endpoint.suspect()).then_some((endpoint, id.as_str()))
        })
    }

    /// One reply with the heartbeat and what stands under all the keys. `None`: the replica is not fresh, or does not answer.
    pub(crate) async fn read_replica(
        &self,
        opening: &Opening,
        keys: &[String],
    ) -> Option<Vec<Option<Vec<u8>>>> {
        let (endpoint, run_id) = self.replica(opening)?;
        let mut command = redis::cmd("MGET");
        command.arg(self.heartbeat_key(&opening.namespace));
        command.arg(keys);
        type Values = Vec<Option<Vec<u8>>>;
        match endpoint.near(run_id, async |link| command.query_async::<Values>(link).await).await {
            Ok(Some((values, opened))) => {
                let mut values = values.into_iter();
                let beat = values.next()??;
                if self.believe(endpoint, &beat, opened) {
                    return Some(values.collect());
                }
                self.figures.stale_replicas.increment(1);
                endpoint.set_suspect(true);
                None
            }
            Ok(None) => {
                endpoint.set_suspect(true); // until the probe has seen that process again
                None
            }
            Err(error) => {
                self.failed(endpoint, &error);
                None
            }
        }
    }

    pub(crate) fn believe(&self, endpoint: &Endpoint, beat: &[u8], opened: Instant) -> bool {
        let sent =
            std::str::from_utf8(beat).ok().and_then(|n| n.parse().ok()).and_then(|n| self.beats.sent_at(n));
        if let Some(sent) = sent {
            endpoint.saw(sent.elapsed());
        }
        fresh(sent, opened)
    }

    /// Asks the primary, and where nothing stands, leaves a token.
    ///
    /// It is a write: a server that has become somebody's replica refuses it, and what it shows is not believed.
    pub(crate) async fn claim(
        &self,
        opening: &Opening,
        family: Family,
        owners: &[OwnerId],
    ) -> Vec<CacheRead> {
        let Some(endpoint) = self.primary(opening).filter(|endpoint| !endpoint.suspect()) else {
            return bypass(owners);
        };
        let mut pipeline = redis::Pipeline::with_capacity(owners.len());
        let leases: Vec<Lease> = owners.iter().map(|_| lease(&opening.namespace)).collect();
        for (owner, lease) in owners.iter().zip(&leases) {
            pipeline
                .cmd("SET")
                .arg(value::key(family, &opening.namespace, owner))
                .arg(&*lease.token)
                .arg("NX")
                .arg("GET");
            pipeline.arg("PX").arg(READER_TOKEN.as_millis() as u64);
        }
        // Carts that are claimed were looked for nearby before; for others this is the first question.
        let over = match family {
            Family::Carts => Over::Own,
            Family::Histories | Family::Profiles => Over::Near,
        };
        type Values = Vec<Option<Vec<u8>>>;
        match endpoint.pipeline::<Values>(&opening.gate.primary, over, &pipeline).await {
            Ok(Some(values)) if values.len() == owners.len() => values
                .into_iter()
                .zip(leases)
                .map(|(found, lease)| match found.map(value::read) {
                    None => CacheRead::Absent(lease),
                    Some(Value::Document(document)) => CacheRead::Hit(document, Layer::Primary),
                    // As good as one's own: whoever fills has seen it before he read the database (carts: before he took
                    // the shared lock, so that the writer who left it is done); and the next writer takes it away.
                    Some(Value::Token(token)) => CacheRead::Absent(Lease { token, ..lease }),
                    Some(Value::Foreign) => CacheRead::Bypass,
                })
                .collect(),
            Ok(_) => bypass(owners),
            Err(error) => {
                self.failed(endpoint, &error);
                bypass(owners)
            }
        }
    }

    /// On a fresh replica, or where there is none, on the primary.
    pub(crate) async fn look(&self, opening: &Opening, owners: &[OwnerId]) -> Vec<CacheRead> {
        let keys = value::keys(Family::Carts, &opening.namespace, owners);
        let Some(found) = self.read_replica(opening, &keys).await else {
            return self.claim(opening, Family::Carts, owners).await;
        };
        let read = |bytes: Option<Vec<u8>>| match bytes.map(value::read) {
            Some(Value::Document(document)) => CacheRead::Hit(document, Layer::Replica),
            _ => CacheRead::Missing,
        };
        let mut reads: Vec<CacheRead> = found.into_iter().map(read).collect();
        reads.resize(owners.len(), CacheRead::Missing);
        reads
    }

    /// What is read may be served only while the opening under which that was done is known to stand.
    pub(crate) async fn under_view(
        &self,
        owners: &[OwnerId],
        read: impl AsyncFnOnce(&Opening) -> Vec<CacheRead>,
    ) -> Vec<CacheRead> {
        let view = self.views.current();
        if let Some(opening) = view.usable().filter(|_| !owners.is_empty()) {
            let reads = read(opening).await;
            if self.views.still(&view) {
                return reads;
            }
        }
        bypass(owners)
    }
}
