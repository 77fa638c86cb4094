-- Jobs that are not finished. What is finished moves to `finished_jobs`, so that this table stays as small as there is
-- work.
--
-- state: 0 waits for its time, 1 waits for a worker, 2 runs, 3 is dead (it failed as often as it may).
-- `fence` grows with every claim: who comes with an older one has lost the job. `attempt` counts those claims that were
-- not given back. `failures` has one JSON object a line for each attempt that did not end well.
CREATE TABLE jobs (
    -- AUTOINCREMENT: the number of a job that is gone is not given out again.
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    priority INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL CHECK (max_attempts > 0),
    fence INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    progress INTEGER,
    run_at INTEGER NOT NULL,
    -- By what those that wait are sorted: when they became due, less a minute for each step of priority.
    rank INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    lease_until INTEGER,
    worker TEXT,
    note TEXT,
    unique_key TEXT,
    payload TEXT NOT NULL,
    failures TEXT NOT NULL DEFAULT ''
) STRICT;

-- One for each question that is asked all the time.
CREATE INDEX jobs_waiting ON jobs (queue, rank, id) WHERE state = 1;
CREATE INDEX jobs_scheduled ON jobs (run_at) WHERE state = 0;
CREATE INDEX jobs_running ON jobs (worker) WHERE state = 2;
CREATE INDEX jobs_to_cancel ON jobs (worker) WHERE state = 2 AND cancel_requested = 1;
CREATE INDEX jobs_dead ON jobs (queue, id) WHERE state = 3;
CREATE UNIQUE INDEX jobs_unfinished ON jobs (unique_key) WHERE unique_key IS NOT NULL AND state < 3;

-- Jobs that ended: 4 was done, 5 was cancelled. Written once, read by people, and removed after a while.
CREATE TABLE finished_jobs (
    id INTEGER NOT NULL PRIMARY KEY,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 4 AND 5),
    priority INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    progress INTEGER,
    run_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER NOT NULL,
    worker TEXT,
    note TEXT,
    unique_key TEXT,
    payload TEXT NOT NULL,
    failures TEXT NOT NULL
) STRICT;
CREATE INDEX finished_jobs_by_time ON finished_jobs (finished_at);

-- Queues that are or were paused or limited. `tokens` may be taken at once, since `refilled_at` more have come.
CREATE TABLE job_queues (
    queue TEXT NOT NULL PRIMARY KEY,
    paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    per_second REAL CHECK (per_second >= 0),
    burst INTEGER NOT NULL DEFAULT 1 CHECK (burst > 0),
    tokens REAL NOT NULL DEFAULT 1,
    refilled_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- The last run of each schedule.
CREATE TABLE job_schedules (
    schedule TEXT NOT NULL PRIMARY KEY,
    tick INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Workers that were heard of.
CREATE TABLE job_workers (
    worker TEXT NOT NULL PRIMARY KEY,
    queues TEXT NOT NULL,
    concurrency INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    alive_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
