//! What operations refer to.

use serde_json::{Value, json};

use crate::access::{GUEST_COOKIE, Who};

pub(super) fn refer(headers: &[&str]) -> Value {
    let one = |name: &&str| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    Value::Object(headers.iter().map(one).collect())
}

pub(super) fn parameters() -> Value {
    let id = json!({"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9._:@-]+$"});
    let number = json!({"type": "string", "pattern": "^[0-9]{1,18}$"});
    let session = json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"});
    let text = json!({"type": "string"});
    // What the parser of entity tags takes.
    let tags = json!({"anyOf": [{"type": "string", "const": "*"}, {"type": "string",
        "pattern": "^(W/)?\"[ !#-~]*\"( *, *(W/)?\"[ !#-~]*\")*$"}]});
    let parameter = |name: &str, place: &str, required: bool, schema: &Value, example: Value, says: &str| {
        json!({"name": name, "in": place, "required": required, "schema": schema, "example": example,
            "description": says})
    };
    json!({
        "UserId": parameter("user_id", "path", true, &id, json!("user-1"), "Which user or guest"),
        "OrderId": parameter("order_id", "path", true, &json!({"type": "string", "format": "uuid"}),
            json!("01890a5d-ac96-774b-bcce-b302099a8057"), "Which order"),
        "HoldId": parameter("hold_id", "path", true, &json!({"type": "string", "format": "uuid"}),
            json!("01890a5d-ac96-774b-bcce-b302099a8057"), "Which hold"),
        "ProductId": parameter("product_id", "path", true, &id, json!("1"), "Which product"),
        "Category": parameter("category", "path", true,
            &json!({"$ref": "#/components/schemas/CategoryName"}), json!("Home & Garden"),
            "Which category; any printable text, percent-encoded"),
        "JobId": parameter("job_id", "path", true, &number, json!("4711"), "Which job"),
        "WebhookId": parameter("webhook_id", "path", true, &number, json!("7"), "Which webhook target"),
        "SessionId": parameter("session_id", "path", true, &session,
            json!("p7tGkqf8mKQW1q0c3yV0m2o0bq9mJ5w0yXbY0p2mG1c"), "Which session: a secret"),
        "Handle": parameter("handle", "path", true, &json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{16}$"}),
            json!("Xq3mVfJ0aT4kP1sE"), "Which session, by its name in the list"),
        "CurrentSession": parameter("X-Session-ID", "header", false, &session,
            json!("p7tGkqf8mKQW1q0c3yV0m2o0bq9mJ5w0yXbY0p2mG1c"), "The session that stays"),
        "LastEventId": parameter("Last-Event-ID", "header", false,
            &json!({"type": "string", "pattern": "^[0-9]{0,19}$"}), json!("4711"),
            "Of a stream: the id of the last event that was heard. Counts more than `after`"),
        "Queue": parameter("queue", "path", true,
            &json!({"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9._:-]+$"}),
            json!("maintenance"), "Which queue"),
        "Quantity": parameter("quantity", "query", false,
            &json!({"type": "integer", "minimum": 0, "maximum": 1000}), json!(2),
            "The quantity, when the body does not say it"),
        "RequestId": parameter("X-Request-ID", "header", false,
            &text, json!("checkout-17"),
            "1 to 128 visible characters. Comes back in the answer and stands in the log; made up when it is absent, or something else"),
        "IfMatch": parameter("If-Match", "header", false, &tags, json!("\"3\""),
            "Only if the cart or product is at one of these versions; else 412 with the one that is there"),
        "IfNoneMatch": parameter("If-None-Match", "header", false, &text, json!("\"3\""),
            "304 when what is there is one of these"),
        "IdempotencyKey": parameter("Idempotency-Key", "header", false,
            &json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}), json!("4f1c9a52"),
            "The request takes effect once in 24 hours, however often it is sent; again gets the first answer"),
    })
}

pub(super) fn headers() -> Value {
    let header = |says: &str, example: &str| json!({"description": says, "schema": {"type": "string"}, "example": example});
    let always = |says: &str, example: &str| json!({"description": says, "required": true, "schema": {"type": "string"}, "example": example});
    json!({
        "X-Request-ID": always("Names the request in the log", "8a6f3c0d52e149b7"),
        "ETag": header("The version of the cart or product; of a list, what tells it from others", "\"3\""),
        "X-Cache": header("Who answered. Carts: memory, replica, primary or database. The first page of somebody's orders: primary or database. Catalogue: l1, l2, l3 or miss", "l1"),
        "X-Cache-Status": header("stale: this is past its time, and could not be loaded anew yet", "stale"),
        "Age": header("Seconds since it is known not to have changed", "0"),
        "Cache-Control": header("For how long others may keep it", "public, max-age=5, s-maxage=300, stale-while-revalidate=10"),
        "Surrogate-Key": header("What it is about, for purging an edge cache: product:ID, category:NAME (both percent-encoded), catalog, search, top, related", "product:1"),
        "Location": always("The address of what was made", "/api/v1/products/1"),
        "Idempotent-Replayed": header("true: this is the answer that was given before", "true"),
        "Retry-After": header("Seconds after which to try again", "1"),
        "RateLimit": header("What is left, as in draft-ietf-httpapi-ratelimit-headers", "\"writes-user\";r=99;t=60"),
        "RateLimit-Policy": header("How many requests are taken in how many seconds", "\"writes-user\";q=100;w=60, \"writes-address\";q=1000;w=60"),
        "WWW-Authenticate": always("What to send to say who one is", "Bearer"),
        "Allow": header("What the address answers", "GET, HEAD"),
    })
}

pub(super) fn responses() -> Value {
    let problem = |says: &str, headers: &[&str]| {
        json!({"description": says, "headers": refer(headers),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}})
    };
    json!({
        "S304": {"description": "The caller has this", "headers": refer(&["X-Request-ID", "ETag"])},
        "S400": problem("Malformed: JSON or a header; or it is not said for whom this is, or a WebSocket is asked for", &["X-Request-ID"]),
        "S401": problem("Nobody says who he is, or his token is not good", &["X-Request-ID", "WWW-Authenticate"]),
        "S403": problem("Somebody else's, or for operators; or sent by a page of another site", &["X-Request-ID"]),
        "S404": problem("There is no such line, product, order, hold, document, job or target", &["X-Request-ID"]),
        "S408": problem("The body came too slowly", &["X-Request-ID"]),
        "S409": problem("In conflict: not enough in stock, not for sale, another price or currency, an id that is taken, too many holds or rotated secrets, too late, or the key's request is under way",
            &["X-Request-ID", "Retry-After"]),
        "S410": problem("Events after the number have been removed: look at everything anew", &["X-Request-ID"]),
        "S412": problem("The cart or product is at another version; it is in `cart` or `product`", &["X-Request-ID", "ETag"]),
        "S413": problem("The body is too large", &["X-Request-ID"]),
        "S414": problem("The address is too long", &["X-Request-ID"]),
        "S415": problem("The body is of another media type", &["X-Request-ID"]),
        "S422": problem("Invalid; `errors` says where", &["X-Request-ID"]),
        "S429": problem("Too many requests", &["X-Request-ID", "Retry-After", "RateLimit", "RateLimit-Policy"]),
        "S431": problem("The headers are too large", &["X-Request-ID"]),
        "S500": problem("A bug", &["X-Request-ID"]),
        "S503": problem("Not now; try again", &["X-Request-ID", "Retry-After"]),
    })
}

/// How callers say who they are.
pub(super) fn security_schemes() -> Value {
    let header =
        |name: &str, says: &str| json!({"type": "apiKey", "in": "header", "name": name, "description": says});
    json!({
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "With `auth.mode = \"jwt\"`: an access token. Its `sub` is the user; its `scope` may have `admin` and `service`."},
        "guest": header("X-Guest-Token", "A guest's token, from `POST /api/v1/guests`."),
        "guestCookie": {"type": "apiKey", "in": "cookie", "name": GUEST_COOKIE, "description": "The same, in a browser."},
        "user": header("X-User-ID", "With `auth.mode = \"trusted-header\"`, for development and behind a gateway: the user, who is believed."),
        "scopes": header("X-User-Scopes", "Likewise: `admin`, `service`, or both, separated by a space. Where `auth.anonymous_admin` is on, who sends neither is an operator."),
    })
}

/// What an operation takes of them: one line is enough.
pub(super) fn security(who: Who) -> Value {
    match who {
        Who::Anyone => json!([]),
        Who::Known => json!([{}, {"token": []}, {"guest": []}, {"guestCookie": []}, {"user": []}]),
        Who::Caller | Who::Named => json!([{"token": []}, {"guest": []}, {"guestCookie": []}, {"user": []}]),
        Who::Staff | Who::Operators => json!([{"token": []}, {"scopes": []}]),
    }
}
