-- What statistics have not counted yet: orders that were written together in one row, which goes when they are counted. (An
-- index by the transaction that wrote an order was a tenth of what orders cost, and those numbers begin anew after a restore.)
-- Without an index: it is short, and read from its beginning.
CREATE TABLE orders_to_count (
    orders uuid[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
-- What was written in batches of any size stays in its row, as it is.
ALTER TABLE orders_to_count ALTER COLUMN orders SET STORAGE MAIN;

INSERT INTO orders_to_count
    SELECT ARRAY[o.id] FROM orders o JOIN statistics_progress p ON (o.made_by, o.id) > (p.made_by, p.order_id);
DROP INDEX orders_by_transaction;
ALTER TABLE orders DROP COLUMN made_by;
ALTER TABLE statistics_progress DROP COLUMN made_by, DROP COLUMN order_id;
