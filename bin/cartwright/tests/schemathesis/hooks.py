"""What schemathesis cannot know of our API by its document."""

import itertools
import os

import schemathesis

RECEIVER = os.environ["CARTWRIGHT_RECEIVER"]

numbers = itertools.count()


@schemathesis.serializer("application/x-ndjson")
def rows(context, value):
    """The document says of a file of rows only that it is a text."""
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


@schemathesis.hook
def before_call(context, case, kwargs):
    number = next(numbers)
    # The key of the example, sent with everything, would be good for one request.
    if (case.headers or {}).get("Idempotency-Key") == "4f1c9a52":
        case.headers["Idempotency-Key"] = f"example-{number}"
    # A list has pages, or goes on after a cursor: with all that there is, every list would be refused.
    if case.query and number % 4:
        others = ("page", "page_size") if number % 2 else ("cursor", "limit")
        case.query = {name: value for name, value in case.query.items() if name not in others}
    # A webhook target has to be there: ours. And it hears of nothing, for each of hundreds would hear of everything.
    if case.path.startswith("/api/v1/webhooks") and isinstance(case.body, dict) and "after" not in case.body:
        url = case.body.get("url")
        if isinstance(url, str) and url.startswith("https://"):
            case.body = {**case.body, "url": RECEIVER}
        if case.body.get("enabled", True) is True:
            case.body = {**case.body, "enabled": False}
