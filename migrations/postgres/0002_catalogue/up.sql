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

-- What full-text search looks at. The configuration is `simple`: words as they are, in lower case. A catalogue is in
-- any language; stems of one would be wrong in another, its stop words are product names in another, and the beginning
-- of a word, which is what somebody has typed so far, is not the beginning of its stem. What `simple` does not find (a
-- plural, say), words that are alike do. Punctuation is taken out first, because the parser would see hosts, paths,
-- signs and compounds in it, where whoever searches sees words.
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

-- What changed is put into the index later, together; until then each search reads all of it, so it is kept to 64 kB. At
-- the default of 4 MB a search took five times as long before it was put in.
CREATE INDEX products_by_words ON products USING gin (search) WITH (gin_pending_list_limit = 64) WHERE active;

-- The words of names and categories of products that can be bought, with what a search asks of a match. A word that
-- many products have is read from here, in order, and no further than wanted; the index above would gather all of them
-- first. Prices and stock change: no index has them, so that an update stays in its page.
CREATE TABLE product_words (
    word        text COLLATE "C" NOT NULL,
    -- 1: in the name, 2: in the category only.
    place       smallint    NOT NULL,
    id          text COLLATE "C" NOT NULL,
    in_stock    boolean     NOT NULL,
    price_minor bigint      NOT NULL,
    created_at  timestamptz NOT NULL,
    category    text COLLATE "C",
    currency    text COLLATE "C" NOT NULL,
    PRIMARY KEY (word, place, id)
) WITH (fillfactor = 90);
-- A word in one category, which may be far down among all that have it.
CREATE INDEX product_words_by_category ON product_words (category, word, place, id);

-- Every word that was ever in a name or a category. Typos are corrected, and beginnings completed, to these: they are
-- few, products are many. A word that no product has any more does no harm: it finds nothing.
CREATE TABLE words (
    word text COLLATE "C" PRIMARY KEY
);
-- What has a digit is a number, a size or a model: another one is another thing, however alike.
CREATE INDEX words_by_trigrams ON words USING gin (word gin_trgm_ops) WHERE word !~ '[0-9]';

-- The words of a name and a category, and their place. The planner writes its body into the statements that call it,
-- which it does only as long as it is one SELECT, not STRICT, with exactly these types.
CREATE FUNCTION words_of(search tsvector) RETURNS TABLE (word text, place smallint)
    IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT lexeme, CASE WHEN 'A' = ANY (weights) THEN 1::smallint ELSE 2::smallint END
    FROM unnest(ts_filter(search, '{a,b}'))
$$;

INSERT INTO product_words
SELECT w.word, w.place, p.id, p.stock > 0, p.price_minor, p.created_at, p.category, p.currency
FROM products p, words_of(p.search) w WHERE p.active;
INSERT INTO words SELECT DISTINCT word FROM product_words;

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

-- New words in order, for the same reason.
CREATE FUNCTION add_product_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_words
    SELECT w.word, w.place, a.id, a.stock > 0, a.price_minor, a.created_at, a.category, a.currency
    FROM added a, words_of(a.search) w WHERE a.active ORDER BY w.word, a.id;
    INSERT INTO words
    SELECT DISTINCT w.word FROM added a, words_of(a.search) w WHERE a.active ORDER BY 1
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE FUNCTION remove_product_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM product_words p USING removed r, words_of(r.search) w
    WHERE p.word = w.word AND p.place = w.place AND p.id = r.id;
    RETURN NULL;
END $$;

-- When neither words nor whether it can be bought are others, rows stay in their place.
CREATE FUNCTION change_product_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.name, OLD.category, OLD.active) IS NOT DISTINCT FROM (NEW.name, NEW.category, NEW.active) THEN
        UPDATE product_words p SET price_minor = NEW.price_minor, currency = NEW.currency, in_stock = NEW.stock > 0
        FROM words_of(NEW.search) w WHERE p.word = w.word AND p.place = w.place AND p.id = NEW.id;
        RETURN NULL;
    END IF;
    DELETE FROM product_words p USING words_of(OLD.search) w
    WHERE p.word = w.word AND p.place = w.place AND p.id = OLD.id;
    IF NEW.active THEN
        INSERT INTO product_words
        SELECT w.word, w.place, NEW.id, NEW.stock > 0, NEW.price_minor, NEW.created_at, NEW.category, NEW.currency
        FROM words_of(NEW.search) w;
        INSERT INTO words SELECT w.word FROM words_of(NEW.search) w ORDER BY 1 ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER products_worded AFTER INSERT ON products
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION add_product_words();
CREATE TRIGGER products_unworded AFTER DELETE ON products
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION remove_product_words();
CREATE TRIGGER products_reworded AFTER UPDATE OF name, category, active, price_minor, currency, stock ON products
    FOR EACH ROW
    WHEN ((OLD.name, OLD.category, OLD.active, OLD.price_minor, OLD.currency, OLD.stock > 0)
        IS DISTINCT FROM (NEW.name, NEW.category, NEW.active, NEW.price_minor, NEW.currency, NEW.stock > 0))
    EXECUTE FUNCTION change_product_words();

CREATE TRIGGER products_added AFTER INSERT ON products
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_added_products();
CREATE TRIGGER products_removed AFTER DELETE ON products
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_removed_products();
CREATE TRIGGER products_moved AFTER UPDATE OF category, active, retired_at ON products FOR EACH ROW
    WHEN ((OLD.category, OLD.active, OLD.retired_at IS NULL)
        IS DISTINCT FROM (NEW.category, NEW.active, NEW.retired_at IS NULL))
    EXECUTE FUNCTION count_moved_product();

-- The triggers above do not notice TRUNCATE. Deleted, because whoever truncates may name these tables, too; those cannot
-- be truncated twice in one statement.
CREATE FUNCTION forget_products() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM product_words;
    DELETE FROM words;
    DELETE FROM category_counts;
    RETURN NULL;
END $$;
CREATE TRIGGER products_truncated AFTER TRUNCATE ON products
    FOR EACH STATEMENT EXECUTE FUNCTION forget_products();

-- Results of expensive queries, for when the cache in front has lost them. UNLOGGED: written at half the cost, and
-- empty after a crash, which is what a cache may be.
CREATE UNLOGGED TABLE query_cache (
    key        text COLLATE "C" PRIMARY KEY,
    value      bytea       NOT NULL,
    expires_at timestamptz NOT NULL
);
-- Written more often than read, and compressed by whoever writes: neither tried again nor moved out of the row.
ALTER TABLE query_cache ALTER value SET STORAGE EXTERNAL, SET (toast_tuple_target = 8160);
CREATE INDEX query_cache_by_expiry ON query_cache (expires_at);

-- What cached results were made under. Random numbers: one that a crash took is not used again, so neither are results
-- of before.
CREATE UNLOGGED TABLE generations (
    tag        text COLLATE "C" PRIMARY KEY,
    generation bigint NOT NULL
);
