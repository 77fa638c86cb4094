//! Who calls, on two nodes that share PostgreSQL and Redis.

use std::collections::BTreeMap;

use cartwright_testkit::{Postgres, RedisTopology, eventually};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::kit::{Node, START, expect, migrate, run};

const SECRET: &str = "a secret of thirty-two bytes, at least";

struct Nodes {
    nodes: [Node; 2],
    redis: RedisTopology,
    _folder: tempfile::TempDir,
}

impl Nodes {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (url, redis) = (Postgres::shared().fresh_database().await, RedisTopology::start(1).unwrap());
        let (primary, replica) = (redis.primary.url(), redis.replicas[0].url());
        let mut all = vec![
            ("DATABASE_URL", url.as_str()),
            ("REDIS_URL", primary.as_str()),
            ("REDIS_REPLICA_URLS", replica.as_str()),
            ("CARTWRIGHT__AUTH__SECRET", SECRET),
        ];
        all.extend(variables);
        migrate(folder.path(), &all);
        let nodes = [(); 2].map(|()| Node::start(folder.path(), &all));
        Self { nodes, redis, _folder: folder }
    }

    fn turn(&self, turn: usize) -> &Node {
        &self.nodes[turn % self.nodes.len()]
    }
}

/// A token as operators make it by hand.
fn bearer(subject: &str, scopes: &[&str]) -> String {
    let mut args = vec!["token", subject];
    args.extend(scopes.iter().flat_map(|scope| ["--scope", *scope]));
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), &args, &[("CARTWRIGHT__AUTH__SECRET", SECRET)]);
    assert!(made.status.success(), "{made:?}");
    format!("authorization: Bearer {}\r\n", String::from_utf8(made.stdout).unwrap().trim())
}

async fn send(node: &Node, headers: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = node.client().await.send_with(headers, method, path, &body).await.unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn quantities(cart: &Value) -> BTreeMap<String, u64> {
    let lines = cart["items"].as_array().unwrap_or_else(|| panic!("{cart}"));
    lines
        .iter()
        .map(|line| (line["product_id"].as_str().unwrap().into(), line["quantity"].as_u64().unwrap()))
        .collect()
}

/// As the browser of somebody who logs in twice as quickly as he can, on each of his devices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_logins_bring_a_guests_cart_over_once() {
    let nodes = Nodes::start(&[("CARTWRIGHT__AUTH__MODE", "jwt")]).await;
    let operator = bearer("olga", &["admin"]);
    for n in 0..6 {
        let product =
            json!({"id": format!("p{n}"), "name": "Lamp", "price": "2.50", "currency": "EUR", "stock": 9});
        assert_eq!(send(nodes.turn(n), &operator, "POST", "/api/v1/products", product).await.0, 201);
    }
    // Whoever says in a header that he is somebody is nobody but who he is.
    let lies = "x-user-id: mallory\r\nx-user-scopes: admin\r\n";
    let ana = format!("{}{lies}", bearer("ana", &[]));
    let (status, made) = send(nodes.turn(0), lies, "POST", "/api/v1/guests", Value::Null).await;
    assert_eq!(status, 201, "{made}");
    let (guest_id, token) = (made["guest_id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let guest = format!("x-guest-token: {token}\r\n{lies}");
    let guests_cart = format!("/api/v1/carts/{guest_id}");
    let mut wanted = BTreeMap::new();
    for n in 0..5_u64 {
        let line = json!({"product_id": format!("p{n}"), "quantity": n + 1});
        let (status, cart) = send(nodes.turn(1), &guest, "POST", "/cart/add", line).await;
        assert_eq!((status, &cart["user_id"]), (200, &json!(guest_id)), "{cart}");
        *wanted.entry(format!("p{n}")).or_default() += n + 1;
    }
    for product in ["p0", "p5"] {
        let line = json!({"product_id": product, "quantity": 10});
        assert_eq!(send(nodes.turn(0), &ana, "POST", "/cart/add", line).await.0, 200);
        *wanted.entry(product.to_owned()).or_default() += 10;
    }
    let (_, shown) = send(
        nodes.turn(0),
        &format!("{ana}{guest}"),
        "POST",
        "/api/v1/carts/ana/merge?dry_run=true",
        json!({}),
    )
    .await;
    assert_eq!(quantities(&shown["cart"]), wanted, "{shown}");

    let mut logins = JoinSet::new();
    for n in 0..100 {
        let headers = format!("{ana}x-guest-token: {token}\r\n");
        // Some are sent again, some came twice to begin with.
        let headers =
            if n % 5 == 0 { format!("{headers}idempotency-key: login-{}\r\n", n % 10) } else { headers };
        let url = nodes.turn(n).url.clone();
        logins.spawn(async move {
            let mut client = crate::client::Client::connect(&url).await.unwrap();
            loop {
                let answer =
                    client.send_with(&headers, "POST", "/api/v1/carts/ana/merge", "{}").await.unwrap();
                // The same key at the same time: not yet.
                if answer.status != 409 {
                    return (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap());
                }
            }
        });
    }
    // Meanwhile he goes on in another tab that does not know yet that he has logged in.
    let mut late = 0;
    for n in 0..20 {
        let line = json!({"product_id": "p5", "quantity": 1});
        let (status, cart) = send(nodes.turn(n), &guest, "POST", "/cart/add", line).await;
        assert_eq!(status, 200, "{cart}");
        late += 1;
    }
    while let Some(login) = logins.join_next().await {
        let (status, answer) = login.unwrap();
        assert_eq!(status, 200, "{answer}");
    }
    let (status, answer) = send(
        nodes.turn(0),
        &format!("{ana}x-guest-token: {token}\r\n"),
        "POST",
        "/api/v1/carts/ana/merge",
        json!({}),
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    *wanted.entry("p5".to_owned()).or_default() += late;
    for node in &nodes.nodes {
        assert_eq!(quantities(&send(node, &ana, "GET", "/cart", Value::Null).await.1), wanted);
        assert_eq!(send(node, &guest, "GET", &guests_cart, Value::Null).await.1["items"], json!([]));
        assert_eq!(send(node, &operator, "GET", "/api/v1/carts/mallory", Value::Null).await.1["version"], 0);
    }

    // A hundred people with one guest's token: one of them gets what is in it.
    let line = json!({"product_id": "p1", "quantity": 7});
    assert_eq!(send(nodes.turn(0), &guest, "POST", "/cart/add", line).await.0, 200);
    let service = bearer("login", &["service"]);
    let mut logins = JoinSet::new();
    for n in 0..100 {
        let (url, headers) = (nodes.turn(n).url.clone(), service.clone());
        let body = json!({"from_user_id": guest_id}).to_string();
        logins.spawn(async move {
            let mut client = crate::client::Client::connect(&url).await.unwrap();
            let path = format!("/api/v1/carts/user-{n}/merge");
            let answer = client.send_with(&headers, "POST", &path, &body).await.unwrap();
            assert_eq!(answer.status, 200);
            quantities(&serde_json::from_slice::<Value>(&answer.body).unwrap()["cart"])
        });
    }
    let mut got = Vec::new();
    while let Some(login) = logins.join_next().await {
        got.extend(Some(login.unwrap()).filter(|lines| !lines.is_empty()));
    }
    assert_eq!(got, [BTreeMap::from([("p1".to_owned(), 7)])]);
    for node in &nodes.nodes {
        node.stop();
    }
}

/// Ten times as much as they may, from a thousand addresses and two hundred users, half of it on each node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_what_an_address_and_a_user_may_do() {
    const MAY: usize = 3;
    let may = MAY.to_string();
    let nodes = Nodes::start(&[
        ("CARTWRIGHT__LIMITS__ENABLED", "true"),
        ("CARTWRIGHT__LIMITS__LOGINS", &may),
        ("CARTWRIGHT__LIMITS__WRITES", &may),
        ("CARTWRIGHT__LIMITS__USERS_OF_AN_ADDRESS", "1"),
        ("CARTWRIGHT__LIMITS__TRUSTED_PROXIES", "127.0.0.0/8"),
        ("CARTWRIGHT__CARTS__ALLOW_UNLISTED_PRODUCTS", "true"),
    ])
    .await;
    // Until both count on Redis.
    for node in &nodes.nodes {
        eventually(START, || async {
            expect(&mut node.client().await, 200, "GET", "/redis/info", "").await["in_use"] == true
        })
        .await;
    }
    let began = std::time::Instant::now();
    let mut clients = JoinSet::new();
    for n in 0..8 {
        let url = nodes.turn(n).url.clone();
        clients.spawn(async move {
            let mut client = crate::client::Client::connect(&url).await.unwrap();
            let (mut guests, mut writes, mut refused) =
                (BTreeMap::<usize, usize>::new(), BTreeMap::<usize, usize>::new(), 0);
            for turn in 0..(10 * MAY).div_ceil(8) {
                for address in 0..1_000 {
                    let headers =
                        format!("x-forwarded-for: 198.{}.{}.7\r\n", 18 + address / 500, address % 250 + 1);
                    let headers =
                        if address % 500 >= 250 { headers.replace(".7\r", ".8\r") } else { headers };
                    let answer = client.send_with(&headers, "POST", "/api/v1/guests", "").await.unwrap();
                    assert!(matches!(answer.status, 201 | 429), "{}", answer.status);
                    *guests.entry(address).or_default() += usize::from(answer.status == 201);
                    refused += usize::from(answer.status == 429);
                }
                for user in 0..200 {
                    let headers = format!("x-user-id: user-{user}\r\n");
                    let body = json!({"product_id": "p", "product_data": {"name": "P", "price": 1}});
                    let answer =
                        client.send_with(&headers, "POST", "/cart/add", &body.to_string()).await.unwrap();
                    assert!(matches!(answer.status, 200 | 429), "{turn}: {}", answer.status);
                    *writes.entry(user).or_default() += usize::from(answer.status == 200);
                    if answer.status == 429 {
                        refused += 1;
                        // Its body was not read: the connection is closed, as the answer says.
                        client = crate::client::Client::connect(&url).await.unwrap();
                    }
                }
            }
            (guests, writes, refused)
        });
    }
    let (mut guests, mut writes, mut refused) = (BTreeMap::new(), BTreeMap::new(), 0);
    while let Some(client) = clients.join_next().await {
        let (one, two, no) = client.unwrap();
        one.into_iter().for_each(|(address, n)| *guests.entry(address).or_insert(0) += n);
        two.into_iter().for_each(|(user, n)| *writes.entry(user).or_insert(0) += n);
        refused += no;
    }
    // When Redis took longer than it may on a machine that is this busy, a node has counted by itself.
    let mut alone = 0;
    for node in &nodes.nodes {
        let metrics = node.client().await.send("GET", "/metrics", "").await.unwrap().body;
        let metrics = String::from_utf8(metrics).unwrap();
        let fallbacks =
            metrics.lines().filter_map(|line| line.strip_prefix("cartwright_limit_fallbacks_total "));
        alone += fallbacks.map(|n| n.parse::<usize>().unwrap()).sum::<usize>();
    }
    // Exactly so many in the first minute, and as many in each one after, at an even pace.
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let at_most = if minutes < 1.0 { MAY } else { (MAY as f64 * (minutes + 1.0)).ceil() as usize };
    println!(
        "{} addresses, {} users, {refused} refused, {alone} counted by a node alone, {minutes:.2} minutes",
        guests.len(),
        writes.len()
    );
    assert_eq!((guests.len(), writes.len()), (1_000, 200));
    let admitted = || guests.values().chain(writes.values()).copied();
    assert!(admitted().all(|n| n >= MAY), "{guests:?} {writes:?}");
    let more: usize = admitted().map(|n| n.saturating_sub(at_most)).sum();
    assert!(more <= alone, "{more} more than they may: {guests:?} {writes:?}");
    for node in &nodes.nodes {
        node.stop();
    }
}

/// Carts go on without Redis; what is kept there only is not made up.
#[tokio::test]
async fn sessions_say_that_they_are_away_when_redis_is() {
    let nodes = Nodes::start(&[]).await;
    let ana = "x-user-id: ana\r\n";
    let (status, session) = send(nodes.turn(0), ana, "POST", "/api/v1/sessions", json!({})).await;
    assert_eq!(status, 201, "{session}");
    let path = format!("/api/v1/sessions/{}", session["session_id"].as_str().unwrap());
    assert_eq!(send(nodes.turn(1), ana, "GET", &path, Value::Null).await.0, 200, "on whichever node");
    nodes.redis.primary.kill();
    eventually(START, || async {
        let (status, said) = send(nodes.turn(1), ana, "GET", &path, Value::Null).await;
        (status, said["code"].as_str()) == (503, Some("sessions_unavailable"))
    })
    .await;
    let (status, cart) = send(nodes.turn(0), ana, "GET", "/cart", Value::Null).await;
    assert_eq!((status, &cart["version"]), (200, &json!(0)));
    let profile = json!({"data": {"colour": "green"}});
    let (status, said) = send(nodes.turn(0), ana, "PUT", "/api/v1/users/ana/profile", profile.clone()).await;
    assert_eq!(status, 200, "{said}");
    let (_, shown) = send(nodes.turn(1), ana, "GET", "/api/v1/users/ana/profile", Value::Null).await;
    assert_eq!(shown["data"], profile["data"]);
}
