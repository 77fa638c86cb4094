//! The one list of addresses.

use actix_web::{
    HttpRequest, guard,
    web::{Data, ServiceConfig, delete, get, head, patch, post, put},
};

use super::{Mounted, at, hot::Hot};
use crate::{
    AppState,
    access::Rules,
    carts,
    catalog::{cached, classic, import, lists, products, rankings, search, stats},
    docs, events, feed, guests,
    headers::{owner_named, product_named},
    health, holds, jobs,
    orders::{buy, look},
    people::{person, profiles, sessions},
    webhooks::{deliveries, targets},
};

const GET: &str = "GET, HEAD";
const POST: &str = "POST";
const PUT: &str = "PUT";
const DELETE: &str = "DELETE";

macro_rules! read {
    ($handler:path) => {
        |resource| resource.route(get().to($handler)).route(head().to($handler))
    };
}

/// All addresses. The router tries them in this order: the hottest first, and names before parameters.
pub(super) fn all() -> Vec<Mounted> {
    [
        hottest(),
        of_products(),
        of_carts(),
        of_people(),
        of_orders(),
        of_catalog(),
        of_jobs(),
        of_events(),
        of_operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const CACHED: &str = "/api/v1/products/{product_id}/cached";
const CART: &str = "/api/v1/carts/{user_id}";

/// Those that are asked for most, in front of all others, where they are mounted as well.
pub(super) fn hot(config: &mut ServiceConfig, state: &Data<AppState>) {
    let rules = Rules::of(CACHED, state);
    let handler = async move |request: &HttpRequest, state: &AppState, id: &str| {
        let _begun = rules.begin(request)?;
        Ok(cached::cached_by(request, state, product_named(id)?).await?)
    };
    config.service(Hot { route: CACHED, handler, state: state.clone() });
    let rules = Rules::of(CART, state);
    let handler = async move |request: &HttpRequest, state: &AppState, id: &str| {
        let _begun = rules.admit(request, id).await?;
        Ok(carts::get_cart_of(request, state, owner_named(id)?).await?)
    };
    config.service(Hot { route: CART, handler, state: state.clone() });
}

fn hottest() -> Vec<Mounted> {
    vec![
        // Compared as it is, which is nothing beside a pattern.
        at("/api/v1/orders", "GET, HEAD, POST", |resource| {
            resource.route(post().to(buy::create)).route(get().to(look::list)).route(head().to(look::list))
        })
        .compressed(),
        at(CACHED, GET, read!(cached::cached)),
        at(CART, "GET, HEAD, DELETE", |resource| {
            resource
                .route(get().to(carts::get_cart))
                .route(delete().to(carts::clear))
                .route(head().to(carts::get_cart))
        }),
        at("/api/v1/carts/{user_id}/items", POST, |resource| resource.route(post().to(carts::add))),
        at("/api/v1/carts/{user_id}/checkout", POST, |resource| resource.route(post().to(buy::checkout))),
    ]
}

fn of_products() -> Vec<Mounted> {
    vec![
        at("/api/v1/products", "GET, HEAD, POST", |resource| {
            resource
                .route(get().to(lists::list))
                .route(post().to(products::create))
                .route(head().to(lists::list))
        })
        .compressed(),
        // A product may be called `import`: what is done to products is done to that one.
        Mounted {
            told: "GET, HEAD, POST, PUT, PATCH, DELETE",
            ..at("/api/v1/products/import", POST, |resource| {
                let of_product = guard::Any(guard::Get())
                    .or(guard::Head())
                    .or(guard::Put())
                    .or(guard::Patch())
                    .or(guard::Delete());
                resource.guard(guard::Not(of_product)).route(post().to(import::import))
            })
        },
        at("/api/v1/products/{product_id}", "GET, HEAD, PUT, PATCH, DELETE", |resource| {
            resource
                .route(get().to(products::get_product))
                .route(put().to(products::replace))
                .route(patch().to(products::change))
                .route(delete().to(products::delete))
                .route(head().to(products::get_product))
        }),
        at("/api/v1/products/{product_id}/inventory", GET, read!(cached::inventory)),
        at("/api/v1/products/{product_id}/related", GET, read!(rankings::related)).compressed(),
    ]
}

fn of_carts() -> Vec<Mounted> {
    vec![
        at("/api/v1/carts/{user_id}/items/{product_id}", "PUT, DELETE", |resource| {
            resource.route(put().to(carts::set_quantity)).route(delete().to(carts::remove))
        }),
        at("/cart/count", GET, read!(carts::count)),
        at("/cart/add", POST, |resource| resource.route(post().to(carts::add))),
        at("/cart/clear", DELETE, |resource| resource.route(delete().to(carts::clear))),
        at("/cart", GET, read!(carts::get_cart)),
        at("/cart/{user_id}", GET, read!(carts::get_cart)),
        at("/cart/remove/{product_id}", DELETE, |resource| resource.route(delete().to(carts::remove))),
        at("/cart/update/{product_id}", PUT, |resource| resource.route(put().to(carts::set_quantity))),
        at("/cart/{user_id}/add", POST, |resource| resource.route(post().to(carts::add))),
        at("/cart/{user_id}/clear", POST, |resource| resource.route(post().to(carts::clear))),
        at("/cart/{user_id}/remove/{product_id}", POST, |resource| resource.route(post().to(carts::remove))),
        at("/cart/{user_id}/update/{product_id}", PUT, |resource| {
            resource.route(put().to(carts::set_quantity))
        }),
        at("/api/v1/carts/{user_id}/count", GET, read!(carts::count)),
        at("/api/v1/carts/{user_id}/merge", POST, |resource| resource.route(post().to(carts::merge))),
        at("/api/v1/carts/{user_id}/events", "GET", |resource| resource.route(get().to(events::events))),
    ]
}

fn of_people() -> Vec<Mounted> {
    vec![
        at("/api/v1/sessions", POST, |resource| resource.route(post().to(sessions::create))),
        at("/session/create", POST, |resource| resource.route(post().to(sessions::create))),
        at("/api/v1/sessions/{session_id}", "GET, HEAD, PUT, DELETE", |resource| {
            resource
                .route(get().to(sessions::get))
                .route(put().to(sessions::replace))
                .route(delete().to(sessions::delete))
                .route(head().to(sessions::get))
        }),
        at("/session/{session_id}", "GET, HEAD, DELETE", |resource| {
            resource
                .route(get().to(sessions::get))
                .route(delete().to(sessions::delete))
                .route(head().to(sessions::get))
        }),
        at("/api/v1/sessions/{session_id}/login", POST, |resource| {
            resource.route(post().to(sessions::log_in))
        }),
        at("/api/v1/users/{user_id}", DELETE, |resource| resource.route(delete().to(person::erase))),
        at("/api/v1/users/{user_id}/export", GET, read!(person::export)).compressed(),
        at("/api/v1/users/{user_id}/profile", "GET, HEAD, PUT", |resource| {
            resource
                .route(get().to(profiles::get))
                .route(put().to(profiles::put))
                .route(head().to(profiles::get))
        }),
        at("/api/v1/users/{user_id}/sessions", "GET, HEAD, DELETE", |resource| {
            resource
                .route(get().to(sessions::list))
                .route(delete().to(sessions::end_all))
                .route(head().to(sessions::list))
        }),
        at("/api/v1/users/{user_id}/sessions/{handle}", DELETE, |resource| {
            resource.route(delete().to(sessions::end))
        }),
        at("/api/v1/guests", POST, |resource| resource.route(post().to(guests::create))),
    ]
}

fn of_orders() -> Vec<Mounted> {
    vec![
        at("/api/v1/orders/{order_id}", GET, read!(look::get)),
        at("/api/v1/orders/{order_id}/status", GET, read!(look::status)),
        at("/api/v1/orders/{order_id}/steps", POST, |resource| resource.route(post().to(buy::step))),
        at("/api/v1/orders/{order_id}/cancel", POST, |resource| resource.route(post().to(buy::cancel))),
        at("/api/v1/holds", POST, |resource| resource.route(post().to(holds::create))),
        at("/api/v1/holds/{hold_id}", "GET, HEAD, DELETE", |resource| {
            resource
                .route(get().to(holds::get))
                .route(delete().to(holds::release))
                .route(head().to(holds::get))
        }),
        at("/api/v1/holds/{hold_id}/renew", POST, |resource| resource.route(post().to(holds::renew))),
        at("/api/v1/users/{user_id}/orders", GET, read!(look::of_user)).compressed(),
    ]
}

fn of_catalog() -> Vec<Mounted> {
    vec![
        at("/api/v1/search", GET, read!(search::search)).compressed(),
        at("/api/v1/categories", GET, read!(lists::categories)).compressed(),
        at("/api/v1/categories/{category}/products", GET, read!(lists::of_category)).compressed(),
        at("/api/v1/recommendations/{user_id}", GET, read!(rankings::recommendations)).compressed(),
        at("/api/v1/stats/top-products", GET, read!(rankings::top)).compressed(),
        at("/stats/top-products", GET, read!(rankings::top)).compressed(),
        at("/cache/product/{product_id}", "GET, HEAD, POST", |resource| {
            resource
                .route(get().to(classic::get))
                .route(post().to(classic::put))
                .route(head().to(classic::get))
        }),
    ]
}

fn of_jobs() -> Vec<Mounted> {
    vec![
        at("/api/v1/jobs", "GET, HEAD, DELETE", |resource| {
            resource
                .route(get().to(jobs::list::list))
                .route(delete().to(jobs::list::purge))
                .route(head().to(jobs::list::list))
        }),
        at("/api/v1/jobs/overview", GET, read!(jobs::overview::overview)),
        at("/api/v1/jobs/failures", GET, read!(jobs::overview::failures)),
        at("/api/v1/jobs/retry", POST, |resource| resource.route(post().to(jobs::list::retry))),
        at("/api/v1/jobs/queues", GET, read!(jobs::queues::all)),
        at("/api/v1/jobs/workers", GET, read!(jobs::queues::workers)),
        at("/api/v1/jobs/queues/{queue}/pause", POST, |resource| {
            resource.route(post().to(jobs::queues::pause))
        }),
        at("/api/v1/jobs/queues/{queue}/resume", POST, |resource| {
            resource.route(post().to(jobs::queues::resume))
        }),
        at("/api/v1/jobs/queues/{queue}/rate", "PUT, DELETE", |resource| {
            resource.route(put().to(jobs::queues::limit)).route(delete().to(jobs::queues::unlimit))
        }),
        at("/api/v1/jobs/{job_id}", GET, read!(jobs::one::get)),
        at("/api/v1/jobs/{job_id}/retry", POST, |resource| resource.route(post().to(jobs::one::retry))),
        at("/api/v1/jobs/{job_id}/cancel", POST, |resource| resource.route(post().to(jobs::one::cancel))),
        at("/jobs", GET, read!(jobs::page::page)),
        at("/jobs/{file}", GET, read!(jobs::page::file)),
    ]
    .into_iter()
    .map(Mounted::compressed)
    .collect()
}

fn of_events() -> Vec<Mounted> {
    vec![
        // Not compressed: what is compressed waits until there is enough of it.
        at("/api/v1/events", "GET", |resource| resource.route(get().to(feed::all))),
        at("/api/v1/webhooks", "GET, HEAD, POST", |resource| {
            resource
                .route(get().to(targets::list))
                .route(post().to(targets::add))
                .route(head().to(targets::list))
        }),
        at("/api/v1/webhooks/{webhook_id}", "GET, HEAD, PATCH, DELETE", |resource| {
            resource
                .route(get().to(targets::get))
                .route(patch().to(targets::change))
                .route(delete().to(targets::remove))
                .route(head().to(targets::get))
        }),
        at("/api/v1/webhooks/{webhook_id}/rotate-secret", POST, |resource| {
            resource.route(post().to(targets::rotate))
        }),
        at("/api/v1/webhooks/{webhook_id}/test", POST, |resource| {
            resource.route(post().to(deliveries::test))
        }),
        at("/api/v1/webhooks/{webhook_id}/replay", POST, |resource| {
            resource.route(post().to(deliveries::replay))
        }),
        at("/api/v1/webhooks/{webhook_id}/deliveries", GET, read!(deliveries::list)).compressed(),
        at("/api/v1/users/{user_id}/events", "GET", |resource| resource.route(get().to(feed::of_user))),
    ]
}

fn of_operations() -> Vec<Mounted> {
    vec![
        at("/livez", GET, read!(health::livez)),
        at("/readyz", GET, read!(health::readyz)),
        at("/health", GET, read!(health::health)),
        at("/api/v1/health", GET, read!(health::health)),
        at("/api/v1/health/ready", GET, read!(health::readyz)),
        at("/redis/info", GET, read!(health::redis_info)),
        at("/api/v1/redis/info", GET, read!(health::redis_info)),
        at("/api/v1/health/cache/stats", GET, read!(stats::cache_stats)),
        at("/metrics", GET, read!(health::metrics)).compressed(),
        at("/openapi.json", GET, read!(docs::document)).compressed(),
        at("/redoc", GET, read!(docs::redoc)),
        at("/redoc/redoc.standalone.js", GET, read!(docs::redoc_script)).compressed(),
        at("/docs", GET, read!(docs::swagger_redirect)),
        at("/docs/{file:.*}", GET, read!(docs::swagger)).compressed(),
    ]
}
