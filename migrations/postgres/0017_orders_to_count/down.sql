ALTER TABLE orders ADD COLUMN made_by xid8 NOT NULL DEFAULT '0';
UPDATE orders o SET made_by = pg_current_xact_id()
    FROM (SELECT unnest(orders) AS id FROM orders_to_count) AS u WHERE u.id = o.id;
ALTER TABLE orders ALTER COLUMN made_by SET DEFAULT pg_current_xact_id();
CREATE INDEX orders_by_transaction ON orders (made_by, id);
ALTER TABLE statistics_progress
    ADD COLUMN made_by xid8 NOT NULL DEFAULT '0',
    ADD COLUMN order_id uuid NOT NULL DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff';
ALTER TABLE statistics_progress ALTER COLUMN made_by DROP DEFAULT, ALTER COLUMN order_id DROP DEFAULT;
DROP TABLE orders_to_count;
