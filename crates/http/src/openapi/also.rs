//! What all operations of a kind have in common: by address and method.

/// Names of parameters and headers, and statuses.
#[derive(Default)]
pub(super) struct Also {
    pub(super) parameters: Vec<&'static str>,
    pub(super) statuses: Vec<&'static str>,
    pub(super) headers: Vec<&'static str>,
}

pub(super) fn also(path: &str, method: &str, body: bool) -> Also {
    let mut also = Also { parameters: vec!["RequestId"], headers: vec!["X-Request-ID"], ..Also::default() };
    if IN_EVENTS.iter().any(|start| path.starts_with(start)) {
        of_events(&mut also, path, method);
    } else if path.contains("/orders") || path.ends_with("/checkout") {
        of_orders(&mut also, path, method);
    } else if path.starts_with("/api/v1/holds") {
        of_holds(&mut also, path, method);
    } else if path.contains("/cart") {
        of_cart(&mut also, path, method);
    } else if IN_CATALOG.iter().any(|start| path.starts_with(start)) {
        of_catalog(&mut also, path, method);
    } else if path.starts_with("/api/v1/jobs") {
        of_jobs(&mut also, path);
    }
    if path == "/api/v1/guests" {
        // A cookie for a page of another site.
        also.statuses.extend(["403", "422"]);
        also.headers.push("Cache-Control");
    }
    if path.contains("/session") || IN_PEOPLE.iter().any(|end| path.ends_with(end)) {
        of_people(&mut also, path, method);
    }
    if path.contains("{product_id}") {
        also.parameters.push("ProductId");
        // Nothing goes with a product that nobody knows; a document need not be there to be put there.
        let never = path.ends_with("/related") || path.starts_with("/cache") && method == "post";
        if !never {
            also.statuses.push("404");
        }
    }
    if body {
        also.statuses.extend(["400", "408", "415"]);
        if !path.ends_with("/import") {
            also.statuses.push("413");
        }
    }
    also
}

fn of_orders(also: &mut Also, path: &str, method: &str) {
    also.statuses.extend(["422", "500", "503"]);
    if path.contains("{user_id}") {
        also.parameters.push("UserId");
    }
    if path.contains("{order_id}") {
        also.parameters.push("OrderId");
        also.statuses.push("404");
    }
    if path.ends_with("/orders") && method == "get" {
        also.headers.push("X-Cache");
    }
    if method == "post" {
        also.statuses.extend(["400", "409"]);
        if !path.contains("{order_id}") {
            also.parameters.push("IdempotencyKey");
            also.headers.extend(["Location", "Idempotent-Replayed"]);
        }
        if path.ends_with("/checkout") {
            also.parameters.push("IfMatch");
            also.statuses.push("412");
        }
    }
}

fn of_holds(also: &mut Also, path: &str, method: &str) {
    also.statuses.extend(["422", "500", "503"]);
    if method != "get" {
        also.statuses.push("409");
    }
    if path.contains("{hold_id}") {
        also.parameters.push("HoldId");
        also.statuses.push("404");
    } else {
        also.parameters.push("IdempotencyKey");
        also.statuses.push("400");
        also.headers.extend(["Location", "Idempotent-Replayed"]);
    }
}

fn of_cart(also: &mut Also, path: &str, method: &str) {
    let changes = method != "get";
    let by_path = path.contains("{user_id}");
    also.statuses.extend(["422", "500", "503"]);
    if by_path {
        also.parameters.push("UserId");
    } else {
        also.statuses.push("400");
    }
    if changes {
        also.parameters.push("IfMatch");
        also.statuses.extend(["400", "409", "412"]);
    } else if !path.ends_with("/events") {
        also.parameters.push("IfNoneMatch");
        also.statuses.push("304");
    }
    if method == "post" {
        also.parameters.push("IdempotencyKey");
    }
    if path.starts_with("/cart") && method == "put" {
        also.parameters.push("Quantity");
    }
    if !path.ends_with("/events") {
        also.headers.extend(["ETag", if changes { "Idempotent-Replayed" } else { "X-Cache" }]);
    }
}

const IN_EVENTS: [&str; 3] = ["/api/v1/events", "/api/v1/users/{user_id}/events", "/api/v1/webhooks"];

fn of_events(also: &mut Also, path: &str, method: &str) {
    also.statuses.extend(["422", "500", "503"]);
    also.headers.push("Cache-Control");
    if path.ends_with("/events") {
        also.parameters.push("LastEventId");
        also.statuses.push("410");
    }
    if path.contains("{user_id}") {
        also.parameters.push("UserId");
    }
    if path.contains("{webhook_id}") {
        also.parameters.push("WebhookId");
        also.statuses.push("404");
    }
    if path.ends_with("/replay") {
        also.statuses.extend(["409", "410"]);
    }
    if path.ends_with("/rotate-secret") {
        also.statuses.push("409");
    }
    if path == "/api/v1/webhooks" && method == "post" {
        also.statuses.push("409");
        also.headers.push("Location");
    }
}

const IN_PEOPLE: [&str; 3] = ["/users/{user_id}", "/profile", "/export"];

fn of_people(also: &mut Also, path: &str, method: &str) {
    also.statuses.extend(["422", "500", "503"]);
    also.headers.push("Cache-Control");
    if path.contains("{user_id}") {
        also.parameters.push("UserId");
    }
    if path.contains("{session_id}") {
        also.parameters.push("SessionId");
        also.statuses.push("404");
    }
    if path.contains("{handle}") {
        also.parameters.push("Handle");
        also.statuses.push("404");
    }
    if path.ends_with("/sessions") && method == "delete" {
        also.parameters.push("CurrentSession");
        also.statuses.push("400");
    }
    if method == "put" {
        also.parameters.push("IfMatch");
        also.statuses.extend(["400", "412"]);
        also.headers.push("ETag");
    }
    if path.ends_with("/profile") && method == "get" {
        also.parameters.push("IfNoneMatch");
        also.statuses.push("304");
        also.headers.extend(["ETag", "X-Cache"]);
    }
}

fn of_jobs(also: &mut Also, path: &str) {
    also.statuses.extend(["422", "500", "503"]);
    if path.contains("{queue}") {
        also.parameters.push("Queue");
    }
    if path.contains("{job_id}") {
        also.parameters.push("JobId");
        also.statuses.push("404");
        if !path.ends_with('}') {
            also.statuses.push("409");
        }
    }
    also.headers.push("Cache-Control");
}

const IN_CATALOG: [&str; 7] = [
    "/api/v1/products",
    "/api/v1/categories",
    "/api/v1/search",
    "/api/v1/recommendations",
    "/api/v1/stats",
    "/stats",
    "/cache",
];

fn of_catalog(also: &mut Also, path: &str, method: &str) {
    also.statuses.extend(["422", "500", "503"]);
    if path.contains("{user_id}") {
        also.parameters.push("UserId");
    }
    if path.contains("{category}") {
        also.parameters.push("Category");
    }
    match method {
        "get" => {
            // These have no version.
            if !path.ends_with("/inventory") && !path.starts_with("/cache") {
                also.parameters.push("IfNoneMatch");
                also.statuses.push("304");
                also.headers.push("ETag");
            }
            if path != "/api/v1/products/{product_id}" {
                also.headers.extend(["X-Cache", "X-Cache-Status", "Age", "Cache-Control"]);
                let private = path.ends_with("/inventory") || path.contains("{user_id}");
                if !private && !path.starts_with("/cache") {
                    also.headers.push("Surrogate-Key");
                }
            }
        }
        "put" | "patch" | "delete" => {
            also.parameters.push("IfMatch");
            also.statuses.extend(["400", "412"]);
            if method != "delete" {
                also.headers.push("ETag");
            }
        }
        _ if path == "/api/v1/products" => {
            also.parameters.push("IdempotencyKey");
            also.statuses.push("409");
            also.headers.extend(["ETag", "Location", "Idempotent-Replayed"]);
        }
        _ => {}
    }
}
