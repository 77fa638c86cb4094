-- How far an order is that is being processed, as whoever works on it says. Most say nothing.
CREATE TABLE order_progress (
    order_id TEXT    NOT NULL PRIMARY KEY,
    percent  INTEGER NOT NULL CHECK (percent BETWEEN 0 AND 100),
    note     TEXT    NOT NULL,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
