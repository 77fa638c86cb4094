//! From rows to holds.

use cartwright_domain::{Currency, Hold, HoldId, OrderId, OrderLine, OwnerId, ProductId, Quantity};
use cartwright_storage::{KeptHold, StorageError};

use crate::{orders::read::money, read::bad, sql::HoldRow};

/// Holds at the positions that their rows name, from 1, among so many.
pub(crate) fn in_places(
    length: usize,
    rows: Vec<(i64, HoldRow)>,
) -> Result<Vec<Option<KeptHold>>, StorageError> {
    let mut holds: Vec<Option<KeptHold>> = Vec::new();
    holds.resize_with(length, || None);
    for (at, row) in rows {
        let place = usize::try_from(at - 1).ok().and_then(|at| holds.get_mut(at));
        *place.ok_or_else(|| StorageError::unexpected("a hold that was not asked for"))? = Some(kept(row)?);
    }
    Ok(holds)
}

pub(super) fn kept(row: HoldRow) -> Result<KeptHold, StorageError> {
    let (
        id,
        owner,
        status,
        currency,
        created_at,
        expires_at,
        until,
        order,
        products,
        names,
        prices,
        quantities,
        gone,
    ) = row;
    let lines = products.into_iter().zip(names).zip(prices).zip(quantities);
    let lines = lines.map(|(((product, name), price), quantity)| {
        Ok(OrderLine {
            product_id: ProductId::new(&product).map_err(bad("a hold of a product with a bad id"))?,
            name,
            price: money(price, &currency)?,
            quantity: Quantity::new(quantity.into()).map_err(bad("a hold of too many"))?,
        })
    });
    let hold = Hold {
        id: HoldId::from(id),
        owner: OwnerId::new(&owner).map_err(bad("a hold of nobody"))?,
        status: status.parse().map_err(bad("a hold with an unknown status"))?,
        lines: lines.collect::<Result<_, StorageError>>()?,
        currency: Currency::new(&currency).map_err(bad("a hold in an unknown currency"))?,
        created_at,
        expires_at,
        until,
        order: order.map(OrderId::from),
    };
    Ok(KeptHold { hold, gone })
}
