-- The whole catalogue: what is said of a product, how many there are, where it belongs, how it is found.

-- Finds words that are only like those that were looked for. Trusted: whoever may create tables may create it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

ALTER TABLE products
    -- By what the name is sorted: its first 64 characters in lower case, written by the program, so that the order is
    -- the same on every machine.
    ADD COLUMN name_key    text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN description text    NOT NULL DEFAULT '',
    ADD COLUMN stock       integer NOT NULL DEFAULT 0 CHECK (stock >= 0),
    ADD COLUMN category    text COLLATE "C" CHECK (category <> ''),
    -- A JSON object. Text, because jsonb refuses what JSON allows (a NUL) and the database asks nothing of it.
    ADD COLUMN attributes  text    NOT NULL DEFAULT '{}',
    ADD COLUMN version     bigint  NOT NULL DEFAULT 1 CHECK (version > 0),
    -- When it was deleted although orders name it. Nobody finds or buys it any more.
    ADD COLUMN retired_at  timestamptz CHECK (retired_at IS NULL OR NOT active);

UPDATE products SET name_key = left(lower(name), 64);

-- What full-text search looks at. The configuration is `simple`: words as they are, in lower case. A catalogue is in any
-- language; stems of one would be wrong in another, its stop words are product names in another, and the beginning of a
-- word, which is what somebody has typed so far, is not the beginning of its stem. What `simple` does not find (a plural,
-- say), trigrams do. Punctuation is taken out first, because the parser would see hosts, paths, signs and compounds in
-- it, where whoever searches sees words.
ALTER TABLE products ADD COLUMN search tsvector GENERATED ALWAYS AS (
    setweight(to_tsvector('pg_catalog.simple', translate(name,
        '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~“”„‘’«»–—…·•™®©',
        '                                               ')), 'A') ||
    setweight(to_tsvector('pg_catalog.simple', translate(coalesce(category, ''),
        '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~“”„‘’«»–—…·•™®©',
        '                                               ')), 'B') ||
    setweight(to_tsvector('pg_catalog.simple', translate(description,
        '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~“”„‘’«»–—…·•™®©',
        '                                               ')), 'C')
) STORED;

-- Stock changes with every order: room in the page, and no index has the column, so that an update stays in it.
ALTER TABLE products SET (fillfactor = 90);

-- One for each order of a list, with and without a category; read backwards for the orders that go down.
CREATE INDEX products_by_category          ON products (category, id)              WHERE retired_at IS NULL;
CREATE INDEX products_by_age               ON products (created_at, id)            WHERE retired_at IS NULL;
CREATE INDEX products_by_category_and_age  ON products (category, created_at, id)  WHERE retired_at IS NULL;
CREATE INDEX products_by_price             ON products (price_minor, id)           WHERE retired_at IS NULL;
CREATE INDEX products_by_category_and_price ON products (category, price_minor, id) WHERE retired_at IS NULL;
CREATE INDEX products_by_name              ON products (name_key, id)              WHERE retired_at IS NULL;
CREATE INDEX products_by_category_and_name ON products (category, name_key, id)    WHERE retired_at IS NULL;
-- Few products cannot be bought; an editor who looks for them should not have to walk past all others.
CREATE INDEX products_inactive             ON products (id)          WHERE NOT active AND retired_at IS NULL;
-- Integers that clients chose, of which the next one must be free.
CREATE INDEX products_by_number            ON products ((id::integer)) WHERE id ~ '^[1-9][0-9]{0,8}$';

CREATE INDEX products_by_words    ON products USING gin (search)            WHERE active;
CREATE INDEX products_by_trigrams ON products USING gin (name gin_trgm_ops) WHERE active;

-- The last integer that was given out as an id. One row; its lock keeps two products from getting the same.
CREATE TABLE product_numbers (
    id   smallint PRIMARY KEY CHECK (id = 1),
    last bigint NOT NULL
);
INSERT INTO product_numbers VALUES (1, 0);

-- How many products a category has; '' is none. Counting them would read the index of every product.
CREATE TABLE category_counts (
    category text COLLATE "C" PRIMARY KEY,
    listed   bigint NOT NULL,
    active   bigint NOT NULL
);

INSERT INTO category_counts SELECT '', count(*), count(*) FILTER (WHERE active) FROM products;

-- The rows of a statement are counted together, and categories are locked in order, so that two statements do not wait
-- for each other in a circle.
CREATE FUNCTION count_added_products() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO category_counts AS c (category, listed, active)
    SELECT coalesce(category, ''), count(*) FILTER (WHERE retired_at IS NULL), count(*) FILTER (WHERE active)
    FROM added GROUP BY 1 ORDER BY 1
    ON CONFLICT (category) DO UPDATE SET listed = c.listed + excluded.listed, active = c.active + excluded.active;
    RETURN NULL;
END $$;

CREATE FUNCTION count_removed_products() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO category_counts AS c (category, listed, active)
    SELECT coalesce(category, ''), -count(*) FILTER (WHERE retired_at IS NULL), -count(*) FILTER (WHERE active)
    FROM removed GROUP BY 1 ORDER BY 1
    ON CONFLICT (category) DO UPDATE SET listed = c.listed + excluded.listed, active = c.active + excluded.active;
    RETURN NULL;
END $$;

CREATE FUNCTION count_moved_product() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO category_counts AS c (category, listed, active)
    SELECT coalesce(m.category, ''), sum(m.n * (m.retired_at IS NULL)::integer), sum(m.n * m.active::integer)
    FROM (VALUES (-1, OLD.category, OLD.retired_at, OLD.active), (1, NEW.category, NEW.retired_at, NEW.active))
        AS m (n, category, retired_at, active)
    GROUP BY 1 ORDER BY 1
    ON CONFLICT (category) DO UPDATE SET listed = c.listed + excluded.listed, active = c.active + excluded.active;
    RETURN NULL;
END $$;

CREATE TRIGGER products_added AFTER INSERT ON products
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_added_products();
CREATE TRIGGER products_removed AFTER DELETE ON products
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_removed_products();
CREATE TRIGGER products_moved AFTER UPDATE OF category, active, retired_at ON products FOR EACH ROW
    WHEN ((OLD.category, OLD.active, OLD.retired_at IS NULL)
        IS DISTINCT FROM (NEW.category, NEW.active, NEW.retired_at IS NULL))
    EXECUTE FUNCTION count_moved_product();

-- Results of expensive queries, for when the cache in front has lost them. UNLOGGED: written at half the cost, and empty
-- after a crash, which is what a cache may be.
CREATE UNLOGGED TABLE query_cache (
    key        text COLLATE "C" PRIMARY KEY,
    value      bytea       NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX query_cache_by_expiry ON query_cache (expires_at);

-- What cached results were made under. Random numbers: one that a crash took is not used again, so neither are results
-- of before.
CREATE UNLOGGED TABLE generations (
    tag        text COLLATE "C" PRIMARY KEY,
    generation bigint NOT NULL
);
