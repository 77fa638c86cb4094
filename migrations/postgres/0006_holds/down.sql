-- What is held goes back into the stock, and the ledger forgets that it was away.
UPDATE products p SET stock = p.stock + l.units, moves = p.moves + 1
FROM (SELECT product_id, -sum(units) AS units FROM stock_ledger WHERE kind IN ('hold', 'release') GROUP BY product_id) l
WHERE p.id = l.product_id AND l.units <> 0;
-- Units that were sold out of a hold stay sold: a sale of as many stands beside what is removed here.
DELETE FROM stock_ledger WHERE kind IN ('hold', 'release');
DROP TRIGGER products_holds_truncated ON products;
DROP FUNCTION forget_holds;
ALTER TABLE stock_ledger
    DROP CONSTRAINT stock_ledger_kind_check,
    ADD CONSTRAINT stock_ledger_kind_check CHECK (kind IN ('sale', 'return', 'edit'));
DROP TABLE hold_lines, holds;
