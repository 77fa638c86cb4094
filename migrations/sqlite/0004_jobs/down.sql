DROP TABLE job_workers;
DROP TABLE job_schedules;
DROP TABLE job_queues;
DROP TABLE finished_jobs;
DROP TABLE jobs;
