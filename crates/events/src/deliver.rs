//! The jobs that deliver webhooks.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cartwright_jobs::{Job, JobContext, JobFailure, JobQueue, Policy, Registry};
use cartwright_storage::{
    DELIVERY_ATTEMPTS, EventQuery, EventTypes, JobError, LastDelivery, NewJob, StorageError, TargetId,
    WebhookTarget, delivery,
};
use cartwright_webhooks::{Failed, Message, Reason, Secret, Secrets, Target};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{EventService, service::Shared};

/// Events that are looked at for a replay in one transaction.
const REPLAYED_AT_ONCE: u32 = 500;

/// Tells one target of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverWebhook {
    /// Which target.
    pub target: i64,
    /// Which event.
    pub event: u64,
}

impl Job for DeliverWebhook {
    const KIND: &'static str = cartwright_storage::DELIVER;
    const QUEUE: &'static str = cartwright_storage::DELIVERIES;

    /// Seventeen times, from two seconds to six hours apart: a receiver may be down for the better part of a day.
    fn policy() -> Policy {
        Policy {
            max_attempts: DELIVERY_ATTEMPTS,
            backoff: Duration::from_secs(2),
            backoff_limit: Duration::from_secs(6 * 3600),
            timeout: Duration::from_secs(120),
            ..Policy::default()
        }
    }

    fn unique_key(&self) -> Option<String> {
        Some(format!("webhook:{}:{}", self.target, self.event))
    }
}

/// Has a target told again of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayEvents {
    /// Which target.
    pub target: i64,
    /// Of those after this number,
    pub after: u64,
    /// up to this one.
    pub until: u64,
}

impl Job for ReplayEvents {
    const KIND: &'static str = "webhook.replay";
    const QUEUE: &'static str = cartwright_storage::DELIVERIES;
}

impl EventService {
    /// Adds what does the jobs of this crate.
    ///
    /// # Errors
    /// None: the names are good.
    pub fn register(&self, registry: Registry) -> Result<Registry, JobError> {
        let (deliver, replay) = (Arc::clone(&self.shared), Arc::clone(&self.shared));
        registry
            .on(move |job: DeliverWebhook, context: JobContext| {
                let shared = Arc::clone(&deliver);
                async move { shared.deliver(&job, &context).await }
            })?
            .on(move |job: ReplayEvents, _| {
                let shared = Arc::clone(&replay);
                async move { shared.replay(&job).await }
            })
    }
}

/// What messages to a target are signed with at present.
pub(crate) fn secrets(target: &WebhookTarget, now: DateTime<Utc>) -> Result<Secrets, StorageError> {
    let read = |text: &str| {
        text.parse::<Secret>().map_err(|error| {
            StorageError::Unexpected("a secret that is none".to_owned(), Some(Box::new(error)))
        })
    };
    let previous = target.previous.iter().filter(|(_, until)| *until > now);
    let previous = previous.map(|(secret, _)| read(secret.expose())).collect::<Result<Vec<_>, _>>()?;
    Ok(Secrets::rotated(read(target.secret.expose())?, previous))
}

/// What the receiver answered, if it did.
pub(crate) fn status_of(failed: &Failed) -> Option<u16> {
    match failed.reason {
        Reason::Status { code, .. } | Reason::Redirect { code, .. } => Some(code),
        Reason::Refused(_) | Reason::Unreachable(_) | Reason::TimedOut(_) => None,
    }
}

impl Shared {
    async fn deliver(&self, job: &DeliverWebhook, context: &JobContext) -> Result<(), JobFailure> {
        let id = TargetId(job.target);
        let Some(target) = self.store.target(id).await?.filter(|target| target.enabled) else {
            return Ok(()); // nobody wants to know any more
        };
        let after = job.event.saturating_sub(1);
        let query = EventQuery { after, types: EventTypes::ALL, owner: None, limit: 1 };
        let page = self.store.events(&query).await?;
        let Some(event) = page.events.into_iter().find(|event| event.number == job.event) else {
            return Err(JobFailure::fatal("the event has been removed"));
        };
        let now = self.clock.now();
        let message = Message {
            id: format!("evt_{}", job.event).parse()?,
            at: now,
            payload: Bytes::from(event.document()),
        };
        let secrets = secrets(&target, now).map_err(JobFailure::fatal)?;
        let sender = self.sender()?;
        let sent = match Target::parse(&target.url, sender.policy()) {
            Ok(url) => tokio::select! {
                sent = sender.send(&url, &secrets, &message) => sent,
                () = context.stopped() => return Err("stopped".into()),
            },
            Err(refusal) => {
                Err(Failed { reason: Reason::Refused(refusal), duration: Duration::ZERO, excerpt: None })
            }
        };
        let mut last = LastDelivery { at: self.clock.now(), event: job.event, status: None, error: None };
        match sent {
            Ok(delivered) => {
                self.figures.attempted("delivered", delivered.duration);
                self.figures.lag.record((last.at - event.at).to_std().unwrap_or_default());
                last.status = Some(delivered.status);
                self.store.note_delivery(id, &last, None).await?;
                Ok(())
            }
            Err(failed) => {
                let gone = failed.is_gone();
                self.figures.attempted(if gone { "gone" } else { "failed" }, failed.duration);
                let why = failed.reason.explain();
                last.status = status_of(&failed);
                last.error = Some(cartwright_storage::kept_text(&why, cartwright_storage::MAX_ERROR));
                // It may have been given another URL while the old one answered.
                self.store.note_delivery(id, &last, gone.then_some(target.updated_at)).await?;
                Err(match (failed.is_retryable(), failed.retry_after()) {
                    (false, _) => JobFailure::fatal(why),
                    (true, Some(after)) => JobFailure::retry_after(after, why),
                    (true, None) => why.into(),
                })
            }
        }
    }

    /// One portion: its deliveries, and the job of the next one, are made in one transaction.
    async fn replay(&self, job: &ReplayEvents) -> Result<(), JobFailure> {
        let Some(target) = self.store.target(TargetId(job.target)).await?.filter(|target| target.enabled)
        else {
            return Ok(());
        };
        let query =
            EventQuery { after: job.after, types: target.types, owner: None, limit: REPLAYED_AT_ONCE };
        let page = self.store.events(&query).await?;
        let within = page.events.iter().filter(|event| event.number <= job.until);
        let mut jobs: Vec<NewJob> =
            within.map(|event| delivery(target.id, event.number)).collect::<Result<_, _>>()?;
        if page.looked < job.until {
            jobs.push(JobQueue::prepare(&ReplayEvents { after: page.looked, ..job.clone() })?);
        }
        self.store.enqueue(&jobs, self.clock.now()).await?;
        self.jobs.wake();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stores_make_is_what_is_handled() {
        let made = delivery(TargetId(7), 4711).unwrap();
        let job = DeliverWebhook { target: 7, event: 4711 };
        assert_eq!(JobQueue::prepare(&job).unwrap(), made);
        assert_eq!(made.payload.read::<DeliverWebhook>().unwrap(), job);
    }

    #[test]
    fn a_receiver_may_be_down_for_the_better_part_of_a_day() {
        let Policy { max_attempts, backoff, backoff_limit, .. } = DeliverWebhook::policy();
        let pauses = (0..max_attempts - 1).map(|n| (backoff * 2_u32.pow(n.into())).min(backoff_limit));
        // At least half of each.
        let least: Duration = pauses.map(|pause| pause / 2).sum();
        assert!(least > Duration::from_secs(10 * 3600), "{least:?}");
    }
}
