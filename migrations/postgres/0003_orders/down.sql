DROP TABLE copurchases;
DROP TABLE product_sales_by_day;
DROP TABLE product_sales;
DROP TABLE statistics_progress;
DROP TABLE order_lines;
DROP TABLE orders;
