"""Adapter of Cartwright for a comparison rig whose adapters derive from `Base`: paths, bodies, and the data.

The server runs on its own PostgreSQL database (migrated by the server itself) and its own Redis; see benches/README.md.
"""
from .base import Base


class Adapter(Base):
    workloads = ("get_cart_hot", "add_to_cart", "mixed_70_30", "product_zipf", "checkout_stream", "checkout_hot")

    def get_cart(self, u): return "GET", f"/api/v1/carts/{u}", None, None
    def add(self, u, k): return "POST", f"/api/v1/carts/{u}/items", None, {"product_id": self.line(u, k), "quantity": 1}

    def product(self, p): return "GET", f"/api/v1/products/{p}/cached", None, None

    def order(self, p, u): return "POST", "/api/v1/orders", {"X-User-ID": str(u)}, {"product_id": p, "quantity": 1}
    def set_stock(self, p, n): self.psql(f"update products set stock = {n} where id = '{p}'")
    def get_stock(self, p): return int(self.psql(f"select stock from products where id = '{p}'"))

    def warm(self):
        """What a running system would have cached: every cart, and every product that will be asked for, once."""
        super().warm()
        if "product_zipf" in self.workloads:
            self.each(range(1, self.products + 1), lambda c, p: c(*self.product(p)))

    def seed(self):
        # A new version of every cart while the server runs would be served stale: rows are made before it has read any.
        self.psql("truncate carts, products, product_words, category_counts, orders cascade")
        self.psql(f"""insert into products (id, name, description, price_minor, currency, active, stock, category, created_at, updated_at)
            select i::text, 'Rig product ' || lpad(i::text, 6, '0') || ', a plain description',
                   'A description of some length that says what this product is for, how it is made and of what, and how long it lasts. '
                   || 'About as long as those that shops have in their lists, so that an answer has about six hundred bytes, headers aside.',
                   100 + (i * 37) % 9900, 'EUR', true, 1000, 'Category ' || i % 100, now(), now()
            from generate_series(1, {self.products}) i""")
        self.psql(f"""insert into carts (owner, version, created_at, updated_at, quantities, lines)
            select u::text, 5, now(), now(), json_agg(1)::text, json_agg(json_build_object('product_id', p.id, 'name', p.name,
                    'price', json_build_object('minor', p.price_minor, 'currency', p.currency),
                    'added_at', (extract(epoch from now()) * 1000000)::bigint))::text
            from generate_series(1, {self.users}) u cross join generate_series(0, 4) k
            join products p on p.id = (((u * 7 + k * 1009) % {self.products}) + 1)::text
            group by u""")
        self.psql("analyze")


