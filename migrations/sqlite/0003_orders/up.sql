-- Orders, as far as statistics need them, and what is counted of them.
CREATE TABLE orders (
    -- In the order in which they were written, which is the one in which they are counted.
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired')),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    total_minor INTEGER NOT NULL CHECK (total_minor >= 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_by_owner ON orders (owner, created_at, id);

-- What was bought: names and prices as they were. A product may be outside the catalogue.
CREATE TABLE order_lines (
    order_number INTEGER NOT NULL REFERENCES orders (number),
    product_id TEXT NOT NULL,
    name TEXT NOT NULL,
    price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_number, product_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX order_lines_by_product ON order_lines (product_id);

-- How far orders are counted, and the day (since 1970) to which the windows were moved. One row.
CREATE TABLE statistics_progress (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    order_number INTEGER NOT NULL,
    today INTEGER NOT NULL
) STRICT;
INSERT INTO statistics_progress VALUES (1, 0, 0);

-- Units sold since the beginning of a window: of so many days before today, or -1 for ever.
CREATE TABLE product_sales (
    days INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    units INTEGER NOT NULL,
    PRIMARY KEY (days, product_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX product_sales_by_units ON product_sales (days, units DESC, product_id);

-- Units sold on a day, to be taken from a window when the day falls out of it.
CREATE TABLE product_sales_by_day (
    day INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    units INTEGER NOT NULL,
    PRIMARY KEY (day, product_id)
) STRICT, WITHOUT ROWID;

-- In how many orders two products were bought together. Each pair twice, so that it is found from both sides.
CREATE TABLE copurchases (
    product_id TEXT NOT NULL,
    other_id TEXT NOT NULL,
    orders INTEGER NOT NULL,
    PRIMARY KEY (product_id, other_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX copurchases_by_orders ON copurchases (product_id, orders DESC, other_id);
