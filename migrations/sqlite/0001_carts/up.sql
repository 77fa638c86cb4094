-- Times are whole microseconds since 1970, in UTC. Text is compared byte by byte (SQLite's BINARY), so that ids which
-- differ in case are different ids. STRICT: a column holds its type or the write fails.

-- What a cart needs of the catalogue. Prices are whole minor units of the currency.
CREATE TABLE products (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The one active cart of an owner. A cart that nobody has written to has no row.
CREATE TABLE carts (
    owner TEXT NOT NULL PRIMARY KEY,
    -- Grows by one with every change, also when the cart is emptied: no version is ever used twice.
    version INTEGER NOT NULL CHECK (version > 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- JSON arrays in the same order. Name and price of a line are those of the moment at which it was made.
    quantities TEXT NOT NULL,
    lines TEXT NOT NULL
) STRICT;

-- What was answered to requests that carried an idempotency key, so that a repetition gets the same answer. Rows older
-- than a day count as not there and are deleted in the background.
CREATE TABLE idempotency_keys (
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    -- A digest of the request: the same key with another request is refused.
    fingerprint BLOB NOT NULL,
    answer TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (principal, key)
) STRICT;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- The switch that says whether carts may be served from the shared cache. One row.
CREATE TABLE cache_gate (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- Grows by one at every opening and closing.
    epoch INTEGER NOT NULL,
    open INTEGER NOT NULL CHECK (open IN (0, 1)),
    -- What everybody agreed on, as JSON, while it is open.
    opening TEXT CHECK ((opening IS NOT NULL) = open),
    opened_at INTEGER NOT NULL,
    -- A closed gate is not opened before this, after the last closing's pause.
    reopen_at INTEGER NOT NULL,
    pause_ms INTEGER NOT NULL
) STRICT;
INSERT INTO cache_gate (id, epoch, open, opening, opened_at, reopen_at, pause_ms) VALUES (1, 0, 0, NULL, 0, 0, 0);
