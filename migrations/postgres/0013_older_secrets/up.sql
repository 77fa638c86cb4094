-- Secrets that were rotated out before `previous_secret`, and until when each is good, in microseconds since 1970, as JSON:
-- whoever rotates twice in a row cuts off nobody who has one of them.
ALTER TABLE webhook_targets ADD COLUMN older_secrets text NOT NULL DEFAULT '[]';
