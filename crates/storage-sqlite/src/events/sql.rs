//! Statements of events.

/// `?`: how many, now. Times of numbering grow with the numbers, also when the clock goes back.
pub(super) const NUMBER: &str = "\
    UPDATE event_progress SET number = number + ?, at = max(at, ?) WHERE name = 'numbered' RETURNING number, at";

/// `?`: first number, how many, types, when, when numbered, and the events.
pub(super) const INSERT: &str =
    "INSERT INTO events (first, count, types, at, numbered_at, packed) VALUES (?, ?, ?, ?, ?, ?)";

/// `?`: types.
pub(super) const LISTENING: &str =
    "SELECT id, types FROM webhook_targets WHERE enabled = 1 AND types & ? <> 0 ORDER BY id";

/// How far events are numbered, published and removed.
pub(super) const PROGRESS: &str = "\
    SELECT (SELECT number FROM event_progress WHERE name = 'numbered'), \
           (SELECT number FROM event_progress WHERE name = 'published'), \
           (SELECT number FROM event_progress WHERE name = 'removed')";

/// `?`: up to where, and what.
pub(super) const MOVE: &str = "UPDATE event_progress SET number = max(number, ?) WHERE name = ?";

/// `?`: types; after which number; how many rows. There is at least one row.
pub(crate) const PAGE: &str = "\
    SELECT n.number, r.number, e.first, e.count, e.at, iif(e.types & ? <> 0, e.packed, NULL) \
    FROM event_progress AS n CROSS JOIN event_progress AS r LEFT JOIN events AS e \
        ON e.first >= coalesce((SELECT first FROM events WHERE first <= ? + 1 ORDER BY first DESC LIMIT 1), 0) \
    WHERE n.name = 'numbered' AND r.name = 'removed' ORDER BY e.first LIMIT ?";

/// `?`: how many rows, and before when they were numbered. The last number of each row that is gone.
pub(crate) const CLEAN: &str = "\
    DELETE FROM events WHERE first IN (\
        SELECT first FROM (SELECT first, numbered_at FROM events ORDER BY first LIMIT ?) WHERE numbered_at < ?) \
    RETURNING first + count - 1";

/// What a target is made of, in this order.
macro_rules! target_columns {
    () => {
        "id, url, types, description, enabled, disabled_because, secret, previous_secret, previous_until, older_secrets, \
         created_at, updated_at, last_at, last_event, last_status, last_error"
    };
}

/// `?`: a row of URL, types, description, enabled, secret, now; how many there may be.
pub(super) const ADD_TARGET: &str = concat!(
    "INSERT INTO webhook_targets (url, types, description, enabled, secret, created_at, updated_at) \
     SELECT t.value ->> 0, t.value ->> 1, t.value ->> 2, t.value ->> 3, t.value ->> 4, t.value ->> 5, t.value ->> 5 \
     FROM (SELECT ? AS value) AS t WHERE (SELECT count(*) FROM webhook_targets) < ? RETURNING ",
    target_columns!()
);

pub(super) const TARGETS: &str = concat!("SELECT ", target_columns!(), " FROM webhook_targets ORDER BY id");

/// `?`: id.
pub(super) const TARGET: &str = concat!("SELECT ", target_columns!(), " FROM webhook_targets WHERE id = ?");

/// `?`: a row of URL, types, description, enabled, now; id. What is null stays.
pub(super) const CHANGE_TARGET: &str = concat!(
    "UPDATE webhook_targets SET url = coalesce(t.value ->> 0, url), types = coalesce(t.value ->> 1, types), \
         description = coalesce(t.value ->> 2, description), enabled = coalesce(t.value ->> 3, enabled), \
         disabled_because = CASE WHEN t.value ->> 3 IS NULL THEN disabled_because END, updated_at = t.value ->> 4 \
     FROM (SELECT ? AS value) AS t WHERE id = ? RETURNING ",
    target_columns!()
);

/// `?`: a row of secret, the last one before and until when it is good, those before that, now; id; the present secret.
pub(super) const ROTATE: &str = concat!(
    "UPDATE webhook_targets SET secret = t.value ->> 0, previous_secret = t.value ->> 1, \
         previous_until = t.value ->> 2, older_secrets = t.value ->> 3, updated_at = t.value ->> 4 \
     FROM (SELECT ? AS value) AS t WHERE id = ? AND secret = ? RETURNING ",
    target_columns!()
);

/// `?`: id.
pub(super) const REMOVE_TARGET: &str = "DELETE FROM webhook_targets WHERE id = ?";

/// `?`: a row of when, event, status, error, and when one that is gone was last changed; id.
pub(super) const NOTE: &str = "\
    UPDATE webhook_targets SET last_at = t.value ->> 0, last_event = t.value ->> 1, last_status = t.value ->> 2, \
        last_error = t.value ->> 3, enabled = enabled AND updated_at IS NOT (t.value ->> 4), \
        disabled_because = iif(updated_at = t.value ->> 4, t.value ->> 3, disabled_because) \
    FROM (SELECT ? AS value) AS t \
    WHERE id = ? AND (last_at IS NULL OR last_at <= t.value ->> 0 OR updated_at = t.value ->> 4)";
