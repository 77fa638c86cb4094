//! Webhook targets as they go over the wire.

use cartwright_storage::{EventType, EventTypes, JobRecord, WebhookTarget};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::openapi::values::{EventNumber, Sentence};

/// Somebody who is told of events by HTTP.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookTarget)]
pub(crate) struct Target {
    #[schema(example = "7")]
    id: String,
    #[schema(example = "https://hooks.example.com/orders")]
    url: String,
    /// The types of events that it is told of; `null`: all, also those that come to be later.
    #[schema(example = json!(["order.created", "order.changed"]))]
    events: Option<Vec<&'static str>>,
    /// What people call it.
    #[schema(example = "the warehouse")]
    description: String,
    /// Whether it is told at present.
    #[schema(example = true)]
    enabled: bool,
    /// Why it is not, when it is so by itself.
    disabled_because: Option<String>,
    /// Until when messages are signed with the secret before, too; `null`: they are not. Those before that end earlier.
    previous_secret_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// How the last delivery went; `null`: there was none.
    last_delivery: Option<Last>,
}

/// How a delivery went.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookLastDelivery)]
pub(crate) struct Last {
    at: DateTime<Utc>,
    #[schema(example = "4711")]
    event_id: String,
    /// What the receiver answered; `null`: nothing.
    #[schema(example = 200)]
    status: Option<u16>,
    /// Why it failed; `null`: it did not.
    error: Option<String>,
}

fn names(types: EventTypes) -> Option<Vec<&'static str>> {
    (types != EventTypes::ALL).then(|| types.iter().map(EventType::name).collect())
}

impl From<WebhookTarget> for Target {
    fn from(target: WebhookTarget) -> Self {
        Self {
            id: target.id.to_string(),
            url: target.url,
            events: names(target.types),
            description: target.description,
            enabled: target.enabled,
            disabled_because: target.disabled_because,
            previous_secret_until: target.previous.first().map(|(_, until)| *until),
            created_at: target.created_at,
            updated_at: target.updated_at,
            last_delivery: target.last.map(|last| Last {
                at: last.at,
                event_id: last.event.to_string(),
                status: last.status,
                error: last.error,
            }),
        }
    }
}

/// All targets.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookTargets)]
pub(crate) struct Targets {
    pub(crate) items: Vec<Target>,
    /// Always `null`: these are all.
    pub(crate) next_cursor: Option<String>,
}

/// A target with its new secret.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeWebhookTarget)]
pub(crate) struct MadeTarget {
    #[serde(flatten)]
    target: Target,
    /// What messages are signed with: HMAC-SHA256 as in Standard Webhooks. It is not shown again.
    #[schema(example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    secret: String,
}

impl From<cartwright_events::MadeTarget> for MadeTarget {
    fn from(made: cartwright_events::MadeTarget) -> Self {
        Self { secret: made.secret.expose().to_owned(), target: made.target.into() }
    }
}

/// A target to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
#[schema(as = NewWebhookTarget)]
pub(crate) struct NewTarget {
    /// HTTPS, to a public host; something else only where the server is set up to allow it.
    #[schema(max_length = 2048, pattern = "^https?://", example = "https://hooks.example.com/orders")]
    url: String,
    /// The types of events; all when absent.
    #[schema(min_items = 1, example = json!(["order.created", "order.changed"]))]
    events: Option<Vec<String>>,
    #[schema(value_type = Option<Sentence>)]
    description: Option<String>,
    /// `true` when absent.
    #[schema(example = true)]
    enabled: Option<bool>,
}

/// What is to be another way.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
#[schema(as = WebhookTargetChange)]
pub(crate) struct TargetChange {
    #[schema(max_length = 2048, pattern = "^https?://", example = "https://hooks.example.com/orders")]
    url: Option<String>,
    /// `["*"]` is all.
    #[schema(min_items = 1, example = json!(["order.created"]))]
    events: Option<Vec<String>>,
    #[schema(value_type = Option<Sentence>)]
    description: Option<String>,
    #[schema(example = false)]
    enabled: Option<bool>,
}

/// How a test went.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookTried)]
pub(crate) struct Tried {
    #[schema(example = true)]
    delivered: bool,
    /// What the receiver answered; `null`: nothing.
    #[schema(example = 200)]
    status: Option<u16>,
    #[schema(example = 0.12)]
    seconds: f64,
    /// Why it was not delivered.
    error: Option<String>,
}

impl From<cartwright_events::Tried> for Tried {
    fn from(tried: cartwright_events::Tried) -> Self {
        Self {
            delivered: tried.error.is_none(),
            status: tried.status,
            seconds: tried.took.as_secs_f64(),
            error: tried.error,
        }
    }
}

/// Which events are sent again.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `body::Fields` reads")]
#[schema(as = WebhookReplay, example = json!({"after": "4700", "until": "4711"}))]
pub(crate) struct Replay {
    /// Those after this one; 0: all that are kept.
    #[schema(value_type = EventNumber)]
    after: String,
    /// Up to this one; to the last when absent.
    #[schema(value_type = Option<EventNumber>)]
    until: Option<String>,
}

/// A replay that has begun.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookReplaying)]
pub(crate) struct Replaying {
    /// The job that does it.
    #[schema(example = "4711")]
    pub(crate) job_id: String,
}

/// Deliveries, the latest first.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDeliveries)]
pub(crate) struct Deliveries {
    items: Vec<Delivery>,
    /// Where the next page begins. `null`: this is the last.
    #[schema(example = "4691")]
    next_cursor: Option<String>,
}

/// A delivery: a job that makes it.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(crate) struct Delivery {
    #[schema(example = "4711")]
    job_id: String,
    #[schema(example = "4711")]
    event_id: String,
    /// `queued`, `running`, `done`, `dead` or `cancelled`.
    #[schema(example = "done")]
    state: &'static str,
    /// How often it was tried.
    #[schema(example = 1)]
    attempt: u16,
    #[schema(example = 17)]
    max_attempts: u16,
    created_at: DateTime<Utc>,
    /// When it is or was due.
    run_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<JobRecord> for Delivery {
    fn from(job: JobRecord) -> Self {
        let event = job.unique_key.as_deref().and_then(|key| key.rsplit(':').next()).unwrap_or_default();
        Self {
            job_id: job.id.to_string(),
            event_id: event.to_owned(),
            state: job.state.as_str(),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            created_at: job.created_at,
            run_at: job.run_at,
            finished_at: job.finished_at,
        }
    }
}

impl From<cartwright_events::Deliveries> for Deliveries {
    fn from(found: cartwright_events::Deliveries) -> Self {
        Self {
            items: found.jobs.into_iter().map(Into::into).collect(),
            next_cursor: found.next.map(|next| next.to_string()),
        }
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query that `Query` reads")]
pub(crate) struct DeliveriesParams {
    /// Only in this state: `queued`, `running`, `done`, `dead` or `cancelled`
    #[param(pattern = "^(queued|running|done|dead|cancelled)$", example = "dead")]
    state: Option<String>,
    /// The `next_cursor` of the page before
    #[param(pattern = "^[0-9]{0,18}$", example = "4691")]
    cursor: Option<String>,
    /// How many
    #[param(minimum = 1, maximum = 100, example = 20)]
    limit: Option<u32>,
}
