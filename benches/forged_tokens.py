#!/usr/bin/env python3
"""How long a node takes to refuse tokens, kind by kind, in turns over one connection: the time must not tell a stranger what is
wrong with his. Beside them, two that only somebody with the secret can make: what is wrong with those he knows.

    CARTWRIGHT__AUTH__MODE=jwt CARTWRIGHT__AUTH__SECRET=0123456789abcdef0123456789abcdef \\
        CARTWRIGHT__AUTH__AUDIENCES=shop CARTWRIGHT__LIMITS__ENABLED=false cargo run --release
    benches/forged_tokens.py 127.0.0.1:8000 0123456789abcdef0123456789abcdef
"""
import base64, hashlib, hmac, http.client, json, random, statistics, sys, time

ROUNDS = 4000


def b64(raw): return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(secret, claims, head=None):
    body = b64(json.dumps(head or {"alg": "HS256", "typ": "JWT"}).encode()) + "." + b64(json.dumps(claims).encode())
    return body + "." + b64(hmac.new(secret, body.encode(), hashlib.sha256).digest())


def kinds(secret):
    now = int(time.time())
    good = {"sub": "ana", "aud": "shop", "iat": now, "exp": now + 3600}
    ours, theirs = token(secret, good), token(b"x" * 32, good)
    first = "B" if ours.rsplit(".", 1)[1][0] == "A" else "A"
    head, claims, signature = ours.split(".")
    return {
        "signed with another secret": theirs,
        "first byte of the signature wrong": f"{head}.{claims}.{first}{signature[1:]}",
        "last byte of the signature wrong": f"{head}.{claims}.{signature[:-2]}{'AA' if signature[-2:] != 'AA' else 'BA'}",
        "of somebody who is not there": token(b"x" * 32, {**good, "sub": "nobody-at-all"}),
        "of an operator": token(b"x" * 32, {**good, "scope": "admin"}),
        "another secret, expired": token(b"x" * 32, {**good, "exp": now - 3600}),
        "another secret, another audience": token(b"x" * 32, {**good, "aud": "elsewhere"}),
        "a key that there is not": token(b"x" * 32, good, {"alg": "HS256", "typ": "JWT", "kid": "nobody"}),
        "alg none": b64(b'{"alg":"none","typ":"JWT"}') + f".{claims}.{signature}",
        "cut": ours[:-1],
        "(our secret) expired": token(secret, {**good, "exp": now - 3600}),
        "(our secret) another audience": token(secret, {**good, "aud": "elsewhere"}),
    }


def main():
    address, secret = sys.argv[1], sys.argv[2].encode()
    tokens, took, answers = kinds(secret), {}, set()
    connection = http.client.HTTPConnection(address)
    for _ in range(ROUNDS):
        for kind, text in random.sample(list(tokens.items()), len(tokens)):
            begun = time.perf_counter_ns()
            connection.request("GET", "/cart", headers={"Authorization": f"Bearer {text}"})
            response = connection.getresponse()
            body = response.read()
            took.setdefault(kind, []).append(time.perf_counter_ns() - begun)
            answer = {**json.loads(body), "request_id": ""}
            answers.add((response.status, json.dumps(answer, sort_keys=True)))
    print(f"{ROUNDS} of each; {len(answers)} answer: {answers}")
    for kind, times in took.items():
        times.sort()
        print(f"{kind:36} median {statistics.median(times) / 1000:7.1f} us, 10 % {times[len(times) // 10] / 1000:7.1f} us")


if __name__ == "__main__":
    main()
