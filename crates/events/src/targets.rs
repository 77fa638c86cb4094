//! Webhook targets, as operators deal with them.

use std::time::Duration;

use bytes::Bytes;
use cartwright_storage::{
    DELIVER, Enqueued, EventTypes, JobFilter, JobId, JobName, JobRecord, JobState, NewTarget, StorageError,
    TargetChange, TargetId, TargetSecret, WebhookTarget,
};
use cartwright_webhooks::{Message, Reason, Secret, Target};
use chrono::TimeDelta;
use serde_json::json;

use crate::{
    EventService, EventsError, ReplayEvents,
    deliver::{secrets, status_of},
};

/// Secrets beside the present one that messages may be signed with. Each makes the header of signatures longer by fifty bytes.
const OLD_SECRETS: usize = 10;
/// Jobs that are looked at in one go for those of a target.
const LOOKED_AT: u32 = 500;
/// How often, for one answer.
const LOOKS: u32 = 20;

/// A target as somebody wants it.
#[derive(Clone)]
pub struct TargetDraft {
    /// Where messages go.
    pub url: String,
    /// Of which events.
    pub types: EventTypes,
    /// What people call it.
    pub description: String,
    /// Whether it is told from now on.
    pub enabled: bool,
}

/// A target, and its secret, which is shown this once.
#[derive(Debug, Clone)]
pub struct MadeTarget {
    /// The target.
    pub target: WebhookTarget,
    /// What messages are signed with from now on.
    pub secret: TargetSecret,
}

/// How a test went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What the receiver answered. `None`: nothing.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
    /// Why it is no delivery. `None`: it is one.
    pub error: Option<String>,
}

/// Deliveries to a target, the latest first.
#[derive(Debug, Clone)]
pub struct Deliveries {
    /// The jobs that make them.
    pub jobs: Vec<JobRecord>,
    /// Before which job the list goes on. `None`: there are no more.
    pub next: Option<JobId>,
}

impl EventService {
    /// Makes a target. Its URL is read, and looked up.
    ///
    /// # Errors
    /// [`EventsError::Url`] when nothing can, or may, be sent there; [`EventsError::TooManyTargets`].
    pub async fn add_target(&self, draft: TargetDraft) -> Result<MadeTarget, EventsError> {
        self.check(&draft.url).await?;
        let TargetDraft { url, types, description, enabled } = draft;
        let secret = new_secret();
        let new = NewTarget { url, types, description, enabled, secret: secret.clone() };
        let most = self.shared.settings.targets;
        let made = self.shared.store.add_target(&new, most, self.shared.clock.now()).await?;
        let target = made.ok_or(EventsError::TooManyTargets(most))?;
        Ok(MadeTarget { target, secret })
    }

    /// All targets, the oldest first.
    ///
    /// # Errors
    /// [`EventsError::Storage`].
    pub async fn targets(&self) -> Result<Vec<WebhookTarget>, EventsError> {
        Ok(self.shared.store.targets().await?)
    }

    /// A target.
    ///
    /// # Errors
    /// [`EventsError::UnknownTarget`].
    pub async fn target(&self, id: TargetId) -> Result<WebhookTarget, EventsError> {
        self.shared.store.target(id).await?.ok_or(EventsError::UnknownTarget)
    }

    /// Changes a target. Another URL is read, and looked up.
    ///
    /// # Errors
    /// [`EventsError::UnknownTarget`], [`EventsError::Url`].
    pub async fn change_target(
        &self,
        id: TargetId,
        change: &TargetChange,
    ) -> Result<WebhookTarget, EventsError> {
        if let Some(url) = &change.url {
            self.check(url).await?;
        }
        let changed = self.shared.store.change_target(id, change, self.shared.clock.now()).await?;
        changed.ok_or(EventsError::UnknownTarget)
    }

    /// Removes a target. Deliveries to it that wait end quietly.
    ///
    /// # Errors
    /// [`EventsError::UnknownTarget`].
    pub async fn remove_target(&self, id: TargetId) -> Result<(), EventsError> {
        if self.shared.store.remove_target(id).await? { Ok(()) } else { Err(EventsError::UnknownTarget) }
    }

    /// Gives a target another secret. For a while messages are signed with those before, too: each as long as it was
    /// promised when it was rotated out, however often that happens.
    ///
    /// # Errors
    /// [`EventsError::UnknownTarget`], [`EventsError::TooManySecrets`].
    pub async fn rotate_secret(&self, id: TargetId) -> Result<MadeTarget, EventsError> {
        let (secret, now) = (new_secret(), self.shared.clock.now());
        let overlap = TimeDelta::from_std(self.shared.settings.overlap).unwrap_or_default();
        loop {
            let target = self.target(id).await?;
            let previous = target.superseded(now + overlap, now);
            let first = previous.iter().map(|(_, until)| *until).min();
            if let Some(until) = first.filter(|_| previous.len() > OLD_SECRETS) {
                return Err(EventsError::TooManySecrets { until });
            }
            let store = &self.shared.store;
            let rotated = store.rotate_secret(id, &target.secret, &secret, &previous, now).await?;
            // Else somebody else has rotated it meanwhile, and what he replaced is to be kept, too.
            if let Some(target) = rotated {
                return Ok(MadeTarget { target, secret });
            }
        }
    }

    /// Sends a target a message that is no event, at once and once.
    ///
    /// # Errors
    /// [`EventsError::UnknownTarget`].
    pub async fn try_target(&self, id: TargetId) -> Result<Tried, EventsError> {
        let (target, now) = (self.target(id).await?, self.shared.clock.now());
        let secrets = secrets(&target, now)?;
        let name = format!("test_{:016x}", rand::random::<u64>());
        let payload = json!({"specversion": "1.0", "id": name, "source": "/cartwright", "type": "webhook.test",
            "subject": id.to_string(), "time": now, "owner": null, "data": {}});
        let bad = |_| StorageError::unexpected("a bad id of a message");
        let message =
            Message { id: name.parse().map_err(bad)?, at: now, payload: Bytes::from(payload.to_string()) };
        let sender = self.shared.sender()?;
        let url = match Target::parse(&target.url, sender.policy()) {
            Ok(url) => url,
            Err(refusal) => {
                let error = Some(Reason::Refused(refusal).explain());
                return Ok(Tried { status: None, took: Duration::ZERO, error });
            }
        };
        Ok(match sender.send(&url, &secrets, &message).await {
            Ok(delivered) => Tried { status: Some(delivered.status), took: delivered.duration, error: None },
            Err(failed) => Tried {
                status: status_of(&failed),
                took: failed.duration,
                error: Some(failed.reason.explain()),
            },
        })
    }

    /// Has a target told again of what happened after an event, up to another one or to the last that there is. Returns the
    /// job that does it.
    ///
    /// # Errors
    /// [`EventsError::UnknownTarget`], [`EventsError::Disabled`]; [`EventsError::Gone`] and [`EventsError::Ahead`] when
    /// some of it is not there.
    pub async fn replay(&self, id: TargetId, after: u64, until: Option<u64>) -> Result<JobId, EventsError> {
        if !self.target(id).await?.enabled {
            return Err(EventsError::Disabled);
        }
        let figures = self.shared.store.event_figures(self.shared.clock.now()).await?;
        if after < figures.removed {
            return Err(EventsError::Gone { removed: figures.removed });
        }
        if after.max(until.unwrap_or_default()) > figures.last {
            return Err(EventsError::Ahead { last: figures.last });
        }
        let replay = ReplayEvents { target: id.0, after, until: until.unwrap_or(figures.last) };
        Ok(self.shared.jobs.enqueue(&replay).await.map(Enqueued::id)?)
    }

    /// Deliveries to a target, the latest first, as long as their jobs are kept.
    ///
    /// # Errors
    /// [`EventsError::UnknownTarget`].
    pub async fn deliveries(
        &self,
        id: TargetId,
        state: Option<JobState>,
        before: Option<JobId>,
        limit: u32,
    ) -> Result<Deliveries, EventsError> {
        self.target(id).await?;
        let mine = format!("webhook:{id}:");
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let kind = JobName::new(DELIVER).map_err(cartwright_jobs::EnqueueError::Job)?;
        let mut filter = JobFilter { queue: None, kind: Some(kind), state, before, limit: LOOKED_AT };
        let mut jobs: Vec<JobRecord> = Vec::new();
        for _ in 0..LOOKS {
            let found = self.shared.store.list_jobs(&filter).await?;
            let ended = found.len() < LOOKED_AT as usize;
            for job in found {
                if jobs.len() == wanted {
                    return Ok(Deliveries { jobs, next: filter.before });
                }
                filter.before = Some(job.id);
                if job.unique_key.as_ref().is_some_and(|key| key.starts_with(&mine)) {
                    jobs.push(job);
                }
            }
            if ended {
                return Ok(Deliveries { jobs, next: None });
            }
        }
        Ok(Deliveries { jobs, next: filter.before })
    }

    /// Whether webhooks may be sent there, now.
    async fn check(&self, url: &str) -> Result<(), EventsError> {
        let sender = self.shared.sender()?;
        let target = Target::parse(url, sender.policy())
            .map_err(|refusal| EventsError::Url(Reason::Refused(refusal)))?;
        sender.check(&target).await.map(drop).map_err(EventsError::Url)
    }
}

fn new_secret() -> TargetSecret {
    TargetSecret::new(Secret::generate(&mut rand::rng()).reveal())
}
