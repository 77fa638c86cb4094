//! Who may call what: the one table. An address that is not in it is not mounted.

use actix_web::http::Method;

use super::Who::{self, Anyone, Caller, Named, Operators, Staff};

/// What may be called by whom.
pub(crate) struct Row {
    /// As in the header `Allow`.
    methods: &'static str,
    pub(crate) path: &'static str,
    who: Who,
}

impl Row {
    /// Method by method.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Method, Who)> {
        self.methods.split(", ").filter_map(|name| Some((name.parse().ok()?, self.who)))
    }
}

const fn row(methods: &'static str, path: &'static str, who: Who) -> Row {
    Row { methods, path, who }
}

const READ: &str = "GET, HEAD";

pub(crate) const TABLE: &[Row] = &[
    // Carts: his whom the path names, or the caller's own.
    row("GET, HEAD, DELETE", "/api/v1/carts/{user_id}", Named),
    row(READ, "/api/v1/carts/{user_id}/count", Named),
    row("GET", "/api/v1/carts/{user_id}/events", Named),
    row("POST", "/api/v1/carts/{user_id}/items", Named),
    row("PUT, DELETE", "/api/v1/carts/{user_id}/items/{product_id}", Named),
    row("POST", "/api/v1/carts/{user_id}/merge", Named),
    row("POST", "/api/v1/carts/{user_id}/checkout", Named),
    row(READ, "/cart/{user_id}", Named),
    row("POST", "/cart/{user_id}/add", Named),
    row("POST", "/cart/{user_id}/clear", Named),
    row("POST", "/cart/{user_id}/remove/{product_id}", Named),
    row("PUT", "/cart/{user_id}/update/{product_id}", Named),
    row(READ, "/cart", Caller),
    row(READ, "/cart/count", Caller),
    row("POST", "/cart/add", Caller),
    row("DELETE", "/cart/clear", Caller),
    row("DELETE", "/cart/remove/{product_id}", Caller),
    row("PUT", "/cart/update/{product_id}", Caller),
    // Orders and holds: the caller's own; the others' are not there for him.
    row("GET, HEAD, POST", "/api/v1/orders", Caller),
    row(READ, "/api/v1/orders/{order_id}", Caller),
    row(READ, "/api/v1/orders/{order_id}/status", Caller),
    row("POST", "/api/v1/orders/{order_id}/cancel", Caller),
    row("POST", "/api/v1/orders/{order_id}/steps", Staff),
    row("POST", "/api/v1/holds", Caller),
    row("GET, HEAD, DELETE", "/api/v1/holds/{hold_id}", Caller),
    row("POST", "/api/v1/holds/{hold_id}/renew", Caller),
    // Guests and users.
    row("POST", "/api/v1/guests", Anyone),
    row(READ, "/api/v1/users/{user_id}/orders", Named),
    row("GET", "/api/v1/users/{user_id}/events", Named),
    row(READ, "/api/v1/recommendations/{user_id}", Named),
    // The catalogue: for all to read.
    row(READ, "/api/v1/products", Anyone),
    row("POST", "/api/v1/products", Operators),
    row("POST", "/api/v1/products/import", Operators),
    row(READ, "/api/v1/products/{product_id}", Anyone),
    row("PUT, PATCH, DELETE", "/api/v1/products/{product_id}", Operators),
    row(READ, "/api/v1/products/{product_id}/cached", Anyone),
    row(READ, "/api/v1/products/{product_id}/inventory", Anyone),
    row(READ, "/api/v1/products/{product_id}/related", Anyone),
    row(READ, "/api/v1/search", Anyone),
    row(READ, "/api/v1/categories", Anyone),
    row(READ, "/api/v1/categories/{category}/products", Anyone),
    row(READ, "/api/v1/stats/top-products", Anyone),
    row(READ, "/stats/top-products", Anyone),
    row(READ, "/cache/product/{product_id}", Anyone),
    row("POST", "/cache/product/{product_id}", Operators),
    // Background jobs. The page has no secrets; what it shows comes from the addresses above it.
    row("GET, HEAD, DELETE", "/api/v1/jobs", Operators),
    row(READ, "/api/v1/jobs/overview", Operators),
    row(READ, "/api/v1/jobs/failures", Operators),
    row("POST", "/api/v1/jobs/retry", Operators),
    row(READ, "/api/v1/jobs/queues", Operators),
    row(READ, "/api/v1/jobs/workers", Operators),
    row("POST", "/api/v1/jobs/queues/{queue}/pause", Operators),
    row("POST", "/api/v1/jobs/queues/{queue}/resume", Operators),
    row("PUT, DELETE", "/api/v1/jobs/queues/{queue}/rate", Operators),
    row(READ, "/api/v1/jobs/{job_id}", Operators),
    row("POST", "/api/v1/jobs/{job_id}/retry", Operators),
    row("POST", "/api/v1/jobs/{job_id}/cancel", Operators),
    row(READ, "/jobs", Anyone),
    row(READ, "/jobs/{file}", Anyone),
    // Events of everybody, and who is told of them.
    row("GET", "/api/v1/events", Staff),
    row("GET, HEAD, POST", "/api/v1/webhooks", Operators),
    row("GET, HEAD, PATCH, DELETE", "/api/v1/webhooks/{webhook_id}", Operators),
    row("POST", "/api/v1/webhooks/{webhook_id}/rotate-secret", Operators),
    row("POST", "/api/v1/webhooks/{webhook_id}/test", Operators),
    row("POST", "/api/v1/webhooks/{webhook_id}/replay", Operators),
    row(READ, "/api/v1/webhooks/{webhook_id}/deliveries", Operators),
    // Operations. Whether a node is up is no secret; what it does is.
    row(READ, "/livez", Anyone),
    row(READ, "/readyz", Anyone),
    row(READ, "/health", Anyone),
    row(READ, "/api/v1/health", Anyone),
    row(READ, "/api/v1/health/ready", Anyone),
    row(READ, "/redis/info", Operators),
    row(READ, "/api/v1/redis/info", Operators),
    row(READ, "/api/v1/health/cache/stats", Operators),
    row(READ, "/metrics", Staff),
    // This documentation.
    row(READ, "/openapi.json", Anyone),
    row(READ, "/redoc", Anyone),
    row(READ, "/redoc/redoc.standalone.js", Anyone),
    row(READ, "/docs", Anyone),
    row(READ, "/docs/{file:.*}", Anyone),
];

/// Who may call this. `None`: it is not in the table.
pub(crate) fn who(method: &str, path: &str) -> Option<Who> {
    let mut rules = TABLE.iter().filter(|row| row.path == path).flat_map(Row::each);
    rules.find(|(known, _)| known == method).map(|(_, who)| who)
}
