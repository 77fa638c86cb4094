use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::Context;
use cartwright_cart::{CartService, CartServiceError, decode};
use cartwright_domain::{Cart, CartError, Command, OwnerId, ProductId, Quantity};
use cartwright_storage::CartRequest;
use tokio::task::JoinSet;

use super::{owner, products, random::scatter};
use crate::{cli::SeedOptions, progress::Progress};

/// Carts being filled at the same time: enough to keep the write transactions full, well below `carts.waiting`.
const AT_ONCE: u32 = 512;

/// Returns how many carts were filled, and how many were left alone.
pub(super) async fn fill(carts: &CartService, options: &SeedOptions) -> anyhow::Result<(u64, u64)> {
    let progress = Arc::new(Progress::new("carts", options.users));
    let next = Arc::new(AtomicU64::new(1));
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE.min(options.users) {
        let (carts, options, next) = (carts.clone(), Plan::of(options), Arc::clone(&next));
        let progress = Arc::clone(&progress);
        tasks.spawn(async move {
            let (mut filled, mut left) = (0, 0);
            while let Ok(n) = u32::try_from(next.fetch_add(1, Ordering::Relaxed)) {
                if n > options.users {
                    break;
                }
                let changed =
                    fill_cart(&carts, &options, n).await.with_context(|| format!("cart of {}", owner(n)))?;
                *(if changed { &mut filled } else { &mut left }) += 1;
                progress.add(1);
            }
            anyhow::Ok((filled, left))
        });
    }
    let (mut filled, mut left) = (0, 0);
    while let Some(outcome) = tasks.join_next().await {
        let (more_filled, more_left) = outcome??;
        filled += more_filled;
        left += more_left;
    }
    progress.end();
    Ok((filled, left))
}

/// Fills one cart, if nobody has written to it but an earlier, interrupted run of the same. Returns whether it did.
async fn fill_cart(carts: &CartService, plan: &Plan, n: u32) -> anyhow::Result<bool> {
    let owner = OwnerId::new(&owner(n))?;
    let lines = plan.lines_of(n)?;
    let add = |version: u64, (product_id, quantity): &(ProductId, Quantity)| {
        let (product_id, quantity) = (product_id.clone(), *quantity);
        let mut request =
            CartRequest::new(owner.clone(), Command::Add { product_id, quantity, product_data: None });
        // Each line expects the version that the line before it made: a cart in use is refused, not added to.
        request.expected = vec![version];
        carts.execute(request)
    };
    let mut lines = (0..).zip(lines.iter());
    let Some((version, first)) = lines.next() else { return Ok(false) };
    let mut present = 1;
    match add(version, first).await {
        Ok(_) => {}
        Err(CartServiceError::Refused { error: CartError::VersionMismatch { .. }, current }) => {
            present = plan.present(n, &decode(&current.body)?)?;
            if present == 0 || present >= u64::from(plan.lines) {
                return Ok(false);
            }
        }
        Err(error) => return Err(error.into()),
    }
    let rest = lines.filter(|(version, _)| *version >= present).map(|(version, line)| add(version, line));
    for outcome in futures_util::future::join_all(rest).await {
        match outcome {
            // Somebody else has begun to use the cart: it is theirs now.
            Ok(_) | Err(CartServiceError::Refused { error: CartError::VersionMismatch { .. }, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// What every cart looks like: a function of its number.
#[derive(Debug, Clone)]
struct Plan {
    users: u32,
    lines: u32,
    products: u32,
    seed: u64,
}

impl Plan {
    fn of(options: &SeedOptions) -> Self {
        let SeedOptions { users, lines, products, seed, .. } = *options;
        Self { users, lines, products, seed }
    }

    /// The lines of the n-th cart, with different products.
    fn lines_of(&self, n: u32) -> anyhow::Result<Vec<(ProductId, Quantity)>> {
        let first = scatter(self.seed ^ u64::from(n)) % u64::from(self.products);
        (0..u64::from(self.lines))
            .map(|line| {
                let product = (first + line) % u64::from(self.products) + 1;
                let quantity = 1 + scatter(self.seed ^ (u64::from(n) << 20 | line)) % 3;
                Ok((products::id(u32::try_from(product)?)?, Quantity::new(i64::try_from(quantity)?)?))
            })
            .collect()
    }

    /// How many of the n-th cart's lines an earlier run has put there. 0: somebody else has been at it.
    fn present(&self, n: u32, cart: &Cart) -> anyhow::Result<u64> {
        let lines = self.lines_of(n)?;
        let count = cart.lines().len();
        let ours = cart.version() == count as u64
            && count <= lines.len()
            && lines.iter().take(count).all(|(product_id, quantity)| {
                cart.line(product_id).is_some_and(|line| line.quantity == *quantity)
            });
        Ok(if ours { cart.version() } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_has_different_products_and_is_the_same_each_time() {
        let plan = Plan { users: 9, lines: 5, products: 7, seed: 1 };
        for n in 1..=9 {
            let lines = plan.lines_of(n).unwrap();
            let products: std::collections::HashSet<_> = lines.iter().map(|(product, _)| product).collect();
            assert_eq!(products.len(), 5);
            assert_eq!(lines, plan.lines_of(n).unwrap());
        }
        assert_ne!(plan.lines_of(1).unwrap(), plan.lines_of(2).unwrap());
        assert_ne!(plan.lines_of(1).unwrap(), Plan { seed: 2, ..plan }.lines_of(1).unwrap());
    }
}
