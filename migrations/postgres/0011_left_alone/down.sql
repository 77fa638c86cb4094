DROP TABLE cart_walks;
ALTER TABLE carts DROP COLUMN touched;
