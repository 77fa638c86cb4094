DROP TABLE generations;
DROP TABLE query_cache;
DROP TRIGGER products_truncated ON products;
DROP FUNCTION forget_products();
DROP TRIGGER products_moved ON products;
DROP TRIGGER products_removed ON products;
DROP TRIGGER products_added ON products;
DROP TRIGGER products_reworded ON products;
DROP TRIGGER products_unworded ON products;
DROP TRIGGER products_worded ON products;
DROP FUNCTION change_product_words();
DROP FUNCTION remove_product_words();
DROP FUNCTION add_product_words();
DROP FUNCTION words_of(tsvector);
DROP TABLE words;
DROP TABLE product_words;
DROP FUNCTION count_moved_product();
DROP FUNCTION count_removed_products();
DROP FUNCTION count_added_products();
DROP TABLE category_counts;
DROP TABLE product_numbers;
DROP INDEX products_by_number;
DELETE FROM products WHERE retired_at IS NOT NULL;
ALTER TABLE products
    DROP COLUMN search,
    DROP COLUMN retired_at,
    DROP COLUMN version,
    DROP COLUMN attributes,
    DROP COLUMN category,
    DROP COLUMN stock,
    DROP COLUMN description,
    DROP COLUMN name_key;
DROP EXTENSION pg_trgm;
