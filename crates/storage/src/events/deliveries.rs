//! Which webhooks are to be delivered.

use super::{EventRow, EventTypes, TargetId};
use crate::{JobError, JobName, NewJob, Payload, StorageError, UniqueKey};

/// The queue of deliveries.
pub const DELIVERIES: &str = "webhooks";
/// The kind of job that makes one.
pub const DELIVER: &str = "webhook.deliver";
/// How often a delivery is tried. With pauses that double from two seconds to six hours, for the better part of a day.
pub const DELIVERY_ATTEMPTS: u16 = 17;

/// The job that delivers an event to a target. While it is unfinished it is there once.
///
/// # Errors
/// None: the names are good.
pub fn delivery(target: TargetId, event: u64) -> Result<NewJob, JobError> {
    let payload = Payload::kept(format!(r#"{{"target":{target},"event":{event}}}"#));
    Ok(NewJob {
        max_attempts: DELIVERY_ATTEMPTS,
        unique_key: Some(UniqueKey::new(format!("webhook:{target}:{event}"))?),
        ..NewJob::new(JobName::new(DELIVERIES)?, JobName::new(DELIVER)?, payload)
    })
}

/// A job for each event that each target wants.
///
/// # Errors
/// [`StorageError`] when a row cannot be read.
pub fn delivery_jobs(
    targets: &[(TargetId, EventTypes)],
    rows: &[EventRow],
) -> Result<Vec<NewJob>, StorageError> {
    let mut jobs = Vec::new();
    for row in rows {
        for (number, kind) in row.types()? {
            for (target, _) in targets.iter().filter(|(_, types)| types.contains(kind)) {
                let bad = |error| StorageError::Unexpected("a bad job".to_owned(), Some(Box::new(error)));
                jobs.push(delivery(*target, number).map_err(bad)?);
            }
        }
    }
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{OwnerId, ProductId};
    use chrono::DateTime;

    use super::*;
    use crate::{EventType, NewEvents};

    #[test]
    fn each_target_gets_what_it_wants() {
        let mut new = NewEvents::new();
        new.stock_low(&ProductId::new("tea").unwrap(), 1, 5);
        let owner = OwnerId::new("ana").unwrap();
        new.cart_updated(&cartwright_domain::Cart::empty(owner));
        let packed = Some(new.packed().to_owned());
        let row = EventRow { first: 7, count: 2, at: DateTime::UNIX_EPOCH, packed };
        let targets = [
            (TargetId(1), EventTypes::ALL),
            (TargetId(2), EventType::CartUpdated.into()),
            (TargetId(3), EventType::OrderCreated.into()),
        ];
        let jobs = delivery_jobs(&targets, &[row]).unwrap();
        let keys: Vec<&str> = jobs.iter().map(|job| job.unique_key.as_ref().unwrap().as_str()).collect();
        assert_eq!(keys, ["webhook:1:7", "webhook:1:8", "webhook:2:8"]);
        assert_eq!(jobs[2].payload.as_str(), r#"{"target":2,"event":8}"#);
    }
}
