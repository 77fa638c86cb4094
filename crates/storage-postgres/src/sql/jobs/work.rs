use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz},
};

use super::{super::statement, failures_with, moved_columns};

/// Jobs that are to be made: `$1` to `$9` of a statement, arrays in the order of `new_jobs!`.
#[derive(Debug)]
pub(crate) struct JobRows<'a> {
    pub(crate) queues: Vec<&'a str>,
    pub(crate) kinds: Vec<&'a str>,
    pub(crate) states: Vec<i16>,
    pub(crate) priorities: Vec<i16>,
    pub(crate) attempts: Vec<i16>,
    pub(crate) run_at: Vec<DateTime<Utc>>,
    pub(crate) ranks: Vec<DateTime<Utc>>,
    pub(crate) keys: Vec<Option<&'a str>>,
    pub(crate) payloads: Vec<&'a str>,
}

impl JobRows<'_> {
    pub(crate) fn bind<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param_value_only::<Array<Text>, _>(&self.queues)?;
        out.push_bind_param_value_only::<Array<Text>, _>(&self.kinds)?;
        out.push_bind_param_value_only::<Array<SmallInt>, _>(&self.states)?;
        out.push_bind_param_value_only::<Array<SmallInt>, _>(&self.priorities)?;
        out.push_bind_param_value_only::<Array<SmallInt>, _>(&self.attempts)?;
        out.push_bind_param_value_only::<Array<Timestamptz>, _>(&self.run_at)?;
        out.push_bind_param_value_only::<Array<Timestamptz>, _>(&self.ranks)?;
        out.push_bind_param_value_only::<Array<Nullable<Text>>, _>(&self.keys)?;
        out.push_bind_param_value_only::<Array<Text>, _>(&self.payloads)
    }
}

/// Makes `new` and `queued`: numbers for the jobs of [`JobRows`], and those that were made at the time `$10`. The others have
/// a key that is taken. Keys are taken in their order: two who make several jobs do not wait for each other in a circle.
macro_rules! new_jobs {
    () => {
        "new AS MATERIALIZED ( \
             SELECT nextval('jobs_id_seq') AS id, u.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                 WITH ORDINALITY AS u (queue, kind, state, priority, attempts, run_at, rank, key, payload, at)), \
         queued AS ( \
             INSERT INTO jobs (id, queue, kind, state, priority, max_attempts, run_at, rank, unique_key, payload, created_at) \
             SELECT id, queue, kind, state, priority, attempts, run_at, rank, key, payload, $10 FROM new \
             ORDER BY key COLLATE \"C\" NULLS FIRST, at \
             ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL AND state < 3 DO NOTHING RETURNING id)"
    };
}
pub(crate) use new_jobs;

statement! {
    /// Makes jobs: the numbers of all, in order, and of those that were made.
    InsertJobs<'a> {
        ..jobs: JobRows<'a>,
        now: DateTime<Utc> as Timestamptz,
    }
    (Array<BigInt>, Array<BigInt>)
    concat!("WITH ", new_jobs!(), " SELECT ARRAY(SELECT id FROM new ORDER BY at), ARRAY(SELECT id FROM queued)")
}

statement! {
    /// The unfinished jobs that have keys, each with the position of its key from 1.
    LoadUnfinished<'a> { keys: Vec<&'a str> as Array<Text> }
    (BigInt, BigInt)
    "SELECT u.at, j.id FROM unnest($1) WITH ORDINALITY AS u (key, at) CROSS JOIN LATERAL ( \
         SELECT id FROM jobs WHERE unique_key = u.key COLLATE \"C\" AND unique_key IS NOT NULL AND state < 3 LIMIT 1) j"
}

statement! {
    /// Lets jobs wait for a worker whose time has come. Those that somebody else is about to change are left to him.
    PromoteJobs { now: DateTime<Utc> as Timestamptz, limit: i64 as BigInt }
    ()
    "UPDATE jobs SET state = 1 WHERE ctid = ANY (ARRAY( \
         SELECT ctid FROM jobs WHERE state = 0 AND run_at <= $1 ORDER BY run_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
}

statement! {
    /// Locks the buckets of limited queues, so that a later statement sees what the others have taken.
    LockLimits<'a> { queues: Vec<&'a str> as Array<Text> }
    (Integer)
    "SELECT 1 FROM job_queues WHERE queue = ANY ($1) AND per_second IS NOT NULL ORDER BY queue FOR UPDATE"
}

statement! {
    /// The queues of which not everything may be taken.
    HeldBack<'a> { queues: Vec<&'a str> as Array<Text> }
    (Text)
    "SELECT queue FROM job_queues WHERE queue = ANY ($1) AND (paused OR per_second IS NOT NULL)"
}

statement! {
    /// Versions of jobs that nobody needs and that were not removed yet, as far as the server knows.
    DeadVersions {}
    (BigInt)
    "SELECT pg_stat_get_dead_tuples('jobs'::regclass)"
}

/// Id, fence, queue, kind, payload, priority, attempt, attempts, when it became due, and its rank.
pub(crate) type ClaimedRow = (i64, i32, String, String, String, i16, i16, i16, DateTime<Utc>, DateTime<Utc>);

statement! {
    /// Gives jobs to a worker. First it is found out how many of each queue are among the next ones, then so many of each
    /// are locked: all who claim at the same time get others. Both look from the same rank on.
    ClaimJobs<'a> {
        queues: Vec<&'a str> as Array<Text>,
        now: DateTime<Utc> as Timestamptz,
        limit: i64 as BigInt,
        worker: &'a str as Text,
        lease_until: DateTime<Utc> as Timestamptz,
        from: Vec<Option<DateTime<Utc>>> as Array<Nullable<Timestamptz>>,
    }
    (BigInt, Integer, Text, Text, Text, SmallInt, SmallInt, SmallInt, Timestamptz, Timestamptz)
    "WITH open AS MATERIALIZED ( \
         SELECT u.queue, coalesce(u.first, '-infinity') AS first, q.per_second IS NOT NULL AS limited, \
                least(q.burst, q.tokens + q.per_second \
                    * greatest(0, extract(epoch FROM $2 - q.refilled_at))::double precision) AS tokens \
         FROM unnest($1, $6) AS u (queue, first) LEFT JOIN LATERAL ( \
             SELECT * FROM job_queues WHERE queue = u.queue COLLATE \"C\" LIMIT 1) q ON true \
         WHERE q.paused IS NOT TRUE), \
     share AS MATERIALIZED ( \
         SELECT queue, first, count(*) AS n FROM ( \
             SELECT o.queue, o.first FROM open o CROSS JOIN LATERAL ( \
                 SELECT rank, id FROM jobs WHERE state = 1 AND queue = o.queue COLLATE \"C\" AND rank >= o.first \
                 ORDER BY rank, id \
                 LIMIT CASE WHEN o.limited THEN least($3, floor(o.tokens + 1e-9)::bigint) ELSE $3 END) j \
             ORDER BY j.rank, j.id LIMIT $3) AS next GROUP BY queue, first), \
     taken AS ( \
         UPDATE jobs SET state = 2, fence = fence + 1, attempt = attempt + 1, worker = $4, started_at = $2, \
                lease_until = $5, cancel_requested = false, progress = NULL, note = NULL \
         WHERE ctid = ANY (ARRAY( \
             SELECT j.at FROM share s CROSS JOIN LATERAL ( \
                 SELECT ctid AS at FROM jobs WHERE state = 1 AND queue = s.queue COLLATE \"C\" AND rank >= s.first \
                 ORDER BY rank, id LIMIT s.n FOR UPDATE SKIP LOCKED) j)) \
         RETURNING id, fence, queue, kind, payload, priority, attempt, max_attempts, run_at, rank), \
     spent AS ( \
         UPDATE job_queues q SET refilled_at = greatest($2, q.refilled_at), tokens = o.tokens \
             - (SELECT count(*) FROM taken t WHERE t.queue = q.queue) \
         FROM open o WHERE o.limited AND q.queue = o.queue COLLATE \"C\" \
             AND EXISTS (SELECT 1 FROM taken t WHERE t.queue = q.queue)) \
     SELECT * FROM taken"
}

statement! {
    /// Says that a worker lives, and renews the leases of its jobs: those that it still has, and whether they are to be
    /// cancelled. Few have progress to tell, so that is looked up by itself: a join of all would compare each with each.
    HeartbeatJobs<'a> {
        worker: &'a str as Text,
        worked_on: &'a str as Text,
        concurrency: i32 as Integer,
        now: DateTime<Utc> as Timestamptz,
        until: DateTime<Utc> as Timestamptz,
        ids: Vec<i64> as Array<BigInt>,
        fences: Vec<i32> as Array<Integer>,
        told: Vec<i64> as Array<BigInt>,
        progress: Vec<i16> as Array<SmallInt>,
        notes: Vec<String> as Array<Text>,
    }
    (BigInt, Integer, Bool)
    "WITH seen AS ( \
         INSERT INTO job_workers AS w (worker, queues, concurrency, started_at, seen_at, alive_until) \
         VALUES ($1, $2, $3, $4, $4, $5) ON CONFLICT (worker) DO UPDATE SET queues = excluded.queues, \
             concurrency = excluded.concurrency, seen_at = excluded.seen_at, alive_until = excluded.alive_until) \
     UPDATE jobs j SET lease_until = $5, \
         progress = coalesce((SELECT u.progress FROM unnest($8, $9) AS u (id, progress) WHERE u.id = j.id LIMIT 1), j.progress), \
         note = coalesce((SELECT u.note FROM unnest($8, $10) AS u (id, note) WHERE u.id = j.id LIMIT 1), j.note) \
     WHERE j.id = ANY ($6) AND (j.state = 2) IS TRUE \
         AND ((j.id, j.fence) IN (SELECT u.id, u.fence FROM unnest($6, $7) AS u (id, fence))) IS TRUE \
     RETURNING j.id, j.fence, j.cancel_requested"
}

statement! {
    /// The jobs of a worker that somebody wants cancelled.
    ToCancel<'a> { worker: &'a str as Text }
    (BigInt, Integer)
    "SELECT id, fence FROM jobs WHERE state = 2 AND cancel_requested AND worker = $1"
}

statement! {
    /// Moves jobs that have ended away from those that have not; if so wanted, only those that somebody wants cancelled.
    MoveFinished {
        ids: Vec<i64> as Array<BigInt>,
        fences: Vec<i32> as Array<Integer>,
        state: i16 as SmallInt,
        now: DateTime<Utc> as Timestamptz,
        only_unwanted: bool as Bool,
    }
    (BigInt, Integer)
    concat!("WITH gone AS ( \
         DELETE FROM jobs j WHERE j.id = ANY ($1) AND (j.state = 2) IS TRUE AND (j.cancel_requested OR NOT $5) \
             AND ((j.id, j.fence) IN (SELECT u.id, u.fence FROM unnest($1, $2) AS u (id, fence))) IS TRUE \
         RETURNING fence, ", moved_columns!(), "), \
     kept AS ( \
         INSERT INTO finished_jobs (state, finished_at, ", moved_columns!(), ") \
         SELECT $3, $4, ", moved_columns!(), " FROM gone) \
     SELECT id, fence FROM gone")
}

statement! {
    /// Ends attempts of jobs that go on waiting, or are dead. Without an error it was no attempt.
    FailJobs<'a> {
        ids: Vec<i64> as Array<BigInt>,
        fences: Vec<i32> as Array<Integer>,
        states: Vec<i16> as Array<SmallInt>,
        run_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        errors: Vec<Option<&'a str>> as Array<Nullable<Text>>,
        now: DateTime<Utc> as Timestamptz,
    }
    (BigInt, Integer)
    concat!("UPDATE jobs j SET state = u.state, lease_until = NULL, \
         attempt = j.attempt - (u.error IS NULL)::integer::smallint, \
         run_at = CASE WHEN u.state = 3 THEN j.run_at ELSE u.run_at END, \
         rank = u.run_at - j.priority * interval '1 minute', \
         failed_at = CASE WHEN u.error IS NULL THEN j.failed_at ELSE $6 END, \
         failures = CASE WHEN u.error IS NULL THEN j.failures ELSE ", failures_with!("$6", "u.error"), " END \
     FROM unnest($1, $2, $3, $4, $5) AS u (id, fence, state, run_at, error) \
     WHERE j.id = ANY ($1) AND j.id = u.id AND j.fence = u.fence AND (j.state = 2) IS TRUE AND NOT j.cancel_requested \
     RETURNING j.id, j.fence")
}

statement! {
    /// Takes back jobs whose lease has ended: how many run again, are dead, and were to be cancelled.
    TakeBackJobs<'a> {
        now: DateTime<Utc> as Timestamptz,
        limit: i64 as BigInt,
        error: &'a str as Text,
    }
    (BigInt, BigInt, BigInt)
    concat!("WITH lost AS MATERIALIZED ( \
         SELECT ctid AS at, cancel_requested AS unwanted FROM jobs WHERE state = 2 AND lease_until <= $1 LIMIT $2 \
         FOR UPDATE SKIP LOCKED), \
     gone AS ( \
         DELETE FROM jobs WHERE ctid = ANY (ARRAY(SELECT at FROM lost WHERE unwanted)) RETURNING ", moved_columns!(), "), \
     kept AS ( \
         INSERT INTO finished_jobs (state, finished_at, ", moved_columns!(), ") \
         SELECT 5, $1, ", moved_columns!(), " FROM gone), \
     again AS ( \
         UPDATE jobs j SET state = CASE WHEN j.attempt < j.max_attempts THEN 1 ELSE 3 END, lease_until = NULL, \
                run_at = CASE WHEN j.attempt < j.max_attempts THEN $1 ELSE j.run_at END, \
                rank = $1 - j.priority * interval '1 minute', failed_at = $1, failures = ", failures_with!("$1", "$3"), " \
         WHERE ctid = ANY (ARRAY(SELECT at FROM lost WHERE NOT unwanted)) RETURNING j.state) \
     SELECT (SELECT count(*) FROM again WHERE state = 1), (SELECT count(*) FROM again WHERE state = 3), \
            (SELECT count(*) FROM gone)")
}

statement! {
    /// Remembers ticks, and tells the schedules to which they are new.
    RunTicks<'a> { schedules: Vec<&'a str> as Array<Text>, ticks: Vec<DateTime<Utc>> as Array<Timestamptz> }
    (Text)
    "INSERT INTO job_schedules AS s (schedule, tick) SELECT * FROM unnest($1, $2) \
     ON CONFLICT (schedule) DO UPDATE SET tick = excluded.tick WHERE s.tick < excluded.tick RETURNING schedule"
}

statement! {
    /// The last ticks of schedules, each with the position of its schedule from 1.
    LastTicks<'a> { schedules: Vec<&'a str> as Array<Text> }
    (BigInt, Timestamptz)
    "SELECT u.at, s.tick FROM unnest($1) WITH ORDINALITY AS u (schedule, at) CROSS JOIN LATERAL ( \
         SELECT tick FROM job_schedules WHERE schedule = u.schedule COLLATE \"C\" LIMIT 1) s"
}
