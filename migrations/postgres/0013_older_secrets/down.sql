ALTER TABLE webhook_targets DROP COLUMN older_secrets;
