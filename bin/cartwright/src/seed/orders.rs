use cartwright_domain::{Currency, OrderId, OrderLine, OwnerId, Quantity};
use cartwright_storage::PastOrder;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    products::{popular, product},
    random::Dice,
};
use crate::seed::owner;

/// Which stream of numbers orders are made of.
const ORDERS: u64 = 2;
/// Over how many days they are spread, the latest ones the densest.
const DAYS: u32 = 90;
/// Products with neighbouring popularity that are bought together.
const CIRCLE: u64 = 8;

/// What all orders depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    pub(crate) seed: u64,
    pub(crate) users: u32,
    pub(crate) products: u32,
    /// The day of the latest ones.
    pub(crate) today: DateTime<Utc>,
}

impl Orders {
    /// The n-th order: a function of its number and the day.
    pub(crate) fn order(&self, n: u32) -> anyhow::Result<PastOrder> {
        let mut dice = Dice::of(self.seed, ORDERS, n.into());
        let owner = OwnerId::new(&owner(dice.rank(self.users)))?;
        // What somebody came for, by its popularity, and some of what others buy with it.
        let first = dice.rank(self.products);
        let circle = u64::from(first) / CIRCLE * CIRCLE;
        let mut ranks = vec![first];
        for _ in 0..dice.below(4) {
            let near = u32::try_from(circle + dice.below(CIRCLE))?.clamp(1, self.products);
            let any = dice.rank(self.products);
            let next = if dice.below(10) < 8 { near } else { any };
            if !ranks.contains(&next) {
                ranks.push(next);
            }
        }
        let mut lines = Vec::with_capacity(ranks.len());
        for rank in ranks {
            let product = product(self.seed, popular(rank, self.products))?;
            lines.push(OrderLine {
                product_id: product.id,
                name: product.name.to_string(),
                price: product.price,
                quantity: Quantity::new(i64::try_from(1 + dice.below(3))?)?,
            });
        }
        let ago = TimeDelta::days((dice.rank(DAYS) - 1).into())
            + TimeDelta::seconds(i64::try_from(dice.below(86_400))?);
        let created_at = self.today - ago;
        let random = (u128::from(dice.next()) << 64 | u128::from(dice.next())).to_be_bytes();
        let [random @ .., _, _, _, _, _, _] = random;
        Ok(PastOrder {
            id: OrderId::new(created_at, random),
            owner,
            status: if dice.below(50) == 0 { "cancelled".to_owned() } else { "completed".to_owned() },
            currency: Currency::USD,
            lines,
            created_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn orders_are_the_same_each_time_and_popular_products_are_bought_often() {
        let today = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let orders = Orders { seed: 1, users: 100, products: 1000, today };
        assert_eq!(orders.order(7).unwrap(), orders.order(7).unwrap());
        let made: Vec<_> = (1..=2000).map(|n| orders.order(n).unwrap()).collect();
        assert_eq!(made.iter().map(|order| &order.id).collect::<HashSet<_>>().len(), made.len());
        let best = super::super::products::id(popular(1, 1000)).unwrap();
        let of_best =
            made.iter().flat_map(|order| &order.lines).filter(|line| line.product_id == best).count();
        assert!(of_best > 100, "{of_best}");
        for order in &made {
            let products: HashSet<_> = order.lines.iter().map(|line| &line.product_id).collect();
            assert_eq!(products.len(), order.lines.len(), "each product once");
            assert!(
                order.created_at <= today && order.created_at > today - TimeDelta::days(i64::from(DAYS) + 1)
            );
        }
    }
}
