-- The whole catalogue. The table is made anew: the full-text index needs an integer that stays the row's.
DROP TABLE IF EXISTS products_before;
ALTER TABLE products RENAME TO products_before;

CREATE TABLE products (
    number INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- By what the name is sorted: its first 64 characters in lower case, written by the program, because SQLite knows
    -- the lower case of ASCII only.
    name_key TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    stock INTEGER NOT NULL DEFAULT 0 CHECK (stock >= 0),
    category TEXT CHECK (category <> ''),
    -- A JSON object.
    attributes TEXT NOT NULL DEFAULT '{}',
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    version INTEGER NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- When it was deleted although orders name it. Nobody finds or buys it any more.
    retired_at INTEGER CHECK (retired_at IS NULL OR NOT active)
) STRICT;
INSERT INTO products (id, name, name_key, price_minor, currency, active, created_at, updated_at)
    SELECT id, name, substr(lower(name), 1, 64), price_minor, currency, active, created_at, updated_at
    FROM products_before;
DROP TABLE products_before;

-- One for each order of a list, with and without a category; read backwards for the orders that go down.
CREATE INDEX products_by_category ON products (category, id) WHERE retired_at IS NULL;
CREATE INDEX products_by_age ON products (created_at, id) WHERE retired_at IS NULL;
CREATE INDEX products_by_category_and_age ON products (category, created_at, id) WHERE retired_at IS NULL;
CREATE INDEX products_by_price ON products (price_minor, id) WHERE retired_at IS NULL;
CREATE INDEX products_by_category_and_price ON products (category, price_minor, id) WHERE retired_at IS NULL;
CREATE INDEX products_by_name ON products (name_key, id) WHERE retired_at IS NULL;
CREATE INDEX products_by_category_and_name ON products (category, name_key, id) WHERE retired_at IS NULL;
-- Integers that clients chose, of which the next one must be free.
CREATE INDEX products_by_number ON products (CAST(id AS INTEGER))
    WHERE id GLOB '[1-9]*' AND id NOT GLOB '*[^0-9]*' AND length(id) <= 9;

-- The last integer that was given out as an id. One row.
CREATE TABLE product_numbers (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    last INTEGER NOT NULL
) STRICT;
INSERT INTO product_numbers VALUES (1, 0);

-- How many products a category has; '' is none.
CREATE TABLE category_counts (
    category TEXT NOT NULL PRIMARY KEY,
    listed INTEGER NOT NULL,
    active INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO category_counts SELECT '', count(*), coalesce(sum(active), 0) FROM products;

CREATE TRIGGER products_counted_in AFTER INSERT ON products BEGIN
    INSERT INTO category_counts VALUES (coalesce(new.category, ''), new.retired_at IS NULL, new.active)
        ON CONFLICT (category) DO UPDATE SET listed = listed + excluded.listed, active = active + excluded.active;
END;
CREATE TRIGGER products_counted_out AFTER DELETE ON products BEGIN
    UPDATE category_counts SET listed = listed - (old.retired_at IS NULL), active = active - old.active
        WHERE category = coalesce(old.category, '');
END;
CREATE TRIGGER products_counted_over AFTER UPDATE OF category, active, retired_at ON products BEGIN
    UPDATE category_counts SET listed = listed - (old.retired_at IS NULL), active = active - old.active
        WHERE category = coalesce(old.category, '');
    INSERT INTO category_counts VALUES (coalesce(new.category, ''), new.retired_at IS NULL, new.active)
        ON CONFLICT (category) DO UPDATE SET listed = listed + excluded.listed, active = active + excluded.active;
END;

-- Full text: words in lower case and without accents. The texts themselves stay in the table of products. `prefix` makes
-- the beginnings of words that are usually typed as quick to find as whole words.
CREATE VIRTUAL TABLE product_words USING fts5 (
    name, category, description,
    content = 'products', content_rowid = 'number', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
INSERT INTO product_words (product_words) VALUES ('rebuild');

CREATE TRIGGER products_words_in AFTER INSERT ON products BEGIN
    INSERT INTO product_words (rowid, name, category, description)
        VALUES (new.number, new.name, new.category, new.description);
END;
CREATE TRIGGER products_words_out AFTER DELETE ON products BEGIN
    INSERT INTO product_words (product_words, rowid, name, category, description)
        VALUES ('delete', old.number, old.name, old.category, old.description);
END;
CREATE TRIGGER products_words_over AFTER UPDATE OF name, category, description ON products
WHEN (old.name, old.category, old.description) IS NOT (new.name, new.category, new.description) BEGIN
    INSERT INTO product_words (product_words, rowid, name, category, description)
        VALUES ('delete', old.number, old.name, old.category, old.description);
    INSERT INTO product_words (rowid, name, category, description)
        VALUES (new.number, new.name, new.category, new.description);
END;

-- Results of expensive queries.
CREATE TABLE query_cache (
    key TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX query_cache_by_expiry ON query_cache (expires_at);

-- What cached results were made under: random numbers.
CREATE TABLE generations (
    tag TEXT NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
