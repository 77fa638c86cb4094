#!/usr/bin/env python3
"""Makes a list of searches for a load generator: what the example `catalogue` asks the store, as HTTP requests.

    searches.py http://127.0.0.1:8000 searches.req [HOW_MANY]

One or two words of the names of products that the server has, half and half; one in ten with a typo, one in five not to
its end; a fifth within a category, a tenth within prices, a fifth in stock only, one in twenty newest first. One in ten
asks for the second page. Each is asked once: its highest price is no other one's, and mostly above all that there are, so
that no cache has the answer. Each request of the file is its length on a line, and then its bytes.
"""
import json, random, sys, urllib.parse, urllib.request


def products(base):
    """The first ones of the catalogue, from which come names and categories."""
    found = []
    for page in range(1, 21):
        with urllib.request.urlopen(f"{base}/api/v1/products?page={page}&page_size=100") as answer:
            found += json.load(answer)["items"]
    assert found, "the server has no products; `cartwright seed` makes some"
    return found


def mistyped(text, dice):
    """With a letter too few, too many, or two of them swapped; not at the beginning."""
    letters = list(text)
    if len(letters) > 2:
        at = dice.randrange(1, len(letters) - 1)
        change = dice.randrange(3)
        if change == 0: del letters[at]
        elif change == 1: letters.insert(at, "e")
        else: letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def query(some, dice, number):
    # Brand, adjective and noun, each of another product.
    first, last, words = dice.randrange(3), dice.choice(some), dice.choice((1, 2))
    def of_name(at):
        parts = (last if at == 2 else dice.choice(some))["name"].split(" ", 2)
        return parts[min(at, len(parts) - 1)].lower()
    text = " ".join(of_name(at % 3) for at in range(first, first + words))
    is_open = dice.random() < 0.2
    if dice.random() < 0.1: text = mistyped(text, dice)
    elif is_open: text = text[:max(1, len(text) - dice.randrange(3))]
    fields = {"q": text if is_open else text + " "}
    if dice.random() < 0.2 and last.get("category"): fields["category"] = last["category"]
    fields |= {"currency": last["currency"], "max_price": f"{1_000_000 + number}.00"}
    if dice.random() < 0.1: fields |= {"min_price": "10.00", "max_price": f"{200 + number / 100:.2f}"}
    if dice.random() < 0.2: fields["in_stock"] = "true"
    if dice.random() < 0.05: fields["sort"] = "newest"
    if dice.random() < 0.1: fields["page"] = "2"
    return fields


def main(base, path, how_many="100000"):
    dice, some = random.Random(1), products(base.rstrip("/"))
    host = urllib.parse.urlsplit(base).netloc
    with open(path, "wb") as file:
        for number in range(int(how_many)):
            target = "/api/v1/search?" + urllib.parse.urlencode(query(some, dice, number))
            request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
            file.write(b"%d\n" % len(request) + request)


if __name__ == "__main__":
    main(*sys.argv[1:])
