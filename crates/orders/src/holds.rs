//! Holds: units are kept for somebody for a while.

use std::{sync::Arc, time::Duration};

use cartwright_coherence::{Combiner, Run, Turn};
use cartwright_domain::{Hold, HoldError, HoldId, OwnerId, ProductId, Quantity};
use cartwright_storage::{
    HoldPolicy, HoldRequest, IdempotencyClaim, OrderBatch, Released, Renewal, Renewed, Reserved,
};
use chrono::TimeDelta;

use crate::{OrderService, OrdersError, admission::limits, service::Shared};

/// How long holds last, and how many there may be.
#[derive(Debug, Clone)]
pub struct HoldSettings {
    /// How long a hold lasts when nobody says.
    pub lasts: Duration,
    /// How long it lasts with all its renewals.
    pub at_most: Duration,
    /// Lines that one may have.
    pub lines: u32,
    /// Units that one may have, of all products together.
    pub units: u32,
    /// Holds that somebody may have at the same time.
    pub per_owner: u32,
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self {
            lasts: Duration::from_secs(600),
            at_most: Duration::from_secs(3_600),
            lines: 100,
            units: 1_000,
            per_owner: 10,
        }
    }
}

pub(crate) type Reservation = Result<Reserved, OrdersError>;

/// Wishes to hold that wait for the transaction before theirs.
pub(crate) fn reservations(shared: &Arc<Shared>) -> Combiner<HoldRequest, Reservation> {
    let run: Run<HoldRequest, Reservation> = {
        let shared = Arc::clone(shared);
        Arc::new(move |turn| Box::pin(reserve_together(Arc::clone(&shared), turn)))
    };
    Combiner::new(1, limits(&shared.settings), &shared.tasks, &run)
}

async fn reserve_together(shared: Arc<Shared>, turn: Turn<HoldRequest, Reservation>) {
    let reserve = async |requests: Vec<HoldRequest>| {
        let OrderBatch { outcomes, turned } =
            shared.store.reserve_holds(&requests, &shared.hold_policy()).await?;
        shared.tell(Vec::new(), turned);
        let made = outcomes.iter().filter(|outcome| matches!(outcome, Reserved::Done(_))).count();
        shared.figures.held.increment(made as u64);
        Ok(outcomes)
    };
    turn.carry_out(reserve).await;
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

impl Shared {
    fn hold_policy(&self) -> HoldPolicy {
        let settings = &self.settings.holds;
        HoldPolicy {
            clock: Arc::clone(&self.clock),
            lasts: delta(settings.lasts),
            at_most: delta(settings.at_most),
            lines: settings.lines,
            units: settings.units,
            per_owner: settings.per_owner,
        }
    }
}

impl OrderService {
    /// Keeps units for somebody, at the prices of the moment, for so long or as long as is configured. Whether that was done
    /// just now, or before: `false` and `true` of the second of the results. A hold becomes an order with
    /// [`buy`](Self::buy) and [`Purchase::Hold`](cartwright_domain::Purchase::Hold).
    ///
    /// # Errors
    /// [`OrdersError`]; nothing is held, except that [`OrdersError::Storage`] and [`OrdersError::Lost`] leave it open: what
    /// nobody knows of expires.
    pub async fn reserve(
        &self,
        owner: OwnerId,
        lines: Vec<(ProductId, Quantity)>,
        lasts: Option<Duration>,
        claim: Option<IdempotencyClaim>,
    ) -> Result<(Hold, bool), OrdersError> {
        let id = HoldId::new(self.shared.clock.now(), rand::random());
        let request = HoldRequest { id, owner, lines, lasts: lasts.map(delta), claim };
        let reserved = {
            let _accepted = self.shared.accept()?;
            self.reservations.submit(request, &self.shared.runtime)
        };
        match reserved.await?? {
            Reserved::Done(hold) => Ok((hold, false)),
            Reserved::Replayed(hold) => Ok((hold, true)),
            Reserved::Refused(error) => Err(OrdersError::NotHeld(error)),
            Reserved::KeyReused => Err(OrdersError::KeyReused),
            Reserved::KeyInFlight => Err(OrdersError::KeyInFlight),
        }
    }

    /// A hold, as it is now. `owner`: whose it must be; `None`: anybody's.
    ///
    /// # Errors
    /// [`OrdersError::NoHold`], and those of the store.
    pub async fn hold(&self, id: HoldId, owner: Option<&OwnerId>) -> Result<Hold, OrdersError> {
        let found = self.shared.store.holds(&[id]).await?.pop().flatten();
        let found = found.filter(|hold| owner.is_none_or(|owner| hold.owner == *owner));
        Ok(found.ok_or(OrdersError::NoHold)?.at(self.shared.clock.now()))
    }

    /// Keeps a hold for longer. One that has expired takes its units again, if they are there. Carried out to its end, also
    /// when the caller goes away.
    ///
    /// # Errors
    /// [`OrdersError::NoHold`], [`OrdersError::NotHeld`], and those of the store.
    pub async fn renew(
        &self,
        id: HoldId,
        owner: Option<OwnerId>,
        lasts: Option<Duration>,
    ) -> Result<Hold, OrdersError> {
        let source = HoldId::new(self.shared.clock.now(), rand::random());
        let renewal = Renewal { id, owner, lasts: lasts.map(delta), source };
        let renewed = self
            .to_its_end(
                |shared| async move { shared.store.renew_hold(&renewal, &shared.hold_policy()).await },
            )
            .await?;
        match renewed {
            Renewed::Done(hold) => Ok(hold),
            Renewed::Refused(error) => Err(OrdersError::NotHeld(error)),
            Renewed::Missing => Err(OrdersError::NoHold),
        }
    }

    /// Gives a hold back. One that has ended is answered as it is. Carried out to its end, also when the caller goes away.
    ///
    /// # Errors
    /// [`OrdersError::NoHold`], [`OrdersError::NotHeld`] when it has become an order, and those of the store.
    pub async fn release(&self, id: HoldId, owner: Option<OwnerId>) -> Result<Hold, OrdersError> {
        let released = self
            .to_its_end(|shared| async move {
                shared.store.release_hold(id, owner.as_ref(), shared.clock.now()).await
            })
            .await?;
        match released {
            Released::Done(hold) | Released::Already(hold) => Ok(hold),
            Released::Claimed(hold) => Err(OrdersError::NotHeld(HoldError::Ended(hold.status))),
            Released::Missing => Err(OrdersError::NoHold),
        }
    }

    /// Cleans up holds that have expired, so many at most: how many there were. The catalogue's caches hear of what is back.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn expire_holds(&self, limit: u32) -> Result<u64, OrdersError> {
        let expired = self
            .to_its_end(|shared| async move { shared.store.expire_holds(shared.clock.now(), limit).await })
            .await?;
        self.shared.figures.expired.increment(expired);
        Ok(expired)
    }
}
