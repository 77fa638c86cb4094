"""Cartwright on its embedded default (SQLite, memory): the data goes in over HTTP, in the currency of the demo catalogue,
which has some of the products."""
from .cartwright import Adapter as Cartwright


class Adapter(Cartwright):
    workloads = ("get_cart_hot", "add_to_cart", "mixed_70_30")

    def seed(self):
        def fill(call, u):
            for k in range(5):
                data = {"name": f"Rig product {self.line(u, k):06d}, a plain description", "price": 9.99, "currency": "USD"}
                status, body, _ = call("POST", f"/api/v1/carts/{u}/items", None,
                                       {"product_id": self.line(u, k), "quantity": 1, "product_data": data})
                assert status == 200, body
        self.each(range(1, self.users + 1), fill, threads=64)

    def add(self, u, k):
        # the line is there: its name and price stay
        data = {"name": "Rig product", "price": 9.99, "currency": "USD"}
        return "POST", f"/api/v1/carts/{u}/items", None, {"product_id": self.line(u, k), "quantity": 1, "product_data": data}
