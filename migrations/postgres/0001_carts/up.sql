-- Ids are ASCII. COLLATE "C" compares their bytes: the order is the same on every machine, whatever its locale,
-- and an upgrade of the system's collations cannot corrupt an index.

-- What can be bought, as far as carts need to know: names and prices. Read when a line is made.
CREATE TABLE products (
    id          text COLLATE "C" PRIMARY KEY,
    name        text        NOT NULL,
    price_minor bigint      NOT NULL CHECK (price_minor >= 0),
    currency    text COLLATE "C" NOT NULL CHECK (length(currency) = 3),
    active      boolean     NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- The one active cart of each owner that ever had one. A cart without a row is empty, at version 0.
-- `version` grows by one with every change, also when the cart is emptied. `quantities` and `lines` are JSON arrays in the
-- same order (`lines::jsonb` in a query): what changes most, and the rest, with names and prices as they were when each
-- product was first added, and times in microseconds since 1970.
-- Rows are rewritten with each change, hence the room left in the pages.
CREATE TABLE carts (
    owner      text COLLATE "C" PRIMARY KEY,
    version    bigint      NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    quantities text        NOT NULL,
    lines      text        NOT NULL
) WITH (fillfactor = 80);

-- What was answered to requests that carried an idempotency key, so that sending one again changes nothing.
-- `fingerprint` tells whether it is the same request; `answer` is JSON. Kept for a day.
CREATE TABLE idempotency_keys (
    principal   text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    fingerprint bytea       NOT NULL,
    answer      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (principal, key)
);

-- For forgetting old keys.
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);

-- Whether carts may be served from the shared cache. One row: `epoch` grows with every opening and closing, `opening`
-- says what was agreed at the opening, in JSON. `reopen_at` is when it may be opened again; it is later the more
-- closings in a row (`hasty_closings`) came within a minute of the opening before them.
CREATE TABLE cache_gate (
    id             smallint PRIMARY KEY CHECK (id = 1),
    epoch          bigint      NOT NULL,
    open           boolean     NOT NULL,
    opening        jsonb,
    opened_at      timestamptz,
    reopen_at      timestamptz NOT NULL,
    hasty_closings integer     NOT NULL DEFAULT 0,
    CHECK (open = (opening IS NOT NULL))
);

INSERT INTO cache_gate (id, epoch, open, reopen_at) VALUES (1, 0, false, now());
