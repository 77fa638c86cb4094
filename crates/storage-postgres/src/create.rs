//! A product is made: in one statement, or with an idempotency key in one transaction.

use cartwright_domain::{NewProduct, Product, ProductId};
use cartwright_storage::{Created, IdempotencyClaim, StorageError};
use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use crate::{
    claims::{self, Claimed},
    read,
    sql::{CreateNumbered, CreateProduct, Details},
    store::PostgresStore,
    transaction::{Failure, Transaction},
    write::check,
};

/// How often a number is tried that somebody else takes at the same moment.
const TRIES: usize = 100;

impl PostgresStore {
    pub(crate) async fn create(
        &self,
        new: &NewProduct,
        claim: Option<&IdempotencyClaim>,
        now: DateTime<Utc>,
    ) -> Result<Created, StorageError> {
        match claim {
            None => created(new, self.run(async |connection| make(connection, new, now).await).await?, now),
            Some(claim) => self.in_time(self.create_once(new, claim, now)).await,
        }
    }

    /// Four round trips: begin, lock and read the key; make; keep the answer; commit.
    async fn create_once(
        &self,
        new: &NewProduct,
        claim: &IdempotencyClaim,
        now: DateTime<Utc>,
    ) -> Result<Created, StorageError> {
        let transaction = self.transaction().await?;
        match make_once(&transaction, new, claim, now).await {
            Ok(created) => transaction.commit().await.map(|()| created),
            Err(failure) => Err(transaction.roll_back(failure).await),
        }
    }
}

async fn make_once(
    transaction: &Transaction<'_>,
    new: &NewProduct,
    claim: &IdempotencyClaim,
    now: DateTime<Utc>,
) -> Result<Created, Failure> {
    let (connection, claims) = (transaction.pipe(), [claim]);
    let (begun, busy, rows) =
        join!(transaction.begin(), claims::lock(connection, &claims), claims::load(connection, &claims));
    begun?;
    let claimed = claims::try_again(connection, &claims, Claimed { busy: busy?, rows: rows? }).await?;
    if let Some(state) = claims::states(&claims, claimed, now)?.into_values().next() {
        return Ok(state.into());
    }
    let created = created(new, make(connection, new, now).await?, now)?;
    if let Created::Created(product) = &created {
        let rows = claims::keep([(claim, product)], now)?.execute(&mut { connection }).await?;
        check("kept answers", rows, 1)?;
    }
    Ok(created)
}

/// The id under which it was made. `None`: its own is taken, or every number was at that moment.
async fn make(
    mut connection: &AsyncPgConnection,
    new: &NewProduct,
    now: DateTime<Utc>,
) -> QueryResult<Option<String>> {
    let details = Details::of(&new.details);
    if let Some(id) = &new.id {
        let statement = CreateProduct { details, id: id.as_str(), now };
        let made = statement.get_result::<(String,)>(&mut connection).await.optional()?;
        return Ok(made.map(|(id,)| id));
    }
    let statement = CreateNumbered { details, now };
    // The first number is free, but for a client who chooses it at this very moment.
    for _ in 0..TRIES {
        let made = (&statement).get_result::<(String,)>(&mut connection).await.optional()?;
        if let Some((id,)) = made {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn created(new: &NewProduct, made: Option<String>, now: DateTime<Utc>) -> Result<Created, StorageError> {
    match (made, &new.id) {
        (Some(id), _) => {
            let id = ProductId::new(&id).map_err(read::bad("a number that is no id"))?;
            Ok(Created::Created(Product::create(id, new.details.clone(), now)))
        }
        (None, Some(_)) => Ok(Created::Exists),
        (None, None) => Err(StorageError::unexpected("every next number of a product was taken")),
    }
}
