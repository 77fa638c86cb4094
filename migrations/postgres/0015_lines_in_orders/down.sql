CREATE TABLE order_lines (
    order_id    uuid    NOT NULL,
    product_id  text COLLATE "C" NOT NULL,
    name        text    NOT NULL,
    price_minor bigint  NOT NULL CHECK (price_minor >= 0),
    quantity    integer NOT NULL CHECK (quantity > 0),
    place       smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, product_id)
);
INSERT INTO order_lines (order_id, product_id, name, price_minor, quantity, place)
    SELECT o.id, l.line ->> 0, l.line ->> 1, (l.line ->> 2)::bigint, (l.line ->> 3)::integer, l.place - 1
    FROM orders o CROSS JOIN json_array_elements(o.lines::json) WITH ORDINALITY AS l (line, place);
ALTER TABLE orders DROP COLUMN lines;
