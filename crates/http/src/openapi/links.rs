//! What can be done next with what an answer names.

use serde_json::{Map, Value, json};

/// From some operations, at whichever address, to others: with which parameters, and with which body.
struct Link {
    from: &'static [&'static str],
    to: &'static [&'static str],
    parameters: &'static [(&'static str, &'static str)],
    body: Option<(&'static str, &'static str)>,
}

const fn link(
    from: &'static [&'static str],
    to: &'static [&'static str],
    parameters: &'static [(&'static str, &'static str)],
) -> Link {
    Link { from, to, parameters, body: None }
}

impl Link {
    const fn with(self, name: &'static str, value: &'static str) -> Self {
        Self { body: Some((name, value)), ..self }
    }
}

const ID: &str = "$response.body#/id";
const USER: &str = "$response.body#/user_id";
const ETAG: &str = "$response.header.ETag";
const VERSION: &str = "$response.body#/version";

const LINKS: &[Link] = &[
    // Carts.
    link(
        &["add_item", "set_quantity"],
        &["get_cart", "count_cart", "clear_cart", "cart_events"],
        &[("user_id", USER)],
    ),
    link(
        &["get_cart", "add_item", "set_quantity"],
        &[
            "set_quantity",
            "remove_item",
            "set_quantity_at_cart__user_id__update__product_id_",
            "remove_item_at_cart__user_id__remove__product_id_",
        ],
        &[("user_id", USER), ("product_id", "$response.body#/items/0/product_id"), ("If-Match", ETAG)],
    ),
    link(&["get_cart", "add_item", "set_quantity"], &["checkout"], &[("user_id", USER)])
        .with("cart_version", VERSION),
    link(&["add_item"], &["merge_cart"], &[]).with("from_user_id", USER),
    // Products.
    link(
        &["create_product"],
        &[
            "get_product",
            "get_cached_product",
            "get_inventory",
            "related_products",
            "change_product",
            "delete_product",
        ],
        &[("product_id", ID)],
    ),
    link(
        &["create_product", "get_product", "replace_product", "change_product"],
        &["replace_product", "change_product", "delete_product"],
        &[("product_id", ID), ("If-Match", ETAG)],
    ),
    link(
        &["list_products", "search", "list_category"],
        &["get_product", "get_cached_product"],
        &[("product_id", "$response.body#/items/0/id")],
    ),
    link(&["list_products"], &["list_products"], &[("cursor", "$response.body#/next_cursor")]),
    link(&["list_categories"], &["list_category"], &[("category", "$response.body#/items/0/category")]),
    link(&["create_product"], &["add_item", "create_hold", "create_order"], &[]).with("product_id", ID),
    link(&["put_cached_document"], &["get_cached_document"], &[("product_id", "$response.body#/product_id")]),
    // Orders and holds.
    link(
        &["create_order", "checkout"],
        &["get_order", "get_order_status", "cancel_order", "step_order"],
        &[("order_id", ID)],
    ),
    link(&["create_order", "checkout"], &["list_user_orders"], &[("user_id", USER)]),
    link(
        &["list_orders", "list_user_orders"],
        &["get_order", "get_order_status"],
        &[("order_id", "$response.body#/items/0/id")],
    ),
    link(&["step_order"], &["get_order", "cancel_order"], &[("order_id", "$response.body#/order_id")]),
    link(&["create_hold"], &["get_hold", "renew_hold", "release_hold"], &[("hold_id", ID)]),
    link(&["create_hold", "renew_hold"], &["create_order"], &[]).with("hold_id", ID),
    // Sessions and users.
    link(
        &["create_session", "log_in"],
        &[
            "get_session",
            "replace_session",
            "delete_session",
            "log_in",
            "get_session_at_session__session_id_",
            "delete_session_at_session__session_id_",
        ],
        &[("session_id", "$response.body#/session_id")],
    ),
    link(&["create_session", "log_in"], &["list_sessions", "end_sessions"], &[("user_id", USER)]),
    link(
        &["list_sessions"],
        &["end_session"],
        &[("user_id", "$request.path.user_id"), ("handle", "$response.body#/items/0/handle")],
    ),
    link(&["get_profile", "put_profile"], &["put_profile"], &[("user_id", USER), ("If-Match", ETAG)]),
    link(&["put_profile"], &["get_profile", "export_user", "erase_user"], &[("user_id", USER)]),
    link(&["create_guest"], &["get_cart", "add_item"], &[("user_id", "$response.body#/guest_id")]),
    // Webhooks.
    link(
        &["add_webhook"],
        &[
            "get_webhook",
            "change_webhook",
            "remove_webhook",
            "rotate_webhook_secret",
            "test_webhook",
            "replay_webhook",
            "list_webhook_deliveries",
        ],
        &[("webhook_id", ID)],
    ),
    link(&["list_webhooks"], &["get_webhook"], &[("webhook_id", "$response.body#/items/0/id")]),
    link(&["replay_webhook"], &["get_job"], &[("job_id", "$response.body#/job_id")]),
    // Jobs.
    link(
        &["list_jobs"],
        &["get_job", "retry_job", "cancel_job"],
        &[("job_id", "$response.body#/items/0/id")],
    ),
    link(
        &["job_queues"],
        &["pause_queue", "resume_queue", "limit_queue", "unlimit_queue"],
        &[("queue", "$response.body#/items/0/queue")],
    ),
];

/// Writes them into the answers from which they begin.
pub(super) fn add(paths: &mut Map<String, Value>) -> Option<()> {
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for operation in operations {
        let id = operation.get("operationId")?.as_str()?;
        let id = id.split_once("_at_").map_or(id, |(id, _)| id).to_owned();
        let links: Map<String, Value> =
            LINKS.iter().filter(|link| link.from.contains(&id.as_str())).flat_map(written).collect();
        let good = operation.get_mut("responses")?.as_object_mut()?;
        if let Some((_, answer)) = good.iter_mut().find(|(status, _)| status.starts_with('2'))
            && !links.is_empty()
        {
            answer.as_object_mut()?.insert("links".into(), Value::Object(links));
        }
    }
    Some(())
}

fn written(link: &'static Link) -> impl Iterator<Item = (String, Value)> {
    link.to.iter().map(|to| {
        let mut written = Map::from_iter([("operationId".to_owned(), json!(to))]);
        if !link.parameters.is_empty() {
            let parameters = link.parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
            written.insert("parameters".into(), parameters.collect());
        }
        if let Some((name, value)) = link.body {
            written.insert("requestBody".into(), json!({name: value}));
        }
        // Two ways to the same operation have two names.
        let named = link.parameters.iter().any(|(name, _)| *name == "If-Match");
        let name = if named { format!("{to}_if_match") } else { (*to).to_owned() };
        (name, Value::Object(written))
    })
}
