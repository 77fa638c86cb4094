//! Who may call what: the one table. An address that is not in it is not mounted.

use actix_web::http::Method;

use super::{
    Group,
    Who::{self, Anyone, Caller, Known, Named, Operators, Staff},
    load::Worth,
};

/// What may be called by whom.
pub(crate) struct Row {
    /// As in the header `Allow`.
    methods: &'static str,
    pub(crate) path: &'static str,
    who: Who,
    /// What it is counted with, if not with all reads and all changes.
    group: Option<Group>,
}

impl Row {
    const fn among(self, group: Group) -> Self {
        Self { group: Some(group), ..self }
    }

    /// Method by method.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Method, Rule)> {
        self.methods.split(", ").filter_map(|name| {
            let method: Method = name.parse().ok()?;
            let reads = matches!(method, Method::GET | Method::HEAD);
            let usual = if reads { Group::Reads } else { Group::Writes };
            let group = self.group.unwrap_or(usual);
            Some((method, Rule { who: self.who, group, worth: self.worth(group) }))
        })
    }

    fn worth(&self, group: Group) -> Worth {
        const SHOPPING: [&str; 4] = ["/api/v1/carts/", "/cart", "/api/v1/orders", "/api/v1/holds"];
        match group {
            Group::Free => Worth::Free,
            Group::Searches => Worth::Searches,
            _ if SHOPPING.iter().any(|begin| self.path.starts_with(begin)) => Worth::Shopping,
            _ => Worth::Others,
        }
    }
}

/// Who may call one thing, what it is counted with, and when it is refused for there being too much to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) who: Who,
    pub(crate) group: Group,
    pub(crate) worth: Worth,
}

const fn row(methods: &'static str, path: &'static str, who: Who) -> Row {
    Row { methods, path, who, group: None }
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
    row("POST", "/api/v1/carts/{user_id}/checkout", Named).among(Group::Orders),
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
    row(READ, "/api/v1/orders", Caller),
    row("POST", "/api/v1/orders", Caller).among(Group::Orders),
    row(READ, "/api/v1/orders/{order_id}", Caller),
    row(READ, "/api/v1/orders/{order_id}/status", Caller),
    row("POST", "/api/v1/orders/{order_id}/cancel", Caller).among(Group::Orders),
    row("POST", "/api/v1/orders/{order_id}/steps", Staff),
    row("POST", "/api/v1/holds", Caller).among(Group::Orders),
    row(READ, "/api/v1/holds/{hold_id}", Caller),
    row("DELETE", "/api/v1/holds/{hold_id}", Caller).among(Group::Orders),
    row("POST", "/api/v1/holds/{hold_id}/renew", Caller).among(Group::Orders),
    // Guests and users.
    row("POST", "/api/v1/guests", Anyone).among(Group::Logins),
    row("POST", "/api/v1/sessions", Known).among(Group::Logins),
    row("POST", "/session/create", Known).among(Group::Logins),
    row("GET, HEAD, PUT, DELETE", "/api/v1/sessions/{session_id}", Known),
    row("GET, HEAD, DELETE", "/session/{session_id}", Known),
    row("POST", "/api/v1/sessions/{session_id}/login", Caller).among(Group::Logins),
    row("DELETE", "/api/v1/users/{user_id}", Named),
    row(READ, "/api/v1/users/{user_id}/export", Named).among(Group::Searches),
    row("GET, HEAD, PUT", "/api/v1/users/{user_id}/profile", Named),
    row("GET, HEAD, DELETE", "/api/v1/users/{user_id}/sessions", Named),
    row("DELETE", "/api/v1/users/{user_id}/sessions/{handle}", Named),
    row(READ, "/api/v1/users/{user_id}/orders", Named),
    row("GET", "/api/v1/users/{user_id}/events", Named),
    row(READ, "/api/v1/recommendations/{user_id}", Named).among(Group::Searches),
    // The catalogue: for all to read.
    row(READ, "/api/v1/products", Anyone).among(Group::Searches),
    row("POST", "/api/v1/products", Operators),
    row("POST", "/api/v1/products/import", Operators),
    row(READ, "/api/v1/products/{product_id}", Anyone),
    row("PUT, PATCH, DELETE", "/api/v1/products/{product_id}", Operators),
    row(READ, "/api/v1/products/{product_id}/cached", Anyone),
    row(READ, "/api/v1/products/{product_id}/inventory", Anyone),
    row(READ, "/api/v1/products/{product_id}/related", Anyone).among(Group::Searches),
    row(READ, "/api/v1/search", Anyone).among(Group::Searches),
    row(READ, "/api/v1/categories", Anyone).among(Group::Searches),
    row(READ, "/api/v1/categories/{category}/products", Anyone).among(Group::Searches),
    row(READ, "/api/v1/stats/top-products", Anyone).among(Group::Searches),
    row(READ, "/stats/top-products", Anyone).among(Group::Searches),
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
    row(READ, "/jobs", Anyone).among(Group::Free),
    row(READ, "/jobs/{file}", Anyone).among(Group::Free),
    // Events of everybody, and who is told of them.
    row("GET", "/api/v1/events", Staff),
    row("GET, HEAD, POST", "/api/v1/webhooks", Operators),
    row("GET, HEAD, PATCH, DELETE", "/api/v1/webhooks/{webhook_id}", Operators),
    row("POST", "/api/v1/webhooks/{webhook_id}/rotate-secret", Operators),
    row("POST", "/api/v1/webhooks/{webhook_id}/test", Operators),
    row("POST", "/api/v1/webhooks/{webhook_id}/replay", Operators),
    row(READ, "/api/v1/webhooks/{webhook_id}/deliveries", Operators),
    // Operations. Whether a node is up is no secret; what it does is.
    row(READ, "/livez", Anyone).among(Group::Free),
    row(READ, "/readyz", Anyone).among(Group::Free),
    row(READ, "/health", Anyone).among(Group::Free),
    row(READ, "/api/v1/health", Anyone).among(Group::Free),
    row(READ, "/api/v1/health/ready", Anyone).among(Group::Free),
    row(READ, "/redis/info", Operators),
    row(READ, "/api/v1/redis/info", Operators),
    row(READ, "/api/v1/health/cache/stats", Operators),
    row(READ, "/metrics", Staff),
    // This documentation.
    row(READ, "/openapi.json", Anyone).among(Group::Free),
    row(READ, "/redoc", Anyone).among(Group::Free),
    row(READ, "/redoc/redoc.standalone.js", Anyone).among(Group::Free),
    row(READ, "/docs", Anyone).among(Group::Free),
    row(READ, "/docs/{file:.*}", Anyone).among(Group::Free),
];

/// What is said of this. `None`: it is not in the table.
pub(crate) fn rule(method: &str, path: &str) -> Option<Rule> {
    let rows = TABLE.iter().filter(|row| row.path == path);
    rows.flat_map(Row::each).find(|(known, _)| known == method).map(|(_, rule)| rule)
}
