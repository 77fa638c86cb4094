-- The job of a batch of orders names each of them. Quicker than the usual compression, where the server has it (14 and newer,
-- as most are built).
DO $$ BEGIN
    EXECUTE 'ALTER TABLE jobs ALTER COLUMN payload SET COMPRESSION lz4';
    EXECUTE 'ALTER TABLE finished_jobs ALTER COLUMN payload SET COMPRESSION lz4';
EXCEPTION WHEN others THEN NULL;
END $$;
