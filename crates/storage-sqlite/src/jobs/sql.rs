//! Statements of the queue. There is one writer, so nothing changes between two of them in one transaction.
//!
//! `+` before a column keeps the planner off its index: rows are found by their ids.

/// What `finished_jobs` takes over from `jobs`.
macro_rules! moved_columns {
    () => {
        "id, queue, kind, priority, attempt, max_attempts, progress, run_at, created_at, started_at, worker, note, \
         unique_key, payload, failures"
    };
}

/// Numbers are given in the order of the array.
pub(super) const INSERT: &str = "\
    INSERT INTO jobs (queue, kind, state, priority, max_attempts, run_at, rank, unique_key, payload, created_at) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
           value ->> 8, value ->> 9 FROM json_each(?) WHERE true RETURNING id";

pub(crate) const UNFINISHED: &str = "\
    SELECT wanted.value, j.id FROM json_each(?) AS wanted CROSS JOIN jobs AS j \
        ON j.unique_key = wanted.value AND j.unique_key IS NOT NULL AND j.state < 3";

pub(crate) const PROMOTE: &str = "\
    UPDATE jobs SET state = 1 WHERE id IN (\
        SELECT id FROM jobs WHERE state = 0 AND run_at <= ? ORDER BY run_at LIMIT ?)";

pub(super) const SETTINGS: &str =
    "SELECT queue, paused, per_second, burst, tokens, refilled_at FROM job_queues";

pub(crate) const NEXT: &str =
    "SELECT id, rank FROM jobs WHERE state = 1 AND queue = ? ORDER BY rank, id LIMIT ?";

pub(super) const SPEND: &str = "\
    UPDATE job_queues SET tokens = s.value ->> 1, refilled_at = s.value ->> 2 FROM json_each(?) AS s \
    WHERE queue = s.value ->> 0";

/// `?`: worker, now, lease, ids.
pub(crate) const TAKE: &str = "\
    UPDATE jobs SET state = 2, fence = fence + 1, attempt = attempt + 1, worker = ?, started_at = ?, \
        lease_until = ?, cancel_requested = 0, progress = NULL, note = NULL \
    WHERE id IN (SELECT value FROM json_each(?)) \
    RETURNING id, fence, queue, kind, payload, priority, attempt, max_attempts, run_at, rank";

pub(super) const SEEN: &str = "\
    INSERT INTO job_workers (worker, queues, concurrency, started_at, seen_at, alive_until) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 3, value ->> 4 FROM json_each(?) WHERE true \
    ON CONFLICT (worker) DO UPDATE SET queues = excluded.queues, concurrency = excluded.concurrency, \
        seen_at = excluded.seen_at, alive_until = excluded.alive_until";

/// Jobs that are still held, with their fences, and whether somebody wants them cancelled.
pub(crate) const HELD: &str = "\
    SELECT j.id, j.fence, j.cancel_requested FROM json_each(?) AS wanted CROSS JOIN jobs AS j \
        ON j.id = wanted.value ->> 0 WHERE j.fence = wanted.value ->> 1 AND +j.state = 2";

/// `?`: lease; rows of id, progress, note.
pub(crate) const BEAT: &str = "\
    UPDATE jobs SET lease_until = ?, progress = coalesce(b.value ->> 1, progress), \
        note = coalesce(b.value ->> 2, note) FROM json_each(?) AS b WHERE jobs.id = b.value ->> 0";

pub(crate) const TO_CANCEL: &str =
    "SELECT id, fence FROM jobs WHERE state = 2 AND cancel_requested = 1 AND worker = ?";

/// `?`: state, now, ids.
pub(crate) const KEEP_FINISHED: &str = concat!(
    "INSERT INTO finished_jobs (state, finished_at, ",
    moved_columns!(),
    ") SELECT ?, ?, ",
    moved_columns!(),
    " FROM jobs WHERE id IN (SELECT value FROM json_each(?))"
);

pub(crate) const REMOVE: &str = "DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(?))";

/// `?`: when it ended, twice; rows of id, state, when it is due, and the error. Without one it was no attempt.
pub(crate) const FAIL: &str = "\
    UPDATE jobs SET state = f.value ->> 1, lease_until = NULL, attempt = attempt - (f.value ->> 3 IS NULL), \
        run_at = CASE WHEN f.value ->> 1 = 3 THEN run_at ELSE f.value ->> 2 END, \
        rank = (f.value ->> 2) - priority * 60000000, \
        failed_at = CASE WHEN f.value ->> 3 IS NULL THEN failed_at ELSE ? END, \
        failures = CASE WHEN f.value ->> 3 IS NULL THEN failures ELSE substr(failures || json_object(\
            'attempt', attempt, 'worker', worker, 'started_at', started_at, 'ended_at', ?, 'error', f.value ->> 3) \
            || char(10), -65536) END \
    FROM json_each(?) AS f WHERE jobs.id = f.value ->> 0";

pub(crate) const LOST: &str = "\
    SELECT id, attempt, max_attempts, cancel_requested FROM jobs WHERE state = 2 AND lease_until <= ? LIMIT ?";

pub(crate) const STATE: &str = "\
    SELECT state, unique_key FROM jobs WHERE id = ? UNION ALL SELECT state, unique_key FROM finished_jobs WHERE id = ?";

pub(super) const ASK: &str = "UPDATE jobs SET cancel_requested = 1 WHERE id = ?";

/// `?`: now, twice; id.
pub(super) const RETRY: &str = "UPDATE jobs SET state = 1, attempt = 0, run_at = ?, rank = ? - priority * 60000000, failed_at = NULL WHERE id = ?";

/// Dead letters in the order of their ids: each with its key, and whether another unfinished job has that. `?`: after
/// which id, and how many.
macro_rules! dead {
    ($index:literal, $of_queue:literal) => {
        concat!(
            "SELECT id, unique_key, unique_key IS NOT NULL AND EXISTS (\
                 SELECT 1 FROM jobs AS o WHERE o.unique_key = d.unique_key AND o.unique_key IS NOT NULL AND o.state < 3) \
             FROM jobs AS d INDEXED BY ",
            $index,
            " WHERE state = 3 AND id > ?",
            $of_queue,
            " ORDER BY id LIMIT ?"
        )
    };
}
pub(crate) const DEAD: &str = dead!("jobs_buried", "");
pub(crate) const DEAD_OF_QUEUE: &str = dead!("jobs_dead", " AND queue = ?");

/// `?`: now, twice; ids.
pub(crate) const RETRY_ALL: &str = "\
    UPDATE jobs SET state = 1, attempt = 0, run_at = ?, rank = ? - priority * 60000000, failed_at = NULL \
    WHERE id IN (SELECT value FROM json_each(?))";

/// Rows of slot, queue, what, bucket, and how many.
pub(super) const ADD_COUNTS: &str = "\
    INSERT INTO job_counts (slot, queue, what, bucket, n) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) WHERE true \
    ON CONFLICT (slot, queue, what, bucket) DO UPDATE SET n = n + excluded.n";

pub(super) const FORGET_COUNTS: &str = "DELETE FROM job_counts WHERE slot < ?";

pub(crate) const COUNTS: &str = "SELECT slot, queue, what, bucket, n FROM job_counts WHERE slot >= ?";

pub(crate) const PURGE: &str = "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state = 3 LIMIT ?)";

pub(crate) const PURGE_QUEUE: &str =
    "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state = 3 AND queue = ? LIMIT ?)";

pub(super) const PAUSE: &str = "\
    INSERT INTO job_queues (queue, paused) VALUES (?, ?) ON CONFLICT (queue) DO UPDATE SET paused = excluded.paused";

pub(super) const LIMIT: &str = "\
    INSERT INTO job_queues (queue, per_second, burst, tokens, refilled_at) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 2, value ->> 3 FROM json_each(?) WHERE true \
    ON CONFLICT (queue) DO UPDATE SET per_second = excluded.per_second, burst = excluded.burst, \
        tokens = excluded.tokens, refilled_at = excluded.refilled_at";

pub(super) const FORGET: &str = "DELETE FROM job_workers WHERE worker = ? OR seen_at < ?";

pub(crate) const WORKERS: &str = "\
    SELECT worker, queues, concurrency, started_at, seen_at, alive_until, \
        (SELECT count(*) FROM jobs AS j WHERE j.state = 2 AND j.worker = w.worker) \
    FROM job_workers AS w ORDER BY worker";

pub(crate) const CLEAN: &str = "\
    DELETE FROM finished_jobs WHERE id IN (\
        SELECT id FROM finished_jobs WHERE finished_at < ? ORDER BY finished_at LIMIT ?)";

/// A tick is returned when it is new.
pub(super) const TICK: &str = "\
    INSERT INTO job_schedules (schedule, tick) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true \
    ON CONFLICT (schedule) DO UPDATE SET tick = excluded.tick WHERE job_schedules.tick < excluded.tick \
    RETURNING schedule";

pub(super) const TICKS: &str = "\
    SELECT wanted.key, s.tick FROM json_each(?) AS wanted CROSS JOIN job_schedules AS s ON s.schedule = wanted.value";

/// The first queue after one that has jobs in a state. `?`: state, queue.
pub(crate) const NEXT_WAITING: &str = "SELECT min(queue) FROM jobs WHERE state = 1 AND queue > ?";
pub(crate) const NEXT_BURIED: &str = "SELECT min(queue) FROM jobs WHERE state = 3 AND queue > ?";

/// `?`: the queue and how many are counted.
pub(crate) const COUNT_WAITING: &str =
    "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 1 AND queue = ? LIMIT ?)";
pub(crate) const COUNT_BURIED: &str =
    "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 3 AND queue = ? LIMIT ?)";
pub(crate) const OLDEST: &str =
    "SELECT run_at FROM jobs WHERE state = 1 AND queue = ? ORDER BY rank, id LIMIT 1";

/// `?`: now, how many are counted. Queue, whether they are due, how many, and the oldest.
pub(super) const SCHEDULED: &str = "\
    SELECT queue, run_at <= ? AS due, count(*), min(run_at) \
    FROM (SELECT queue, run_at FROM jobs WHERE state = 0 ORDER BY run_at LIMIT ?) GROUP BY 1, 2";

pub(super) const RUNNING: &str =
    "SELECT queue, count(*) FROM (SELECT queue FROM jobs WHERE state = 2 LIMIT ?) GROUP BY queue";

/// `?`: since when, how many are counted.
pub(super) const DONE: &str = "\
    SELECT queue, count(*), avg(finished_at - started_at) / 1e6, avg(started_at - run_at) / 1e6 \
    FROM (SELECT * FROM finished_jobs WHERE finished_at > ? LIMIT ?) WHERE state = 4 GROUP BY queue";
