//! Jobs about carts that nobody has touched for long: they are told of, and later emptied.

use std::sync::Arc;

use cartwright_cart::{CartService, CartServiceError};
use cartwright_domain::{Cart, CartError, Clock, Command, SystemClock};
use cartwright_jobs::JobFailure;
use cartwright_storage::{CartRequest, ShopStore, StorageError};
use chrono::TimeDelta;
use futures_util::future::join_all;

use crate::config::Settings;

/// Carts that are told of in one transaction.
const TOLD_AT_ONCE: u32 = 500;
/// Carts that are emptied together.
const EMPTIED_AT_ONCE: u32 = 100;

/// Describes the metrics of this module.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        "cartwright_carts_expired_total",
        "Carts that this process emptied because nobody had touched them for long"
    );
}

/// What happens to them, and when.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// After so many hours they are told of as abandoned. `None`: they are not.
    abandoned: Option<TimeDelta>,
    /// After so long they are emptied. `None`: they are not.
    expired: Option<TimeDelta>,
    /// The same for owners whose ids begin like this.
    guests: Option<(String, TimeDelta)>,
}

impl Policy {
    pub(crate) fn of(settings: &Settings) -> Self {
        let carts = &settings.carts;
        let days = |days: u32| (days > 0).then(|| TimeDelta::days(days.into()));
        let abandoned = carts.abandoned_hours > 0 && settings.events.carts;
        Self {
            abandoned: abandoned.then(|| TimeDelta::hours(carts.abandoned_hours.into())),
            expired: days(carts.expire_days),
            guests: (!carts.guest_prefix.is_empty())
                .then(|| carts.guest_prefix.clone())
                .zip(days(carts.expire_guests_days)),
        }
    }

    /// Tells of some. Whether there may be more.
    pub(crate) async fn tell(&self, store: &Arc<dyn ShopStore>) -> Result<bool, StorageError> {
        let Some(abandoned) = self.abandoned else { return Ok(false) };
        let now = SystemClock.now();
        let (_told, more) = store.tell_abandoned(now - abandoned, TOLD_AT_ONCE, now).await?;
        Ok(more)
    }

    /// Empties some. Whether there may be more.
    pub(crate) async fn expire(
        &self,
        store: &Arc<dyn ShopStore>,
        carts: &CartService,
    ) -> Result<bool, JobFailure> {
        let mut more = false;
        if let Some(after) = self.expired {
            more |= walk(store, carts, "expired", after, |_| true).await?;
        }
        if let Some((prefix, after)) = &self.guests {
            let is_guest = |cart: &Cart| cart.owner().as_str().starts_with(prefix);
            more |= walk(store, carts, "expired.guests", *after, is_guest).await?;
        }
        Ok(more)
    }
}

/// A portion of a walk. It goes on when all of it is done: who dies before that does it again, which changes nothing.
async fn walk(
    store: &Arc<dyn ShopStore>,
    carts: &CartService,
    name: &str,
    after: TimeDelta,
    is_meant: impl Fn(&Cart) -> bool,
) -> Result<bool, JobFailure> {
    let found = store.left_alone(name, SystemClock.now() - after, EMPTIED_AT_ONCE).await?;
    let Some(upto) = found.upto else { return Ok(false) };
    let meant = found.carts.iter().filter(|cart| is_meant(cart));
    for emptied in join_all(meant.map(|cart| empty(carts, cart))).await {
        emptied?;
    }
    store.walked(name, &upto).await?;
    Ok(found.more)
}

/// By the service, so that caches and listeners know; unless somebody has touched it in between.
async fn empty(carts: &CartService, cart: &Cart) -> Result<(), CartServiceError> {
    let clear = CartRequest::new(cart.owner().clone(), Command::Clear);
    match carts.execute(CartRequest { expected: vec![cart.version()], ..clear }).await {
        Ok(_) => {
            metrics::counter!("cartwright_carts_expired_total").increment(1);
            Ok(())
        }
        Err(CartServiceError::Refused { error: CartError::VersionMismatch { .. }, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
