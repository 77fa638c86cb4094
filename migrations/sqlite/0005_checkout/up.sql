-- Orders that take stock, and the ledger of every movement of it.

-- The version of the cart that it was made of. NULL: of no cart.
ALTER TABLE orders ADD COLUMN cart_version INTEGER CHECK (cart_version > 0);
-- One order of each version of a cart, however often it is called for.
CREATE UNIQUE INDEX orders_of_carts ON orders (owner, cart_version) WHERE cart_version IS NOT NULL;
-- For lists of everybody's orders.
CREATE INDEX orders_by_age ON orders (created_at, id);

-- Lines stand in the order in which they were asked for.
ALTER TABLE order_lines ADD COLUMN place INTEGER NOT NULL DEFAULT 0;

-- The steps of an order after the first, which is its row.
CREATE TABLE order_transitions (
    order_number INTEGER NOT NULL REFERENCES orders (number),
    from_status TEXT NOT NULL,
    to_status TEXT NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT,
    -- No status comes twice.
    PRIMARY KEY (order_number, to_status)
) STRICT, WITHOUT ROWID;

-- Every movement of stock, and what it came from: an order's line that takes or returns units, or an edit, which has no
-- source. Rows are only added. The key makes sure that a source moves a product's stock once. A product that is removed
-- leaves its rows, which come to nothing.
CREATE TABLE stock_ledger (
    number INTEGER NOT NULL PRIMARY KEY,
    source TEXT,
    product_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('sale', 'return', 'edit') AND (kind = 'edit') = (source IS NULL)),
    units INTEGER NOT NULL CHECK (units <> 0),
    at INTEGER NOT NULL,
    UNIQUE (source, product_id, kind)
) STRICT;
INSERT INTO stock_ledger (product_id, kind, units, at)
    SELECT id, 'edit', stock, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM products WHERE stock > 0;

-- How often orders moved the stock. They bring their own rows of the ledger; every other change of stock, by whichever
-- program, is entered by the triggers below.
ALTER TABLE products ADD COLUMN moves INTEGER NOT NULL DEFAULT 0;

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
