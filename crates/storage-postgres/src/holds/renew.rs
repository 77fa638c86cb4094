//! A hold is kept for longer: one transaction, three round trips; when it has expired another one, with the products locked.

use std::collections::BTreeMap;

use cartwright_domain::{Hold, OwnerId, ProductId};
use cartwright_storage::{
    DecidedRenewal, HoldPolicy, KeptHold, NewEvents, Renewal, Renewed, StockForRenewal, Stocked,
    StorageError, decide_renewal,
};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use super::{
    give_back, move_stock, read,
    reserve::{count, counts, holders},
};
use crate::{
    events, lock_keys,
    orders::{TRIES, collided, read::offers},
    sql::{
        ExtendHold, ExtendHoldLines, HoldRow, LoadHolds, LockHolders, LockHolds, LockProductsOfHolds,
        OfferRow, RetakeHoldLines,
    },
    store::PostgresStore,
    transaction::{Failure, Transaction},
    write::check,
};

/// What one try came to.
enum Tried {
    Done(Stocked<Renewed>),
    /// It has expired: to be begun anew with the locks of its owner and its products, which come before its own.
    NeedsStock(OwnerId),
}

impl PostgresStore {
    pub(super) async fn renew(
        &self,
        renewal: &Renewal,
        policy: &HoldPolicy,
    ) -> Result<Stocked<Renewed>, StorageError> {
        let mut owner = None;
        for _ in 0..TRIES {
            let transaction = self.transaction().await?;
            match carry_out(&transaction, renewal, owner.as_ref(), policy, self.emission.stock_low).await {
                Ok(Tried::Done(renewed)) => {
                    transaction.commit().await?;
                    return Ok(renewed);
                }
                Ok(Tried::NeedsStock(of)) => {
                    transaction.roll_back_for_another_try(Failure::Overtaken).await?;
                    owner = Some(of);
                }
                Err(failure) => transaction.roll_back_for_another_try(failure).await?,
            }
        }
        Err(collided())
    }
}

/// With the owner, everything is locked that an expired hold needs.
async fn carry_out(
    transaction: &Transaction<'_>,
    renewal: &Renewal,
    owner: Option<&OwnerId>,
    policy: &HoldPolicy,
    low: u32,
) -> Result<Tried, Failure> {
    let connection = transaction.pipe();
    let ids = vec![renewal.id.uuid()];
    let (begun, stock, locked, held) = join!(
        transaction.begin(),
        stock(connection, renewal, owner, policy.clock.now()),
        LockHolds { ids: ids.clone() }.execute(&mut &*connection),
        LoadHolds { ids }.load::<(i64, HoldRow)>(&mut &*connection),
    );
    begun?;
    let stock = stock?;
    locked?;
    let kept = read::in_places(1, held?)?.pop().flatten();
    let now = policy.clock.now();
    let mut returned = Vec::new();
    let stock = match (stock, owner, &kept) {
        (Some((offered, kept_of)), Some(owner), Some(kept)) => {
            let of_owner = counts(kept_of)?.get(owner).copied().unwrap_or_default();
            let mut stock = StockForRenewal { products: offers(offered)?, kept: of_owner };
            let lacking = stock.lacking(kept);
            returned = give_back(connection, &lacking, &mut stock.products, now).await?;
            Some(stock)
        }
        _ => None,
    };
    match (decide_renewal(renewal, kept.as_ref(), stock.as_ref(), policy, now), kept) {
        (DecidedRenewal::Answered(outcome), _) => Ok(Tried::Done(Stocked { outcome, turned: returned })),
        (DecidedRenewal::NeedsStock, Some(kept)) => Ok(Tried::NeedsStock(kept.hold.owner)),
        (DecidedRenewal::Extended { hold, again }, Some(kept)) => {
            if let Some(stock) = &stock {
                let lines = again.iter().filter_map(|place| hold.lines.get(*place));
                let units = lines.map(|line| (&line.product_id, u32::from(line.quantity.get())));
                let mut told = NewEvents::new();
                told.stock_taken(units, |id| Some(stock.products.get(id)?.stock), low);
                events::insert(connection, &told, now).await?;
            }
            let sold_out = extend(connection, &kept, &hold, &again, stock.as_ref(), renewal, now).await?;
            let mut renewed = Stocked { outcome: Renewed::Done(hold), turned: sold_out };
            renewed.returned(returned);
            Ok(Tried::Done(renewed))
        }
        (_, None) => Err(StorageError::unexpected("a hold that is not there was renewed").into()),
    }
}

type StockRows = (Vec<OfferRow>, Vec<(String, i64)>);

/// Locks owner and products.
async fn stock(
    connection: &AsyncPgConnection,
    renewal: &Renewal,
    owner: Option<&OwnerId>,
    now: DateTime<Utc>,
) -> QueryResult<Option<StockRows>> {
    let Some(owner) = owner else { return Ok(None) };
    let owners = [owner];
    let (locked, kept, offered) = join!(
        LockHolders { class: lock_keys::HOLDERS, keys: holders(&owners) }.execute(&mut &*connection),
        count(connection, &owners, now),
        LockProductsOfHolds { ids: vec![renewal.id.uuid()] }.load::<OfferRow>(&mut &*connection),
    );
    locked?;
    Ok(Some((offered?, kept?)))
}

/// Writes a renewal. Returns the products of which nothing is left.
async fn extend(
    connection: &AsyncPgConnection,
    kept: &KeptHold,
    hold: &Hold,
    again: &[usize],
    stock: Option<&StockForRenewal>,
    renewal: &Renewal,
    now: DateTime<Utc>,
) -> Result<Vec<ProductId>, Failure> {
    let (id, expires_at) = (hold.id.uuid(), hold.expires_at);
    let taken: BTreeMap<ProductId, i64> = again
        .iter()
        .filter_map(|place| hold.lines.get(*place))
        .map(|line| (line.product_id.clone(), -i64::from(line.quantity.get())))
        .collect();
    let retake = async {
        if taken.is_empty() {
            return QueryResult::Ok(0);
        }
        let products = taken.keys().map(ProductId::as_str).collect();
        let source = renewal.source.uuid();
        RetakeHoldLines { id, products, source, expires_at, now }.execute(&mut &*connection).await
    };
    // The lines that are still there first: those that are taken again would be among them.
    let (held, there, again, moved) = join!(
        ExtendHold { id, expires_at }.execute(&mut &*connection),
        ExtendHoldLines { id, expires_at }.execute(&mut &*connection),
        retake,
        move_stock(connection, &taken, now),
    );
    check("holds", held?, 1)?;
    check("lines of a hold", there?, kept.there().count())?;
    check("lines of a hold", again?, taken.len())?;
    moved?;
    let nothing_left = |id: &&ProductId| {
        let left = stock.and_then(|stock| stock.products.get(*id)).map(|product| i64::from(product.stock));
        taken.get(*id).is_some_and(|taken| left == Some(-taken))
    };
    Ok(taken.keys().filter(nothing_left).cloned().collect())
}
