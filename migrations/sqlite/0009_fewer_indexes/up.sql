-- The ids of orders grow with time: lists need no index of their ages.
DROP INDEX orders_by_age;
DROP INDEX orders_by_owner;
CREATE INDEX orders_by_owner ON orders (owner, id);
