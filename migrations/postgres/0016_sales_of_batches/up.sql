-- Orders that are written together enter each product once in the ledger, under the first of them: a row for each line was a
-- tenth of what an order costs. What a line took is said by the line itself; so those that took nothing, because the catalogue
-- did not know the product, have to say so.
UPDATE orders o SET lines = marked.lines
FROM (
    SELECT o.id,
           '[' || string_agg(CASE WHEN s.source IS NULL THEN left(l.line::text, -1) || ',false]' ELSE l.line::text END,
                             ',' ORDER BY l.place) || ']' AS lines
    FROM orders o
    CROSS JOIN json_array_elements(o.lines::json) WITH ORDINALITY AS l (line, place)
    LEFT JOIN stock_ledger s
        -- The server cannot read a NUL in a name.
        ON s.source = o.id AND s.kind = 'sale'
            AND s.product_id = trim('"' FROM (replace(l.line::text, '\u0000', '\u0001')::json -> 0)::text) COLLATE "C"
    GROUP BY o.id
    HAVING bool_or(s.source IS NULL)) AS marked
WHERE marked.id = o.id;

-- A catalogue that is truncated takes the ledger along: nothing that was sold before comes back.
CREATE OR REPLACE FUNCTION forget_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM stock_ledger;
    UPDATE orders o SET lines = marked.lines
    FROM (
        SELECT o.id,
               '[' || string_agg(CASE json_array_length(l.line) WHEN 4 THEN left(l.line::text, -1) || ',false]' ELSE l.line::text END,
                                 ',' ORDER BY l.place) || ']' AS lines
        FROM orders o
        CROSS JOIN json_array_elements(o.lines::json) WITH ORDINALITY AS l (line, place)
        GROUP BY o.id
        HAVING bool_or(json_array_length(l.line) = 4)) AS marked
    WHERE marked.id = o.id;
    RETURN NULL;
END $$;
