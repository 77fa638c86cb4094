-- Holds: stock that is kept for somebody for a while.

CREATE TABLE holds (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    -- One that has expired stays `active` until somebody gives back what it kept: whoever reads it looks at the time.
    status TEXT NOT NULL CHECK (status IN ('active', 'claimed', 'released', 'expired')),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- No renewal goes beyond it.
    until INTEGER NOT NULL CHECK (expires_at <= until),
    -- When it stopped to be active.
    ended_at INTEGER CHECK ((ended_at IS NULL) = (status = 'active')),
    -- What it became.
    order_id TEXT CHECK ((order_id IS NULL) = (status <> 'claimed')),
    -- Whether somebody was told that it is about to expire.
    warned INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX holds_by_expiry ON holds (expires_at) WHERE status = 'active';
CREATE INDEX holds_by_owner ON holds (owner, expires_at);
CREATE INDEX holds_unwarned ON holds (expires_at) WHERE status = 'active' AND warned = 0;
CREATE INDEX holds_by_end ON holds (ended_at) WHERE status <> 'active';

-- What is kept, at which price. Nothing of a line is written later but when the units are to come back, and which entry of
-- the ledger took them.
CREATE TABLE hold_lines (
    hold_id TEXT NOT NULL,
    product_id TEXT NOT NULL,
    name TEXT NOT NULL,
    price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    place INTEGER NOT NULL,
    -- The source in the ledger under which the units were last taken: they leave the hold under it, once.
    source TEXT NOT NULL,
    -- When whoever lacks units of the product may give these back. NULL: they are back, or sold.
    expires_at INTEGER,
    PRIMARY KEY (hold_id, product_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX hold_lines_by_product ON hold_lines (product_id, expires_at) WHERE expires_at IS NOT NULL;

-- A hold takes units under `hold`; under `release` they leave it, into the stock or into an order, which enters a `sale` of
-- as many. What is held is what these two come to, with the other sign. A check cannot be changed, hence a new table; the
-- triggers that write to it stand aside meanwhile.
DROP TRIGGER products_stocked;
DROP TRIGGER products_unstocked;
DROP TRIGGER products_restocked;
ALTER TABLE stock_ledger RENAME TO old_stock_ledger;
CREATE TABLE stock_ledger (
    number INTEGER NOT NULL PRIMARY KEY,
    source TEXT,
    product_id TEXT NOT NULL,
    kind TEXT NOT NULL
        CHECK (kind IN ('sale', 'return', 'edit', 'hold', 'release') AND (kind = 'edit') = (source IS NULL)),
    units INTEGER NOT NULL CHECK (units <> 0),
    at INTEGER NOT NULL,
    UNIQUE (source, product_id, kind)
) STRICT;
INSERT INTO stock_ledger SELECT number, source, product_id, kind, units, at FROM old_stock_ledger;
DROP TABLE old_stock_ledger;

CREATE TRIGGER products_stocked AFTER INSERT ON products WHEN new.stock > 0 BEGIN
    INSERT INTO stock_ledger (product_id, kind, units, at)
        VALUES (new.id, 'edit', new.stock, CAST(unixepoch('subsec') * 1000000 AS INTEGER));
END;
CREATE TRIGGER products_unstocked AFTER DELETE ON products WHEN old.stock > 0 BEGIN
    INSERT INTO stock_ledger (product_id, kind, units, at)
        VALUES (old.id, 'edit', -old.stock, CAST(unixepoch('subsec') * 1000000 AS INTEGER));
END;
CREATE TRIGGER products_restocked AFTER UPDATE OF stock ON products
WHEN old.stock <> new.stock AND old.moves = new.moves BEGIN
    INSERT INTO stock_ledger (product_id, kind, units, at)
        VALUES (new.id, 'edit', new.stock - old.stock, CAST(unixepoch('subsec') * 1000000 AS INTEGER));
END;
