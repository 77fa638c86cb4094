//! What orders tell of.

use cartwright_domain::ProductId;

use super::{DecidedOrders, DecidedSteps, Stepped};
use crate::{Emission, NewEvents};

impl DecidedOrders {
    /// What is told of when this is written.
    pub fn events(&self, emission: Emission) -> NewEvents {
        let mut events = NewEvents::new();
        if emission.carts {
            for change in &self.carts {
                events.cart_updated(&change.after);
            }
        }
        for order in self.made() {
            events.order_created(order);
        }
        events
    }

    /// The products of which less than so many are left, and were not before, with what is left: as far as what was read is
    /// exact.
    pub fn running_low(&self, threshold: u32) -> impl Iterator<Item = (&ProductId, u32)> {
        self.taken.iter().filter_map(move |(id, taken)| {
            let left = self.products.get(id)?.stock;
            (left < threshold && left.saturating_add(*taken) >= threshold).then_some((id, left))
        })
    }
}

impl DecidedSteps {
    /// Likewise.
    pub fn events(&self) -> NewEvents {
        let mut events = NewEvents::new();
        let done = self.outcomes.iter().filter_map(|outcome| match outcome {
            Stepped::Done { order, from } => Some((order, *from)),
            Stepped::Already(_) | Stepped::Forbidden(_) | Stepped::Missing => None,
        });
        for ((order, from), step) in done.zip(&self.taken) {
            events.order_changed(order, from, step.reason.as_deref());
        }
        events
    }
}
