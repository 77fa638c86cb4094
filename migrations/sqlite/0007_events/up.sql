-- Events, as they were written in the transactions that they tell of: a row for each transaction, with all of its events
-- in a JSON array (`packed`). `types` has a bit for each type of event that is in it. `first` is the number of the first of
-- them, the others follow. There is one writer, so numbers are given at once, without gaps.
CREATE TABLE events (
    first INTEGER NOT NULL PRIMARY KEY,
    count INTEGER NOT NULL CHECK (count > 0),
    types INTEGER NOT NULL,
    at INTEGER NOT NULL,
    numbered_at INTEGER NOT NULL,
    packed TEXT NOT NULL
) STRICT;

-- How far things have come, by the number of an event: `numbered`, `published` to whom it may concern, `removed` because
-- they were old.
CREATE TABLE event_progress (
    name TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO event_progress VALUES ('numbered', 0, 0), ('published', 0, 0), ('removed', 0, 0);

-- Who wants to be told by HTTP. `types`: as above; -1 is all, also those that come to be later. Secrets are needed to sign
-- with, so they are here as they are.
CREATE TABLE webhook_targets (
    -- AUTOINCREMENT: the number of a target that is gone is not given out again.
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    url TEXT NOT NULL,
    types INTEGER NOT NULL,
    description TEXT NOT NULL,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    disabled_because TEXT,
    secret TEXT NOT NULL,
    -- Still good until then.
    previous_secret TEXT,
    previous_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- How the last delivery went.
    last_at INTEGER,
    last_event INTEGER,
    last_status INTEGER,
    last_error TEXT,
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
) STRICT;
