//! What rules about holds are written with.

use cartwright_domain::{Clock, Hold, HoldError, HoldId, OrderId, Purchase, Quantity};
use cartwright_storage::{
    HoldPolicy, HoldRequest, OrderRequest, Released, Renewal, Renewed, Reserved, Stocked,
};
use chrono::TimeDelta;

use crate::{
    Kit,
    buying::id,
    kit::{owner, product},
};

/// How long a hold lasts in the rules.
pub const LASTS: TimeDelta = TimeDelta::seconds(60);
/// How long it lasts with all its renewals.
pub(crate) const AT_MOST: TimeDelta = TimeDelta::seconds(150);

/// One that no other hold of this process has.
pub(crate) fn hold_id() -> HoldId {
    id().uuid().into()
}

/// Somebody wants products kept, each so many times.
pub fn hold(name: &str, lines: &[(&str, i64)]) -> HoldRequest {
    let lines = lines.iter().map(|(id, units)| (product(id), Quantity::new(*units).unwrap())).collect();
    HoldRequest { id: hold_id(), owner: owner(name), lines, lasts: None, claim: None }
}

/// Somebody buys what is kept for him.
pub fn claiming(name: &str, hold: HoldId) -> OrderRequest {
    let id: OrderId = id();
    OrderRequest { id, owner: owner(name), purchase: Purchase::Hold(hold), expected_total: None, claim: None }
}

/// A renewal of a hold, whosever it is.
pub fn renewal(hold: HoldId) -> Renewal {
    Renewal { id: hold, owner: None, lasts: None, source: hold_id() }
}

impl Kit {
    /// What holds are decided by, with limits that no rule comes to by accident.
    pub fn holds_by(&self) -> HoldPolicy {
        let clock = self.clock.clone();
        HoldPolicy { clock, lasts: LASTS, at_most: AT_MOST, lines: 500, units: 10_000, per_owner: 50 }
    }

    pub(crate) async fn reserve(&self, request: HoldRequest) -> Reserved {
        let batch = self.store.reserve_holds(&[request], &self.holds_by()).await.unwrap();
        let [outcome] = &batch.outcomes[..] else { panic!("one outcome: {batch:?}") };
        outcome.clone()
    }

    /// A hold that must be made.
    pub(crate) async fn held(&self, name: &str, lines: &[(&str, i64)]) -> Hold {
        match self.reserve(hold(name, lines)).await {
            Reserved::Done(hold) => hold,
            other => panic!("expected a hold, got {other:?}"),
        }
    }

    pub(crate) async fn not_held(&self, request: HoldRequest) -> HoldError {
        match self.reserve(request).await {
            Reserved::Refused(error) => error,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    /// A hold as it is now.
    pub(crate) async fn hold(&self, id: HoldId) -> Option<Hold> {
        let mut holds = self.store.holds(&[id]).await.unwrap();
        assert_eq!(holds.len(), 1);
        Some(holds.remove(0)?.at(self.clock.now()))
    }

    pub(crate) async fn renew(&self, id: HoldId) -> Stocked<Renewed> {
        self.store.renew_hold(&renewal(id), &self.holds_by()).await.unwrap()
    }

    /// A renewal that must succeed.
    pub(crate) async fn renewed(&self, id: HoldId) -> Hold {
        match self.renew(id).await.outcome {
            Renewed::Done(hold) => hold,
            other => panic!("expected a renewal, got {other:?}"),
        }
    }

    pub(crate) async fn not_renewed(&self, id: HoldId) -> HoldError {
        match self.renew(id).await.outcome {
            Renewed::Refused(error) => error,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    pub(crate) async fn release(&self, id: HoldId) -> Stocked<Released> {
        self.store.release_hold(id, None, self.clock.now()).await.unwrap()
    }

    pub(crate) async fn sweep(&self) -> Stocked<u64> {
        self.store.expire_holds(self.clock.now(), 1000).await.unwrap()
    }
}
