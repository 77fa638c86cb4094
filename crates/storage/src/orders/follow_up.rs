//! What orders leave to be done.

use std::{fmt, sync::Arc};

use cartwright_domain::Order;
use chrono::{DateTime, Utc};

use crate::{JobError, NewJob, StorageError};

type Make = dyn Fn(&[&Order], DateTime<Utc>) -> Result<Vec<NewJob>, JobError> + Send + Sync;

/// Makes the jobs for orders that are made together. They are put into the queue in the transaction of the orders: there
/// are none without orders, and no orders without them.
#[derive(Clone)]
pub struct FollowUp(Arc<Make>);

impl FollowUp {
    /// Makes jobs like this. It is given the orders of a batch, at least one, and the time at which they are made.
    pub fn new(
        make: impl Fn(&[&Order], DateTime<Utc>) -> Result<Vec<NewJob>, JobError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(make))
    }

    /// The jobs for these orders.
    ///
    /// # Errors
    /// [`StorageError::Unexpected`] when what was made cannot be jobs.
    pub fn jobs<'a>(
        &self,
        made: impl Iterator<Item = &'a Order>,
        now: DateTime<Utc>,
    ) -> Result<Vec<NewJob>, StorageError> {
        let made: Vec<&Order> = made.collect();
        if made.is_empty() {
            return Ok(Vec::new());
        }
        let jobs = (self.0)(&made, now);
        jobs.map_err(|error| StorageError::Unexpected("orders without jobs".into(), Some(Box::new(error))))
    }
}

/// Nothing is left to be done.
impl Default for FollowUp {
    fn default() -> Self {
        Self::new(|_, _| Ok(Vec::new()))
    }
}

impl fmt::Debug for FollowUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FollowUp")
    }
}
