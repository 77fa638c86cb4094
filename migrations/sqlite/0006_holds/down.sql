-- What is held goes back into the stock, and the ledger forgets that it was away. Units that were sold out of a hold stay
-- sold: a sale of as many stands beside what is removed here.
UPDATE products SET stock = stock + held.units, moves = moves + 1
FROM (SELECT product_id, -sum(units) AS units FROM stock_ledger WHERE kind IN ('hold', 'release') GROUP BY product_id)
    AS held
WHERE products.id = held.product_id AND held.units <> 0;

DROP TRIGGER products_stocked;
DROP TRIGGER products_unstocked;
DROP TRIGGER products_restocked;
ALTER TABLE stock_ledger RENAME TO old_stock_ledger;
CREATE TABLE stock_ledger (
    number INTEGER NOT NULL PRIMARY KEY,
    source TEXT,
    product_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('sale', 'return', 'edit') AND (kind = 'edit') = (source IS NULL)),
    units INTEGER NOT NULL CHECK (units <> 0),
    at INTEGER NOT NULL,
    UNIQUE (source, product_id, kind)
) STRICT;
INSERT INTO stock_ledger SELECT number, source, product_id, kind, units, at FROM old_stock_ledger
    WHERE kind NOT IN ('hold', 'release');
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
DROP TABLE hold_lines;
DROP TABLE holds;
