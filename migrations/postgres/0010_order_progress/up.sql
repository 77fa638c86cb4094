-- How far an order is that is being processed, as whoever works on it says. Most say nothing.
CREATE TABLE order_progress (
    order_id uuid     PRIMARY KEY,
    percent  smallint NOT NULL CHECK (percent BETWEEN 0 AND 100),
    note     text     NOT NULL,
    at       timestamptz NOT NULL
) WITH (fillfactor = 50);
