//! Why nothing can be said or done about events and webhooks.

use actix_web::http::StatusCode;
use cartwright_events::EventsError;
use cartwright_jobs::EnqueueError;

use super::{Entry, FieldError, bug, entry, storage};

pub(super) fn service(error: &EventsError) -> Entry {
    match error {
        EventsError::Storage(error) | EventsError::Enqueue(EnqueueError::Storage(error)) => storage(error),
        EventsError::Enqueue(EnqueueError::Job(_)) => bug(),
        EventsError::Gone { removed } => entry(
            StatusCode::GONE,
            "events_removed",
            "Events were removed",
            format!(
                "Events up to {removed} have been removed. Look at everything anew, and go on after {removed}."
            ),
        ),
        EventsError::Ahead { last } => entry(
            StatusCode::UNPROCESSABLE_ENTITY,
            "no_such_event",
            "No such event",
            format!("The last event is {last}."),
        ),
        EventsError::UnknownTarget => entry(
            StatusCode::NOT_FOUND,
            "webhook_not_found",
            "No such webhook target",
            "There is no webhook target with this id.",
        ),
        EventsError::TooManyTargets(most) => entry(
            StatusCode::CONFLICT,
            "too_many_webhooks",
            "Too many webhook targets",
            format!("There are {most} webhook targets, and no more are taken. Remove one first."),
        ),
        EventsError::TooManySecrets { until } => entry(
            StatusCode::CONFLICT,
            "too_many_secrets",
            "Too many secrets",
            format!(
                "Ten secrets that were rotated out are still good, the first until {}.",
                until.to_rfc3339()
            ),
        ),
        EventsError::NoSender => entry(
            StatusCode::SERVICE_UNAVAILABLE,
            "webhooks_unavailable",
            "Webhooks cannot be sent",
            "The server knows no certificate authority to verify receivers by. Install ca-certificates, or set webhooks.ca_file.",
        ),
        EventsError::Disabled => entry(
            StatusCode::CONFLICT,
            "webhook_disabled",
            "The webhook target is disabled",
            "Nothing is sent to a disabled target. Enable it first.",
        ),
        EventsError::Url(_) => entry(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request",
            "Invalid request",
            "Webhooks cannot be sent to that URL; see errors.",
        ),
    }
}

pub(super) fn errors(error: &EventsError) -> Vec<FieldError> {
    match error {
        EventsError::Url(reason) => vec![FieldError::new("/url", "refused_url", reason.explain())],
        EventsError::Ahead { last } => {
            vec![FieldError::new("/after", "too_far", format!("the last event is {last}"))]
        }
        _ => Vec::new(),
    }
}
