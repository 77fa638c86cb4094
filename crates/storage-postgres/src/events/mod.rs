//! Events: written with what they tell of, numbered, passed on, read, removed.

mod targets;

use std::time::Duration;

use async_trait::async_trait;
use cartwright_storage::{
    EventFigures, EventPage, EventQuery, EventRow, EventSink, EventStore, EventTypes, NewEvents, Publishing,
    Relayed, StorageError, TargetId, delivery_jobs, event_page,
};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use crate::{
    jobs,
    products::finished,
    read::{bad, count},
    sql::{
        CleanEvents, CommitUnhurried, CountEvents, InsertEvents, ListenedTypes, LoadEvents, LoadProgress,
        LockProgress, MoveProgress, NumberEvents, NumberedRow, PageRow,
    },
    store::PostgresStore,
    transaction::{Failure, Transaction},
};

/// Rows that are numbered at once, at most; the statement says so, too.
const ROWS: usize = 1_000;

/// Writes events in the transaction of what they tell of: one row, which can be pipelined with other statements.
///
/// To be sent under the locks of what the events are about. Whoever gets those next also gets a later id, and is committed
/// later; so the events of a cart, or of an order, are numbered in the order in which they happened.
pub(crate) async fn insert(
    mut pipe: &AsyncPgConnection,
    events: &NewEvents,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    if events.is_empty() {
        return Ok(());
    }
    let count = count_of(events);
    let statement = InsertEvents { count, types: events.types().bits(), at: now, packed: events.packed() };
    statement.execute(&mut pipe).await.map(drop)
}

/// How many, as the column has it.
pub(crate) fn count_of(events: &NewEvents) -> i32 {
    i32::try_from(events.count()).unwrap_or(i32::MAX)
}

#[async_trait]
impl EventStore for PostgresStore {
    async fn emit(&self, events: &NewEvents, now: DateTime<Utc>) -> Result<(), StorageError> {
        self.run(async |connection| insert(connection, events, now).await).await
    }

    async fn relay_events(&self, most: u32, now: DateTime<Utc>) -> Result<Relayed, StorageError> {
        self.in_time(self.relay(most, now)).await
    }

    async fn publish_events(&self, most: u32, sink: &dyn EventSink) -> Result<Publishing, StorageError> {
        self.in_time(self.publish(most, sink)).await
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StorageError> {
        self.run(async |connection| load(connection, query).await).await.and_then(|rows| page(query, rows))
    }

    async fn event_figures(&self, now: DateTime<Utc>) -> Result<EventFigures, StorageError> {
        let row: (i64, i64, i64, Option<DateTime<Utc>>) =
            self.run(async |connection| CountEvents {}.get_result(connection).await).await?;
        let (last, published, removed, waiting) = row;
        Ok(EventFigures {
            last: count(last)?,
            published: count(published)?,
            removed: count(removed)?,
            // The clocks of two processes may disagree a little.
            oldest_waiting: waiting.map(|since| (now - since).to_std().unwrap_or(Duration::ZERO)),
        })
    }

    async fn clean_events(&self, before: DateTime<Utc>, rows: u32) -> Result<u64, StorageError> {
        let statement = CleanEvents { before, rows: rows.into() };
        let (removed,): (i64,) = self.run(async |connection| statement.get_result(connection).await).await?;
        count(removed)
    }
}

async fn load(mut connection: &AsyncPgConnection, query: &EventQuery) -> QueryResult<Vec<PageRow>> {
    // No number is that high.
    let after = i64::try_from(query.after).unwrap_or(i64::MAX - 1).min(i64::MAX - 1);
    let statement = LoadEvents { after, wanted: query.types.bits(), rows: query.rows().into() };
    statement.load(&mut connection).await
}

fn page(query: &EventQuery, rows: Vec<PageRow>) -> Result<EventPage, StorageError> {
    let Some((last, removed)) = rows.iter().map(|row| (row.0, row.1)).next() else {
        return Err(StorageError::unexpected("nobody knows how far events have come"));
    };
    let row = |(_, _, first, length, at, packed): PageRow| {
        let (first, length, at) = (first?, length?, at?);
        Some(numbered((first, length, at, packed)))
    };
    let rows = rows.into_iter().filter_map(row).collect::<Result<Vec<_>, _>>()?;
    event_page(query, count(last)?, count(removed)?, &rows)
}

fn numbered((first, length, at, packed): NumberedRow) -> Result<EventRow, StorageError> {
    Ok(EventRow { first: count(first)?, count: count(length.into())?, at, packed })
}

impl PostgresStore {
    /// Three round trips: the lock and the targets; the numbers; the deliveries, and the end. The lock is a row's, so it goes
    /// with the process that has it, however that ends.
    async fn relay(&self, most: u32, now: DateTime<Utc>) -> Result<Relayed, StorageError> {
        let transaction = self.transaction().await?;
        let (begun, locked, targets) = join!(
            transaction.begin(),
            LockProgress { name: "numbered" }.load::<(i64, DateTime<Utc>)>(&mut transaction.pipe()),
            ListenedTypes {}.load::<(i64, i32)>(&mut transaction.pipe()),
        );
        let (locked, targets) = match begun.and_then(|()| Ok((locked?, targets?))) {
            Ok(read) => read,
            Err(error) => return Err(transaction.roll_back(error.into()).await),
        };
        let Some((last, at)) = locked.into_iter().next() else {
            transaction.commit().await?;
            return Ok(Relayed::default());
        };
        let targets: Vec<(TargetId, EventTypes)> =
            targets.into_iter().map(|(id, types)| (TargetId(id), EventTypes::of_bits(types))).collect();
        let wanted = targets.iter().fold(EventTypes::NONE, |all, (_, types)| all.and(*types));
        // Times of numbering grow with the numbers, also when the clocks of two relays disagree.
        let now = now.max(at);
        let statement = NumberEvents { last, most: most.into(), now, wanted: wanted.bits() };
        let rows: Vec<NumberedRow> = match statement.load(&mut transaction.pipe()).await {
            Ok(rows) => rows,
            Err(error) => return Err(transaction.roll_back(error.into()).await),
        };
        let events: i64 = rows.iter().map(|row| i64::from(row.1)).sum();
        let relayed = Relayed { events: count(events)?, last: count(last + events)?, ..Relayed::default() };
        if rows.is_empty() {
            transaction.commit().await?;
            return Ok(relayed);
        }
        let more = relayed.events >= most.into() || rows.len() >= ROWS;
        let deliveries =
            rows.into_iter().map(numbered).collect::<Result<Vec<_>, _>>().and_then(|mut rows| {
                rows.sort_by_key(|row| row.first);
                delivery_jobs(&targets, &rows)
            });
        let deliveries = match deliveries {
            Ok(deliveries) => deliveries,
            Err(error) => return Err(transaction.roll_back(error.into()).await),
        };
        let (moved, made, committed) = join!(
            MoveProgress { name: "numbered", number: last + events, at: now }
                .execute(&mut transaction.pipe()),
            jobs::insert(transaction.pipe(), &deliveries, now),
            transaction.pipe_commit(),
        );
        finished(transaction, moved.and(made), committed).await?;
        let deliveries = u64::try_from(deliveries.len()).unwrap_or(u64::MAX);
        Ok(Relayed { deliveries, more, ..relayed })
    }

    /// The sink is asked inside of the transaction: nobody else publishes meanwhile, and if this process dies, the lock goes
    /// with its connection.
    async fn publish(&self, most: u32, sink: &dyn EventSink) -> Result<Publishing, StorageError> {
        let transaction = self.transaction().await?;
        let (begun, locked, numbered) = join!(
            transaction.begin(),
            LockProgress { name: "published" }.load::<(i64, DateTime<Utc>)>(&mut transaction.pipe()),
            LoadProgress { name: "numbered" }.get_result::<(i64,)>(&mut transaction.pipe()),
        );
        let (locked, (numbered,)) = match begun.and_then(|()| Ok((locked?, numbered?))) {
            Ok(read) => read,
            Err(error) => return Err(transaction.roll_back(error.into()).await),
        };
        let Some((after, at)) = locked.into_iter().next() else {
            transaction.commit().await?;
            return Ok(Publishing::Busy);
        };
        if numbered == after {
            transaction.commit().await?;
            let upto = count(after)?;
            return Ok(Publishing::Published { upto, last: upto });
        }
        let wanted = match sink.wanted().await {
            Ok(wanted) => wanted,
            Err(refused) => {
                transaction.commit().await?;
                return Ok(Publishing::Failed(refused));
            }
        };
        let found = match part(&transaction, (after, numbered), wanted, most).await {
            Ok(found) => found,
            Err(failure) => return Err(transaction.roll_back(failure).await),
        };
        if !found.events.is_empty()
            && let Err(refused) = sink.publish(&found.events).await
        {
            transaction.commit().await?;
            return Ok(Publishing::Failed(refused));
        }
        let number = i64::try_from(found.looked).map_err(bad("a number too large"))?;
        // A crash of the server that forgets how far it was has the last moments published once more.
        let (unhurried, moved, committed) = join!(
            CommitUnhurried {}.execute(&mut transaction.pipe()),
            MoveProgress { name: "published", number, at }.execute(&mut transaction.pipe()),
            transaction.pipe_commit(),
        );
        finished(transaction, unhurried.and(moved), committed).await?;
        Ok(Publishing::Published { upto: found.looked, last: found.last })
    }
}

/// What is to be published next. Nothing is read when nobody wants anything.
async fn part(
    transaction: &Transaction<'_>,
    (after, numbered): (i64, i64),
    wanted: EventTypes,
    most: u32,
) -> Result<EventPage, Failure> {
    if wanted == EventTypes::NONE {
        return Ok(EventPage::passed_over(count(numbered)?));
    }
    let query = EventQuery { after: count(after)?, types: wanted, owner: None, limit: most.max(1) };
    let rows = load(transaction.pipe(), &query).await?;
    Ok(page(&query, rows)?)
}
