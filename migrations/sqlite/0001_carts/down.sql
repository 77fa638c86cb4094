DROP TABLE cache_gate;
DROP TABLE idempotency_keys;
DROP TABLE carts;
DROP TABLE products;
