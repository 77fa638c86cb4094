//! Events: written and numbered with what they tell of, passed on, read, removed.

mod outbox;
#[cfg(test)]
mod plans;
pub(crate) mod sql;
mod targets;

use async_trait::async_trait;
use cartwright_storage::{
    EventFigures, EventPage, EventQuery, EventRow, EventSink, EventStore, EventTypes, NewEvents, Publishing,
    Relayed, StorageError, event_page,
};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Nullable, Text},
};

use crate::{
    SqliteStore,
    connection::Transaction,
    error::storage_error,
    rows::{broken, time},
    statement::{Bind, Statement},
};

pub(crate) use outbox::insert;

#[async_trait]
impl EventStore for SqliteStore {
    async fn emit(&self, events: &NewEvents, now: DateTime<Utc>) -> Result<(), StorageError> {
        let events = events.clone();
        let emit = move |connection: &mut _| {
            let mut transaction = Transaction::begin(connection)?;
            insert(transaction.connection(), &events, now)?;
            transaction.commit()
        };
        self.write(emit).await
    }

    /// There is one writer: events were numbered, and deliveries made, when they were written.
    async fn relay_events(&self, _most: u32, _now: DateTime<Utc>) -> Result<Relayed, StorageError> {
        let [last, ..] = self.readers.run(progress).await?;
        Ok(Relayed { last, ..Relayed::default() })
    }

    async fn publish_events(&self, most: u32, sink: &dyn EventSink) -> Result<Publishing, StorageError> {
        // There is one process.
        let Ok(_turn) = self.publishing.try_lock() else { return Ok(Publishing::Busy) };
        let [numbered, after, _] = self.readers.run(progress).await?;
        if numbered == after {
            return Ok(Publishing::Published { upto: after, last: after });
        }
        let wanted = match sink.wanted().await {
            Ok(wanted) => wanted,
            Err(refused) => return Ok(Publishing::Failed(refused)),
        };
        let found = if wanted == EventTypes::NONE {
            EventPage::passed_over(numbered)
        } else {
            let query = EventQuery { after, types: wanted, owner: None, limit: most.max(1) };
            self.events(&query).await?
        };
        if !found.events.is_empty()
            && let Err(refused) = sink.publish(&found.events).await
        {
            return Ok(Publishing::Failed(refused));
        }
        if found.looked > after {
            let upto = signed(found.looked)?;
            let publish = move |connection: &mut _| {
                let binds = [Bind::Int(upto), Bind::Text("published")];
                Statement::<()>::new(sql::MOVE, &binds).execute(connection).map_err(storage_error)
            };
            self.write(publish).await?;
        }
        Ok(Publishing::Published { upto: found.looked, last: found.last })
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StorageError> {
        let query = query.clone();
        self.readers.run(move |connection| page(connection, &query)).await
    }

    async fn event_figures(&self, _now: DateTime<Utc>) -> Result<EventFigures, StorageError> {
        let [last, published, removed] = self.readers.run(progress).await?;
        Ok(EventFigures { last, published, removed, oldest_waiting: None })
    }

    async fn clean_events(&self, before: DateTime<Utc>, rows: u32) -> Result<u64, StorageError> {
        self.write(move |connection| clean(connection, before, rows)).await
    }
}

/// No number is that high.
fn signed(number: u64) -> Result<i64, StorageError> {
    i64::try_from(number).map_err(|error| broken("a number", error))
}

fn unsigned(number: i64) -> Result<u64, StorageError> {
    u64::try_from(number).map_err(|error| broken("a number", error))
}

/// How far events are numbered, published and removed.
fn progress(connection: &mut SqliteConnection) -> Result<[u64; 3], StorageError> {
    let (numbered, published, removed): (i64, i64, i64) =
        Statement::<(BigInt, BigInt, BigInt)>::new(sql::PROGRESS, &[])
            .get_result(connection)
            .map_err(storage_error)?;
    Ok([unsigned(numbered)?, unsigned(published)?, unsigned(removed)?])
}

type Row = (i64, i64, Option<i64>, Option<i64>, Option<i64>, Option<String>);

/// One statement, so that all of it is of one moment.
fn page(connection: &mut SqliteConnection, query: &EventQuery) -> Result<EventPage, StorageError> {
    let after = i64::try_from(query.after).unwrap_or(i64::MAX - 1).min(i64::MAX - 1);
    let binds = [Bind::Int(query.types.bits().into()), Bind::Int(after), Bind::Int(query.rows().into())];
    type Columns = (BigInt, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>, Nullable<Text>);
    let rows = Statement::<Columns>::new(sql::PAGE, &binds).load::<Row>(connection).map_err(storage_error)?;
    let Some((last, removed)) = rows.iter().map(|row| (row.0, row.1)).next() else {
        return Err(StorageError::unexpected("nobody knows how far events have come"));
    };
    let row = |(_, _, first, count, at, packed): Row| {
        let (first, count, at) = (first?, count?, at?);
        Some(
            unsigned(first)
                .and_then(|first| Ok(EventRow { first, count: unsigned(count)?, at: time(at)?, packed })),
        )
    };
    let rows = rows.into_iter().filter_map(row).collect::<Result<Vec<_>, StorageError>>()?;
    event_page(query, unsigned(last)?, unsigned(removed)?, &rows)
}

fn clean(connection: &mut SqliteConnection, before: DateTime<Utc>, rows: u32) -> Result<u64, StorageError> {
    let mut transaction = Transaction::begin(connection)?;
    let connection = transaction.connection();
    let binds = [Bind::Int(rows.into()), Bind::Int(before.timestamp_micros())];
    let gone: Vec<i64> =
        Statement::<BigInt>::new(sql::CLEAN, &binds).load(connection).map_err(storage_error)?;
    let Some(last) = gone.iter().max() else { return Ok(0) };
    let binds = [Bind::Int(*last), Bind::Text("removed")];
    Statement::<()>::new(sql::MOVE, &binds).execute(connection).map_err(storage_error)?;
    transaction.commit()?;
    Ok(u64::try_from(gone.len()).unwrap_or(u64::MAX))
}
