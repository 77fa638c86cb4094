DROP TABLE job_counts;
DROP INDEX jobs_buried;
DROP INDEX jobs_failed;
ALTER TABLE jobs DROP COLUMN failed_at;
