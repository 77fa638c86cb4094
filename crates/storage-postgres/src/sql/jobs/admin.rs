use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Double, Integer, Nullable, SmallInt, Text, Timestamptz};

use super::{super::statement, moved_columns};

/// Id, queue, kind, payload, state, priority, made, due, attempt, attempts, key, to be cancelled; then worker, begun, lease,
/// progress, note, end and failures.
pub(crate) type RecordRow = (
    (i64, String, String, String, i16, i16, DateTime<Utc>, DateTime<Utc>, i16, i16, Option<String>, bool),
    (
        Option<String>,
        Option<DateTime<Utc>>,
        Option<DateTime<Utc>>,
        Option<i16>,
        Option<String>,
        Option<DateTime<Utc>>,
        String,
    ),
);

/// Their types.
pub(crate) type RecordColumns = (
    (
        BigInt,
        Text,
        Text,
        Text,
        SmallInt,
        SmallInt,
        Timestamptz,
        Timestamptz,
        SmallInt,
        SmallInt,
        Nullable<Text>,
        Bool,
    ),
    (
        Nullable<Text>,
        Nullable<Timestamptz>,
        Nullable<Timestamptz>,
        Nullable<SmallInt>,
        Nullable<Text>,
        Nullable<Timestamptz>,
        Text,
    ),
);

/// Columns of a record, of a job that is not finished. What can be large is a parameter: lists leave it out.
macro_rules! live_columns {
    ($payload:literal, $failures:literal) => {
        concat!(
            "id, queue, kind, ",
            $payload,
            ", state, priority, created_at, run_at, attempt, max_attempts, unique_key, \
             state = 2 AND cancel_requested, worker, started_at, lease_until, progress, note, NULL::timestamptz, ",
            $failures
        )
    };
}
pub(crate) use live_columns;

/// Likewise, of one that is.
macro_rules! finished_columns {
    ($payload:literal, $failures:literal) => {
        concat!(
            "id, queue, kind, ",
            $payload,
            ", state, priority, created_at, run_at, attempt, max_attempts, unique_key, \
             false, worker, started_at, NULL::timestamptz, progress, note, finished_at, ",
            $failures
        )
    };
}
pub(crate) use finished_columns;

statement! {
    /// Locks a job that is not finished: its state, and the other unfinished job that has its key.
    LockJob { id: i64 as BigInt }
    (SmallInt, Nullable<BigInt>)
    "SELECT j.state, (SELECT o.id FROM jobs o WHERE o.unique_key = j.unique_key AND o.unique_key IS NOT NULL \
                          AND o.state < 3 AND o.id <> j.id LIMIT 1) \
     FROM jobs j WHERE j.id = $1 FOR UPDATE OF j"
}

statement! {
    /// Whether a job is finished.
    StateOfJob { id: i64 as BigInt }
    (SmallInt)
    "SELECT state FROM finished_jobs WHERE id = $1"
}

statement! {
    /// Cancels a job that waits, or asks for it when it runs: how many of each.
    CancelJob { id: i64 as BigInt, now: DateTime<Utc> as Timestamptz }
    (BigInt, BigInt)
    concat!("WITH gone AS ( \
         DELETE FROM jobs WHERE id = $1 AND (state < 2) IS TRUE RETURNING ", moved_columns!(), "), \
     kept AS ( \
         INSERT INTO finished_jobs (state, finished_at, ", moved_columns!(), ") \
         SELECT 5, $2, ", moved_columns!(), " FROM gone), \
     asked AS ( \
         UPDATE jobs SET cancel_requested = true WHERE id = $1 AND (state = 2) IS TRUE RETURNING id) \
     SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM asked)")
}

statement! {
    /// Has a dead letter tried again.
    RetryJob { id: i64 as BigInt, now: DateTime<Utc> as Timestamptz }
    ()
    "UPDATE jobs SET state = 1, attempt = 0, run_at = $2, rank = $2 - priority * interval '1 minute', failed_at = NULL \
     WHERE id = $1 AND (state = 3) IS TRUE"
}

/// Has dead letters tried again: how many were looked at, how many wait now, and the highest id. Of several with one key
/// the first is; none whose key another unfinished job has.
///
/// Neither the order nor the comparison of ids is one that the primary key offers: along that, all that waits would be
/// looked at, and the planner does so when it takes the table for empty. What is left are the indexes of dead letters.
macro_rules! retry_dead {
    ($of_queue:literal) => {
        concat!(
            "WITH next AS MATERIALIZED ( \
                 SELECT ctid AS at, id, unique_key FROM jobs WHERE state = 3 AND (id > $1) IS TRUE",
            $of_queue,
            " ORDER BY id + 0 LIMIT $2 FOR UPDATE SKIP LOCKED), \
             numbered AS ( \
                 SELECT at, unique_key, row_number() OVER (PARTITION BY unique_key ORDER BY id) AS n FROM next), \
             free AS MATERIALIZED ( \
                 SELECT at FROM numbered k WHERE unique_key IS NULL OR n = 1 AND NOT EXISTS ( \
                     SELECT 1 FROM jobs o WHERE o.unique_key = k.unique_key AND o.unique_key IS NOT NULL AND o.state < 3)), \
             again AS ( \
                 UPDATE jobs SET state = 1, attempt = 0, run_at = $3, rank = $3 - priority * interval '1 minute', \
                        failed_at = NULL \
                 WHERE ctid = ANY (ARRAY(SELECT at FROM free)) RETURNING id) \
             SELECT (SELECT count(*) FROM next), (SELECT count(*) FROM again), (SELECT max(id) FROM next)"
        )
    };
}
pub(crate) use retry_dead;

statement! {
    /// Removes dead letters.
    PurgeDead<'a> { queue: Option<&'a str> as Nullable<Text>, limit: i64 as BigInt }
    ()
    "DELETE FROM jobs WHERE ctid = ANY (ARRAY( \
         SELECT ctid FROM jobs WHERE state = 3 AND (queue = $1 OR $1 IS NULL) LIMIT $2 FOR UPDATE SKIP LOCKED))"
}

statement! {
    /// Stops a queue, or lets it go on.
    PauseQueue<'a> { queue: &'a str as Text, paused: bool as Bool }
    ()
    "INSERT INTO job_queues (queue, paused) VALUES ($1, $2) ON CONFLICT (queue) DO UPDATE SET paused = excluded.paused"
}

statement! {
    /// Limits a queue.
    LimitQueue<'a> {
        queue: &'a str as Text,
        per_second: Option<f64> as Nullable<Double>,
        burst: i32 as Integer,
        now: DateTime<Utc> as Timestamptz,
    }
    ()
    "INSERT INTO job_queues (queue, per_second, burst, tokens, refilled_at) VALUES ($1, $2, $3, $3, $4) \
     ON CONFLICT (queue) DO UPDATE SET per_second = excluded.per_second, burst = excluded.burst, \
         tokens = excluded.tokens, refilled_at = excluded.refilled_at"
}

statement! {
    /// Forgets a worker, and those that were not heard of for long.
    ForgetWorkers<'a> { worker: Option<&'a str> as Nullable<Text>, before: DateTime<Utc> as Timestamptz }
    ()
    "DELETE FROM job_workers WHERE worker = $1 OR seen_at < $2"
}

statement! {
    /// Workers, each with how many jobs it has.
    ListWorkers {}
    (Text, Text, Integer, Timestamptz, Timestamptz, Timestamptz, BigInt)
    "SELECT worker, queues, concurrency, started_at, seen_at, alive_until, \
            (SELECT count(*) FROM jobs j WHERE j.state = 2 AND j.worker = w.worker) FROM job_workers w ORDER BY worker"
}

statement! {
    /// Removes jobs that have been finished for long.
    CleanFinished { before: DateTime<Utc> as Timestamptz, limit: i64 as BigInt }
    ()
    "DELETE FROM finished_jobs WHERE ctid = ANY (ARRAY( \
         SELECT ctid FROM finished_jobs WHERE finished_at < $1 ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
}

statement! {
    /// Adds to what was counted. Rows come in the order of their key: two who add do not wait for each other in a circle.
    AddCounts<'a> {
        slots: Vec<DateTime<Utc>> as Array<Timestamptz>,
        queues: Vec<&'a str> as Array<Text>,
        whats: Vec<i16> as Array<SmallInt>,
        buckets: Vec<i16> as Array<SmallInt>,
        counts: Vec<i64> as Array<BigInt>,
        forget_before: DateTime<Utc> as Timestamptz,
    }
    ()
    "WITH old AS (DELETE FROM job_counts WHERE slot < $6) \
     INSERT INTO job_counts AS c (slot, queue, what, bucket, n) SELECT * FROM unnest($1, $2, $3, $4, $5) \
     ON CONFLICT (slot, queue, what, bucket) DO UPDATE SET n = c.n + excluded.n"
}

/// Slot, queue, what, bucket, and how many.
pub(crate) type CountRow = (DateTime<Utc>, String, i16, i16, i64);

statement! {
    /// What was counted.
    CountsSince { slot: DateTime<Utc> as Timestamptz }
    (Timestamptz, Text, SmallInt, SmallInt, BigInt)
    "SELECT slot, queue, what, bucket, n FROM job_counts WHERE slot >= $1"
}

/// A queue, what is counted, how many there are, and two figures beside.
pub(crate) type QueueRow = (String, i16, i64, Option<f64>, Option<f64>);

statement! {
    /// How queues are doing. What is counted: 0 settings, 1 due, 2 waits for its time, 3 runs, 4 dead, 5 done.
    ///
    /// Which queues have jobs that wait is found by skipping along the index from one to the next.
    CountQueues { now: DateTime<Utc> as Timestamptz, most: i64 as BigInt }
    (Text, SmallInt, BigInt, Nullable<Double>, Nullable<Double>)
    "WITH RECURSIVE waiting AS ( \
         (SELECT queue FROM jobs WHERE state = 1 ORDER BY queue LIMIT 1) UNION ALL \
         SELECT n.queue FROM waiting w CROSS JOIN LATERAL ( \
             SELECT queue FROM jobs WHERE state = 1 AND queue > w.queue ORDER BY queue LIMIT 1) n), \
     buried AS ( \
         (SELECT queue FROM jobs WHERE state = 3 ORDER BY queue LIMIT 1) UNION ALL \
         SELECT n.queue FROM buried w CROSS JOIN LATERAL ( \
             SELECT queue FROM jobs WHERE state = 3 AND queue > w.queue ORDER BY queue LIMIT 1) n) \
     SELECT queue, 0::smallint, paused::integer::bigint, per_second, burst::double precision FROM job_queues UNION ALL \
     SELECT w.queue, 1::smallint, (SELECT count(*) FROM ( \
                SELECT 1 FROM jobs WHERE state = 1 AND queue = w.queue LIMIT $2) AS c), \
            (SELECT extract(epoch FROM $1 - run_at)::double precision FROM jobs \
             WHERE state = 1 AND queue = w.queue ORDER BY rank, id LIMIT 1), NULL FROM waiting w UNION ALL \
     SELECT queue, CASE WHEN run_at <= $1 THEN 1 ELSE 2 END::smallint, count(*), \
            greatest(0, extract(epoch FROM $1 - min(run_at)))::double precision, NULL \
     FROM (SELECT queue, run_at FROM jobs WHERE state = 0 ORDER BY run_at LIMIT $2) AS c GROUP BY 1, 2 UNION ALL \
     SELECT queue, 3::smallint, count(*), NULL, NULL FROM ( \
         SELECT queue FROM jobs WHERE state = 2 LIMIT $2) AS c GROUP BY queue UNION ALL \
     SELECT w.queue, 4::smallint, (SELECT count(*) FROM ( \
                SELECT 1 FROM jobs WHERE state = 3 AND queue = w.queue LIMIT $2) AS c), NULL, NULL FROM buried w UNION ALL \
     SELECT queue, 5::smallint, count(*), avg(extract(epoch FROM finished_at - started_at))::double precision, \
            avg(extract(epoch FROM started_at - run_at))::double precision \
     FROM (SELECT * FROM finished_jobs WHERE finished_at > $1 - interval '1 minute' LIMIT $2) AS c \
     WHERE state = 4 GROUP BY queue"
}
