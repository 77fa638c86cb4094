CREATE TABLE order_lines (
    order_id    uuid    NOT NULL,
    product_id  text COLLATE "C" NOT NULL,
    name        text    NOT NULL,
    price_minor bigint  NOT NULL CHECK (price_minor >= 0),
    quantity    integer NOT NULL CHECK (quantity > 0),
    place       smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, product_id)
);
INSERT INTO order_lines (order_id, product_id, name, price_minor, quantity, place)
    SELECT o.id, l.line ->> 0, l.line ->> 1, (l.line ->> 2)::bigint, (l.line ->> 3)::integer, l.place - 1
    FROM orders o CROSS JOIN json_array_elements(replace(o.lines, '\u0000', '\ufffd')::json) WITH ORDINALITY AS l (line, place);
ALTER TABLE orders
    DROP COLUMN lines,
    ALTER COLUMN status TYPE text COLLATE "C",
    ALTER COLUMN currency TYPE text COLLATE "C",
    ALTER COLUMN total_minor TYPE bigint,
    ALTER COLUMN cart_version TYPE bigint,
    ADD CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired')),
    ADD CHECK (length(currency) = 3),
    ADD CHECK (total_minor >= 0),
    ADD CHECK (cart_version > 0);
ALTER TABLE stock_ledger
    ALTER COLUMN kind TYPE text COLLATE "C",
    ALTER COLUMN units TYPE integer,
    ADD CHECK (kind IN ('sale', 'return', 'edit', 'hold', 'release')),
    ADD CHECK (units <> 0);
DROP DOMAIN order_status, currency_code, minor_units, written_version, ledger_kind, moved_units;
ALTER TABLE jobs ADD CHECK (state BETWEEN 0 AND 3), ADD CHECK (max_attempts > 0);
ALTER TABLE events ADD CHECK ((first IS NULL) = (numbered_at IS NULL)), ADD CHECK (count > 0);
