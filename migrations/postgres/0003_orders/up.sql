-- Orders, as far as statistics need them, and what is counted of them.

CREATE TABLE orders (
    id          uuid PRIMARY KEY,
    owner       text COLLATE "C" NOT NULL,
    status      text COLLATE "C" NOT NULL
                CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired')),
    currency    text COLLATE "C" NOT NULL CHECK (length(currency) = 3),
    total_minor bigint      NOT NULL CHECK (total_minor >= 0),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    -- Which transaction made it. Transactions commit in another order than that in which they got their numbers, so
    -- only orders of transactions that came before every running one are counted: no order can appear among them later.
    made_by     xid8        NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX orders_by_owner ON orders (owner, created_at, id);
CREATE INDEX orders_by_transaction ON orders (made_by, id);

-- What was bought: names and prices as they were. A product may be outside the catalogue, hence no foreign key to it;
-- whoever deletes one looks here, under the lock of its row.
CREATE TABLE order_lines (
    order_id    uuid    NOT NULL REFERENCES orders (id),
    product_id  text COLLATE "C" NOT NULL,
    name        text    NOT NULL,
    price_minor bigint  NOT NULL CHECK (price_minor >= 0),
    quantity    integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, product_id)
);
CREATE INDEX order_lines_by_product ON order_lines (product_id);

-- How far orders are counted, and the day to which the windows were moved. One row.
CREATE TABLE statistics_progress (
    id       smallint PRIMARY KEY CHECK (id = 1),
    made_by  xid8 NOT NULL,
    order_id uuid NOT NULL,
    today    date NOT NULL
);
INSERT INTO statistics_progress VALUES (1, '0', '00000000-0000-0000-0000-000000000000', '1970-01-01');

-- Units sold since the beginning of a window: of so many days before today, or -1 for ever.
CREATE TABLE product_sales (
    days       smallint NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    units      bigint   NOT NULL,
    PRIMARY KEY (days, product_id)
) WITH (fillfactor = 80);
CREATE INDEX product_sales_by_units ON product_sales (days, units DESC, product_id);

-- Units sold on a day, to be taken from a window when the day falls out of it.
CREATE TABLE product_sales_by_day (
    day        date NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    units      bigint NOT NULL,
    PRIMARY KEY (day, product_id)
) WITH (fillfactor = 80);

-- In how many orders two products were bought together. Each pair twice, so that it is found from both sides.
CREATE TABLE copurchases (
    product_id text COLLATE "C" NOT NULL,
    other_id   text COLLATE "C" NOT NULL,
    orders     bigint NOT NULL,
    PRIMARY KEY (product_id, other_id)
) WITH (fillfactor = 80);
CREATE INDEX copurchases_by_orders ON copurchases (product_id, orders DESC, other_id);
