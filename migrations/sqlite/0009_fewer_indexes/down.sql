DROP INDEX orders_by_owner;
CREATE INDEX orders_by_owner ON orders (owner, created_at, id);
CREATE INDEX orders_by_age ON orders (created_at, id);
