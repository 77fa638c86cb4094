DROP TABLE generations;
DROP TABLE query_cache;
DROP TABLE product_words;
DROP TABLE category_counts;
DROP TABLE product_numbers;
ALTER TABLE products RENAME TO products_before;
CREATE TABLE products (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO products SELECT id, name, price_minor, currency, active, created_at, updated_at
    FROM products_before WHERE retired_at IS NULL;
DROP TABLE products_before;
