-- Holds: stock that is kept for somebody for a while.

CREATE TABLE holds (
    id         uuid PRIMARY KEY,
    owner      text COLLATE "C" NOT NULL,
    -- One that has expired stays `active` until somebody gives back what it kept: whoever reads it looks at the time.
    status     text COLLATE "C" NOT NULL CHECK (status IN ('active', 'claimed', 'released', 'expired')),
    currency   text COLLATE "C" NOT NULL CHECK (length(currency) = 3),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- No renewal goes beyond it.
    until      timestamptz NOT NULL CHECK (expires_at <= until),
    -- When it stopped to be active.
    ended_at   timestamptz CHECK ((ended_at IS NULL) = (status = 'active')),
    -- What it became.
    order_id   uuid CHECK ((order_id IS NULL) = (status <> 'claimed')),
    -- Whether somebody was told that it is about to expire.
    warned     boolean NOT NULL DEFAULT false
);
CREATE INDEX holds_by_expiry ON holds (expires_at)        WHERE status = 'active';
CREATE INDEX holds_by_owner  ON holds (owner, expires_at);
CREATE INDEX holds_unwarned  ON holds (expires_at)        WHERE status = 'active' AND NOT warned;
CREATE INDEX holds_by_end    ON holds (ended_at)          WHERE status <> 'active';

-- What is kept, at which price. Whoever writes a line has locked its hold, or makes it; nothing is written but when the
-- units are to come back, and which entry of the ledger took them.
CREATE TABLE hold_lines (
    hold_id     uuid     NOT NULL,
    product_id  text COLLATE "C" NOT NULL,
    name        text     NOT NULL,
    price_minor bigint   NOT NULL CHECK (price_minor >= 0),
    quantity    integer  NOT NULL CHECK (quantity > 0),
    place       smallint NOT NULL,
    -- The source in the ledger under which the units were last taken: they leave the hold under it, once.
    source      uuid     NOT NULL,
    -- When whoever lacks units of the product may give these back. NULL: they are back, or sold.
    expires_at  timestamptz,
    PRIMARY KEY (hold_id, product_id)
);
CREATE INDEX hold_lines_by_product ON hold_lines (product_id, expires_at) WHERE expires_at IS NOT NULL;

-- A hold takes units under `hold`; under `release` they leave it, into the stock or into an order, which enters a `sale` of
-- as many. What is held is what these two come to, with the other sign.
ALTER TABLE stock_ledger
    DROP CONSTRAINT stock_ledger_kind_check,
    ADD CONSTRAINT stock_ledger_kind_check CHECK (kind IN ('sale', 'return', 'edit', 'hold', 'release'));

-- Without products there is nothing to hold.
CREATE FUNCTION forget_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM hold_lines;
    DELETE FROM holds;
    RETURN NULL;
END $$;
CREATE TRIGGER products_holds_truncated AFTER TRUNCATE ON products
    FOR EACH STATEMENT EXECUTE FUNCTION forget_holds();
