-- When the last attempt of a job failed, if it failed and nobody has had the job tried anew since. What is failing at
-- present is found by it, latest first.
ALTER TABLE jobs ADD COLUMN failed_at timestamptz;
UPDATE jobs SET failed_at = coalesce(started_at, run_at) WHERE state = 3;
CREATE INDEX jobs_failed ON jobs (failed_at) WHERE failed_at IS NOT NULL;

-- Dead letters of all queues, by id: lists of them do not walk along everything that waits.
CREATE INDEX jobs_buried ON jobs (id) WHERE state = 3;

-- What workers have counted: attempts in slots of ten seconds. what: 0 how they ended, 1 how long the jobs had waited,
-- 2 how long the attempts took; bucket: the outcome, or a step of time (`Counted` in crates/storage).
-- Rows are added to for some seconds, and removed after an hour.
CREATE TABLE job_counts (
    slot   timestamptz NOT NULL,
    queue  text COLLATE "C" NOT NULL,
    what   smallint    NOT NULL,
    bucket smallint    NOT NULL,
    n      bigint      NOT NULL,
    PRIMARY KEY (slot, queue, what, bucket)
) WITH (fillfactor = 50);
