//! Carts that nobody has touched for long.

use async_trait::async_trait;
use cartwright_domain::{Cart, OwnerId};
use cartwright_storage::{KeptLines, LeftAlone, LeftAloneStore, NewEvents, StorageError, WalkPoint};
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};

use crate::{
    SqliteStore,
    connection::Transaction,
    error::storage_error,
    events,
    rows::{broken, time},
    statement::{Bind, Statement},
};

/// The walk that tells of abandoned carts.
const ABANDONED: &str = "abandoned";

const MICROS: i64 = 3_600_000_000;

const LOAD: &str = "SELECT hour, owner FROM cart_walks WHERE name = ?";

/// `?`: name, hour, owner. Never back.
const MOVE: &str = "\
    INSERT INTO cart_walks (name, hour, owner) VALUES (?, ?, ?) \
    ON CONFLICT (name) DO UPDATE SET hour = excluded.hour, owner = excluded.owner \
    WHERE (cart_walks.hour, cart_walks.owner) < (excluded.hour, excluded.owner)";

/// `?`: hour, owner; before which hour; how many.
pub(crate) const WALK: &str = "\
    SELECT touched, owner, version, created_at, updated_at, quantities, lines FROM carts \
    WHERE (touched, owner) > (?, ?) AND touched < ? ORDER BY touched, owner LIMIT ?";

/// Hour, owner, version, creation, change, quantities and lines.
type Row = (i64, String, i64, i64, i64, String, String);

/// How far a walk has come: the hour, in hours since 1970, and the owner.
fn walk(connection: &mut SqliteConnection, name: &str) -> Result<Option<(i64, String)>, StorageError> {
    Statement::<(BigInt, Text)>::new(LOAD, &[Bind::Text(name)])
        .get_result(connection)
        .optional()
        .map_err(storage_error)
}

fn go(connection: &mut SqliteConnection, name: &str, hour: i64, owner: &str) -> Result<(), StorageError> {
    let binds = [Bind::Text(name), Bind::Int(hour), Bind::Text(owner)];
    Statement::<()>::new(MOVE, &binds).execute(connection).map(drop).map_err(storage_error)
}

fn next(
    connection: &mut SqliteConnection,
    from: Option<&(i64, String)>,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<Row>, StorageError> {
    let (hour, owner) = from.map_or((i64::MIN, ""), |(hour, owner)| (*hour, owner.as_str()));
    let before = before.timestamp_micros().div_euclid(MICROS);
    let binds = [Bind::Int(hour), Bind::Text(owner), Bind::Int(before), Bind::Int(limit.into())];
    Statement::<(BigInt, Text, BigInt, BigInt, BigInt, Text, Text)>::new(WALK, &binds)
        .load(connection)
        .map_err(storage_error)
}

/// The carts that have something in them.
fn filled(rows: Vec<Row>) -> Result<Vec<Cart>, StorageError> {
    let cart = |(_, owner, version, created, updated, quantities, lines): Row| {
        let owner = OwnerId::new(&owner).map_err(|error| broken("an owner", error))?;
        let version = u64::try_from(version).map_err(|error| broken("a version", error))?;
        let lines = KeptLines { quantities: &*quantities, lines: &*lines }.read()?;
        Ok(Cart::from_parts(owner, version, lines, time(created)?, time(updated)?))
    };
    let carts = rows.into_iter().map(cart);
    carts.filter(|cart| cart.as_ref().map_or(true, |cart| !cart.lines().is_empty())).collect()
}

#[async_trait]
impl LeftAloneStore for SqliteStore {
    async fn left_alone(
        &self,
        name: &str,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<LeftAlone, StorageError> {
        let name = name.to_owned();
        let rows = self.readers.run(move |connection| {
            let from = walk(connection, &name)?;
            next(connection, from.as_ref(), before, limit)
        });
        let rows = rows.await?;
        let more = rows.len() >= limit as usize;
        let point = |row: &Row| {
            let owner = OwnerId::new(&row.1).map_err(|error| broken("an owner", error))?;
            Ok::<_, StorageError>(WalkPoint { hour: time(row.0.saturating_mul(MICROS))?, owner: Some(owner) })
        };
        let upto = rows.last().map(point).transpose()?;
        Ok(LeftAlone { carts: filled(rows)?, upto, more })
    }

    async fn walked(&self, name: &str, upto: &WalkPoint) -> Result<(), StorageError> {
        let (name, hour) = (name.to_owned(), upto.hour.timestamp_micros().div_euclid(MICROS));
        let owner = upto.owner.as_ref().map_or("", OwnerId::as_str).to_owned();
        self.write(move |connection| go(connection, &name, hour, &owner)).await
    }

    async fn tell_abandoned(
        &self,
        before: DateTime<Utc>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<(u64, bool), StorageError> {
        self.write(move |connection| tell(connection, before, limit, now)).await
    }
}

/// Nobody else writes meanwhile.
fn tell(
    connection: &mut SqliteConnection,
    before: DateTime<Utc>,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<(u64, bool), StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let Some(from) = walk(connection, ABANDONED)? else {
        go(connection, ABANDONED, before.timestamp_micros().div_euclid(MICROS), "")?;
        transaction.commit()?;
        return Ok((0, false));
    };
    let rows = next(connection, Some(&from), before, limit)?;
    let Some((hour, owner)) = rows.last().map(|row| (row.0, row.1.clone())) else { return Ok((0, false)) };
    let more = rows.len() >= limit as usize;
    let mut told = NewEvents::new();
    for cart in filled(rows)? {
        told.cart_abandoned(&cart);
    }
    events::insert(connection, &told, now)?;
    go(connection, ABANDONED, hour, &owner)?;
    transaction.commit()?;
    Ok((told.count().into(), more))
}
