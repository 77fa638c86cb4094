-- Orders that take stock, and the ledger of every movement of it.

ALTER TABLE orders
    -- The version of the cart that it was made of. NULL: of no cart.
    ADD COLUMN cart_version bigint CHECK (cart_version > 0);
-- One order of each version of a cart, however often it is called for.
CREATE UNIQUE INDEX orders_of_carts ON orders (owner, cart_version) WHERE cart_version IS NOT NULL;
-- For lists of everybody's orders.
CREATE INDEX orders_by_age ON orders (created_at, id);

-- Lines stand in the order in which they were asked for. Whoever writes them writes their order in the same transaction, and
-- nobody deletes one: to look each up again was a sixth of what an order costs.
ALTER TABLE order_lines ADD COLUMN place smallint NOT NULL DEFAULT 0;
ALTER TABLE order_lines DROP CONSTRAINT order_lines_order_id_fkey;

-- The steps of an order after the first, which is its row.
CREATE TABLE order_transitions (
    order_id uuid        NOT NULL REFERENCES orders (id),
    from_status text COLLATE "C" NOT NULL,
    to_status   text COLLATE "C" NOT NULL,
    at       timestamptz NOT NULL,
    reason   text,
    -- No status comes twice.
    PRIMARY KEY (order_id, to_status)
);

-- Every movement of stock, and what it came from: an order's line that takes or returns units, or an edit. Rows are only
-- added. The key makes sure that a source moves a product's stock once. A product that is removed leaves its rows, which
-- come to nothing.
CREATE TABLE stock_ledger (
    source     uuid     NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('sale', 'return', 'edit')),
    units      integer  NOT NULL CHECK (units <> 0),
    at         timestamptz NOT NULL,
    PRIMARY KEY (source, product_id, kind)
);
INSERT INTO stock_ledger SELECT gen_random_uuid(), id, 'edit', stock, now() FROM products WHERE stock > 0;

-- How often orders moved the stock. They bring their own rows of the ledger; every other change of stock, by whichever
-- program, is entered by the triggers below.
ALTER TABLE products ADD COLUMN moves bigint NOT NULL DEFAULT 0;

CREATE FUNCTION enter_added_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stock_ledger SELECT gen_random_uuid(), id, 'edit', stock, now() FROM added WHERE stock > 0;
    RETURN NULL;
END $$;
CREATE FUNCTION enter_removed_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stock_ledger SELECT gen_random_uuid(), id, 'edit', -stock, now() FROM removed WHERE stock > 0;
    RETURN NULL;
END $$;
CREATE FUNCTION enter_edited_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stock_ledger VALUES (gen_random_uuid(), NEW.id, 'edit', NEW.stock - OLD.stock, now());
    RETURN NULL;
END $$;
CREATE TRIGGER products_stocked AFTER INSERT ON products
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION enter_added_stock();
CREATE TRIGGER products_unstocked AFTER DELETE ON products
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION enter_removed_stock();
CREATE TRIGGER products_restocked AFTER UPDATE OF stock ON products FOR EACH ROW
    WHEN (OLD.stock <> NEW.stock AND OLD.moves = NEW.moves) EXECUTE FUNCTION enter_edited_stock();

-- As above: TRUNCATE calls none of them.
CREATE FUNCTION forget_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM stock_ledger;
    RETURN NULL;
END $$;
CREATE TRIGGER products_stock_truncated AFTER TRUNCATE ON products
    FOR EACH STATEMENT EXECUTE FUNCTION forget_stock();
