DROP TABLE order_progress;
