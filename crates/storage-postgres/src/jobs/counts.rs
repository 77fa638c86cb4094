//! What workers have counted.

use cartwright_storage::{Counted, JobCount, StorageError};
use chrono::{DateTime, Utc};
use diesel_async::RunQueryDsl;

use super::work::name;
use crate::{
    read,
    sql::jobs::{AddCounts, CountRow, CountsSince},
    store::PostgresStore,
};

fn count((slot, queue, what, bucket, n): CountRow) -> Result<JobCount, StorageError> {
    let what = Counted::of_numbers(what, bucket)
        .ok_or_else(|| StorageError::unexpected("a count of what is not counted"))?;
    Ok(JobCount { slot, queue: name(&queue)?, what, n: read::count(n)? })
}

impl PostgresStore {
    pub(super) async fn add_all_counts(
        &self,
        counts: &[JobCount],
        forget_before: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let mut counts: Vec<&JobCount> = counts.iter().collect();
        counts.sort_by_key(|count| (count.slot, &count.queue, count.what));
        let numbers = || counts.iter().map(|count| count.what.numbers());
        let statement = AddCounts {
            slots: counts.iter().map(|count| count.slot).collect(),
            queues: counts.iter().map(|count| count.queue.as_str()).collect(),
            whats: numbers().map(|(what, _)| what).collect(),
            buckets: numbers().map(|(_, bucket)| bucket).collect(),
            counts: counts.iter().map(|count| i64::try_from(count.n).unwrap_or(i64::MAX)).collect(),
            forget_before,
        };
        self.run(async |connection| statement.execute(connection).await).await.map(drop)
    }

    pub(super) async fn counted_since(&self, slot: DateTime<Utc>) -> Result<Vec<JobCount>, StorageError> {
        let statement = CountsSince { slot };
        let rows: Vec<CountRow> = self.run(async |connection| statement.load(connection).await).await?;
        rows.into_iter().map(count).collect()
    }
}
