//! Where orders go, decided in the order in which it was asked.

use std::collections::HashMap;

use cartwright_domain::{Order, OrderId, OrderStatus};
use chrono::{DateTime, Utc};

use super::{OrderStep, Stepped};

/// A step that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenStep {
    /// Of which order.
    pub id: OrderId,
    /// From where.
    pub from: OrderStatus,
    /// To where.
    pub to: OrderStatus,
    /// Why.
    pub reason: Option<String>,
}

/// What is to be answered and written.
#[derive(Debug)]
pub struct DecidedSteps {
    /// One for each step, in order.
    pub outcomes: Vec<Stepped>,
    /// The steps that are taken, in order.
    pub taken: Vec<TakenStep>,
    /// Orders that return what they took. Each once: nothing comes after such a status.
    pub returning: Vec<OrderId>,
}

/// Decides steps, the same for every store. `orders`: those that there are.
pub fn decide_steps(
    steps: &[OrderStep],
    mut orders: HashMap<OrderId, Order>,
    now: DateTime<Utc>,
) -> DecidedSteps {
    let mut decided = DecidedSteps { outcomes: Vec::new(), taken: Vec::new(), returning: Vec::new() };
    for step in steps {
        let order = orders.get_mut(&step.id);
        let mine = |order: &&mut Order| step.owner.as_ref().is_none_or(|owner| *owner == order.owner);
        let outcome = match order.filter(mine) {
            None => Stepped::Missing,
            Some(order) if order.status == step.to => Stepped::Already(order.clone()),
            Some(order) if !order.status.may_become(step.to) => Stepped::Forbidden(order.clone()),
            Some(order) => {
                let from = std::mem::replace(&mut order.status, step.to);
                order.updated_at = now;
                let (id, to, reason) = (step.id, step.to, step.reason.clone());
                decided.taken.push(TakenStep { id, from, to, reason });
                if to.returns_stock() {
                    decided.returning.push(id);
                }
                Stepped::Done { order: order.clone(), from }
            }
        };
        decided.outcomes.push(outcome);
    }
    decided
}
