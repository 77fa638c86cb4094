-- The ids of orders grow with time: lists need no index of their ages. Each index less is a tenth of what an order costs.
DROP INDEX orders_by_age, orders_by_owner;
CREATE INDEX orders_by_owner ON orders (owner, id);

-- Whether orders name a product stands in its row: `moves` counts them.
UPDATE products p SET moves = 1
WHERE moves = 0 AND EXISTS (SELECT FROM order_lines WHERE product_id = p.id);
DROP INDEX order_lines_by_product;
