"""The same with `auth.mode = "jwt"`: each user has an access token, by HS256 with the secret in RIG_JWT_SECRET, which is the
server's CARTWRIGHT__AUTH__SECRET too. Rate limits are for shoppers: set CARTWRIGHT__LIMITS__ENABLED=false for workloads that write.
"""
import base64, hashlib, hmac, json, os, time

from .cartwright import Adapter as Trusted


def b64(raw): return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Adapter(Trusted):
    workloads = ("get_cart_hot", "add_to_cart", "mixed_70_30")
    secret = os.environ.get("RIG_JWT_SECRET", "0123456789abcdef0123456789abcdef").encode()
    expires = int(time.time()) + 86_400

    def bearer(self, u):
        claims = {"sub": str(u), "iat": self.expires - 86_400, "exp": self.expires}
        body = b64(b'{"alg":"HS256","typ":"JWT"}') + "." + b64(json.dumps(claims, separators=(",", ":")).encode())
        signature = hmac.new(self.secret, body.encode(), hashlib.sha256).digest()
        return {"Authorization": f"Bearer {body}.{b64(signature)}"}

    def with_token(self, u, request): return request[0], request[1], self.bearer(u), request[3]
    def get_cart(self, u): return self.with_token(u, super().get_cart(u))
    def add(self, u, k): return self.with_token(u, super().add(u, k))
