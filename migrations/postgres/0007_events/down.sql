DROP TABLE webhook_targets;
DROP TABLE event_progress;
DROP TABLE events;
