DROP TABLE cart_walks;
DROP INDEX carts_by_hour;
ALTER TABLE carts DROP COLUMN touched;
