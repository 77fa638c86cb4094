CREATE INDEX order_lines_by_product ON order_lines (product_id);
DROP INDEX orders_by_owner;
CREATE INDEX orders_by_owner ON orders (owner, created_at, id);
CREATE INDEX orders_by_age ON orders (created_at, id);
