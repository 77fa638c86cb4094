//! The catalogue: files that are imported, an edge in front, replicas behind.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use cartwright_testkit::{Postgres, RedisTopology, Varnish, eventually, eventually_some};
use futures_util::future::{join, join_all};
use tokio_util::sync::CancellationToken;

use crate::kit::{Node, VCL, expect, run, show, text};

const PATIENCE: Duration = Duration::from_secs(30);

/// What is shipped, before this node.
fn varnish(node: &Node) -> Varnish {
    let port = node.url.rsplit(':').next().unwrap();
    Varnish::start(&VCL.replace(".port = \"8000\"", &format!(".port = \"{port}\""))).unwrap()
}

/// A primary with one replica, and what nodes are told of them.
struct Redis {
    servers: RedisTopology,
    primary: String,
    replica: String,
}

impl Redis {
    fn start() -> Self {
        let servers = RedisTopology::start(1).unwrap();
        let (primary, replica) = (servers.primary.url(), servers.replicas[0].url());
        Self { servers, primary, replica }
    }

    /// The variables of a node that also has this database, and more.
    fn variables<'a>(&'a self, database: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own =
            [("DATABASE_URL", database), ("REDIS_URL", &self.primary), ("REDIS_REPLICA_URLS", &self.replica)];
        [own.as_slice(), more].concat()
    }
}

fn import(folder: &Path, file: &str, more: &[&str]) -> (Option<i32>, String) {
    let output = run(folder, &[&["import", file], more].concat(), &[]);
    (output.status.code(), text(&output))
}

#[test]
fn a_file_is_imported_and_its_bad_rows_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("products.csv", "id,name,price,stock\n1,Tea,3.50,10\n2,,4,1\n3,Mug,7,x\n");
    let (code, said) = import(folder.path(), "products.csv", &["--dry-run"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("dry run") && said.contains("3 rows: 1 created"), "{said}");
    let (code, said) = import(folder.path(), "products.csv", &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("3 rows: 1 created, 0 changed, 0 unchanged, 2 rejected"), "{said}");
    assert!(said.contains("line 3: /name missing") && said.contains("line 4: /stock"), "{said}");

    put(
        "products.txt",
        "{\"id\":1,\"name\":\"Tea\",\"price\":3.5,\"stock\":10}\n{\"id\":2,\"name\":\"Cup\",\"price\":1}\n",
    );
    let (code, said) = import(folder.path(), "products.txt", &[]);
    assert!(code != Some(0) && said.contains("--format"), "{said}");
    let (code, said) = import(folder.path(), "products.txt", &["--format", "ndjson"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 rows: 1 created, 0 changed, 1 unchanged, 0 rejected"), "{said}");

    put("none.csv", "name\nTea\n");
    for file in ["none.csv", "nowhere.csv"] {
        let (code, said) = import(folder.path(), file, &[]);
        assert!(code != Some(0) && !said.contains("panicked"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn varnish_answers_the_second_read_and_is_purged_by_whichever_node_writes() {
    let folder = tempfile::tempdir().unwrap();
    let url = Postgres::shared().fresh_database().await;
    let redis = RedisTopology::start(0).unwrap();
    let redis = redis.primary.url();
    let shop = [("DATABASE_URL", url.as_str()), ("REDIS_URL", redis.as_str())];
    // The port of a Varnish is known when it runs, and it needs that of a node: the writer is another one.
    let reader = Node::start(folder.path(), &shop);
    let varnish = varnish(&reader);
    let edge = format!("http://127.0.0.1:{}", varnish.port());
    let told = [shop.as_slice(), &[("CARTWRIGHT__EDGE__VARNISH_URLS", edge.as_str())]].concat();
    let writer = Node::start(folder.path(), &told);
    let mut client = writer.client().await;
    let tea = r#"{"id": "tea", "name": "Tea", "price": 1, "category": "Hot drinks", "stock": 5}"#;
    expect(&mut client, 201, "POST", "/api/v1/products", tea).await;

    let product = "/api/v1/products/tea/cached";
    let lists = ["/api/v1/categories/Hot%20drinks/products", "/api/v1/products", "/api/v1/search?q=tea"];
    let price = async |path: &str| {
        let shown = show(&edge, path).await;
        assert_eq!(shown.status, 200, "{path}: {shown:?}");
        assert_eq!(shown.header("surrogate-key"), "", "{shown:?}");
        let product = if path == product { &shown.body } else { &shown.body["items"][0] };
        (product["price"].as_f64(), shown.header("x-edge").to_owned())
    };
    for path in lists.into_iter().chain([product]) {
        eventually(PATIENCE, async || price(path).await == (Some(1.0), "HIT".into())).await;
    }
    // Browsers and caches that nobody tells keep it for seconds; this node was not told of an edge.
    assert_eq!(show(&reader.url, product).await.header("cache-control"), "public, max-age=5");
    assert!(show(&writer.url, product).await.header("cache-control").contains("s-maxage=300"));
    // A node that was just started does not hear of changes yet. What it says may be a tenth of a second old; when the
    // edge asks it right after the first purge, that is kept until the second one.
    for node in [&reader, &writer] {
        let stats = async || show(&node.url, "/api/v1/health/cache/stats").await.body;
        eventually(PATIENCE, async || stats().await["hears"] == true).await;
    }
    for new in 2..5 {
        let patch = format!(r#"{{"price": {new}}}"#);
        expect(&mut client, 200, "PATCH", "/api/v1/products/tea", &patch).await;
        // Printed and not asserted: how long it takes is the machine's affair.
        let acknowledged = Instant::now();
        let shown_after = async |path: &str| {
            let look = async || (price(path).await.0 == Some(f64::from(new))).then(|| acknowledged.elapsed());
            eventually_some(PATIENCE, look).await
        };
        let (of_product, of_lists) =
            join(shown_after(product), join_all(lists.map(|path| shown_after(path)))).await;
        println!(
            "the edge showed change {new} of the product after {of_product:?}, in lists after {of_lists:?}"
        );
    }
    let stats = show(&writer.url, "/api/v1/health/cache/stats").await.body;
    assert_eq!((&stats["edges"][0]["answers"], &stats["edges"][0]["failed"]), (&true.into(), &0.into()));
    let metrics = client.send("GET", "/metrics", "").await.unwrap();
    assert!(String::from_utf8(metrics.body).unwrap().contains("cartwright_edge_purged_total"));
    writer.stop();
    reader.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_misses_the_caches_is_read_from_a_replica_of_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let primary = Postgres::builder().start().unwrap();
    let url = primary.fresh_database().await;
    let replica = primary.start_replica().unwrap();
    let database = url.rsplit('/').next().unwrap();
    let (redis, replica_url) = (RedisTopology::start(0).unwrap(), replica.url(database));
    let redis = redis.primary.url();
    let node = Node::start(
        folder.path(),
        &[
            ("DATABASE_URL", url.as_str()),
            ("DATABASE_REPLICA_URLS", replica_url.as_str()),
            ("REDIS_URL", redis.as_str()),
        ],
    );
    let mut client = node.client().await;
    let answered = async |outcome: &str| {
        let metrics = node.client().await.send("GET", "/metrics", "").await.unwrap();
        let line = format!("cartwright_db_replica_reads_total{{outcome=\"{outcome}\"}}");
        String::from_utf8(metrics.body).unwrap().lines().any(|found| found.starts_with(&line))
    };
    expect(&mut client, 201, "POST", "/api/v1/products", r#"{"id": "tea", "name": "Tea", "price": 1}"#).await;
    // That there is no such product has to be looked up, too, each time for another one.
    let asked = AtomicU32::new(0);
    let misses = async || {
        let n = asked.fetch_add(1, Ordering::Relaxed);
        assert_eq!(show(&node.url, &format!("/api/v1/products/none-{n}/cached")).await.status, 404);
    };
    eventually(PATIENCE, async || {
        misses().await;
        answered("answered").await
    })
    .await;
    replica.kill();
    eventually(PATIENCE, async || {
        misses().await;
        answered("failed").await
    })
    .await;
    assert_eq!(show(&node.url, "/api/v1/products/tea/cached").await.body["name"], "Tea");
    node.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_stopped_cached_products_are_served_and_marked_as_stale() {
    let folder = tempfile::tempdir().unwrap();
    let database = Postgres::builder().start().unwrap();
    let url = database.fresh_database().await;
    let redis = Redis::start();
    let variables = redis.variables(&url, &[("CARTWRIGHT__CATALOG__PREFETCH_RELATED", "false")]);
    let (one, other) = (Node::start(folder.path(), &variables), Node::start(folder.path(), &variables));
    let mut client = one.client().await;
    for id in ["here", "there"] {
        let product = format!(r#"{{"id": "{id}", "name": "Tea", "price": 1}}"#);
        expect(&mut client, 201, "POST", "/api/v1/products", &product).await;
    }
    // One of them in the memory of the first node, the other in that of the second and in Redis.
    for (node, id) in [(&one, "here"), (&other, "there")] {
        eventually(PATIENCE, async || {
            let shown = show(&node.url, &format!("/api/v1/products/{id}/cached")).await;
            assert_eq!(shown.status, 200, "{shown:?}");
            shown.header("x-cache") == "l1"
        })
        .await;
    }
    database.stop_fast();
    for id in ["here", "there"] {
        eventually(PATIENCE, async || {
            let shown = show(&one.url, &format!("/api/v1/products/{id}/cached")).await;
            assert_eq!((shown.status, &shown.body["name"]), (200, &"Tea".into()), "{shown:?}");
            shown.header("x-cache-status") == "stale" && shown.header("cache-control").contains("max-age=1")
        })
        .await;
    }
    assert_eq!(show(&one.url, "/api/v1/products/unknown/cached").await.status, 503);
    database.restart();
    eventually(PATIENCE, async || {
        let shown = show(&one.url, "/api/v1/products/here/cached").await;
        assert_eq!(shown.status, 200, "{shown:?}");
        shown.header("x-cache-status").is_empty()
    })
    .await;
    one.stop();
    other.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_do_not_notice_that_redis_is_killed_and_the_log_says_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = Postgres::shared().fresh_database().await;
    let redis = Redis::start();
    // So that most reads need Redis.
    let little =
        [("CARTWRIGHT__CATALOG__PRODUCTS_IN_MEMORY", "1"), ("CARTWRIGHT__CATALOG__HOT_PRODUCTS", "0")];
    let variables = redis.variables(&url, &little);
    let seeded =
        run(folder.path(), &["seed", "--users", "0", "--lines", "1", "--products", "50"], &variables);
    assert!(seeded.status.success(), "{}", text(&seeded));
    let node = Node::start(folder.path(), &variables);
    let hits = async || {
        let stats = show(&node.url, "/api/v1/health/cache/stats").await.body;
        stats["kinds"]["product"]["l2_hits"].as_u64().unwrap()
    };
    let more_hits = async || {
        let before = hits().await;
        eventually(PATIENCE, async || hits().await > before + 100).await;
    };
    let stop = CancellationToken::new();
    let mut readers = tokio::task::JoinSet::new();
    for first in 0..4 {
        let (mut client, stop) = (node.client().await, stop.clone());
        readers.spawn(async move {
            let mut answered = 0;
            while !stop.is_cancelled() {
                let path = format!("/api/v1/products/seed-{}/cached", (first + answered) % 50 + 1);
                expect(&mut client, 200, "GET", &path, "").await;
                answered += 1;
            }
            answered
        });
    }
    more_hits().await;
    let warnings = || node.process.log().lines().filter(|line| line.contains(" WARN ")).count();
    let before = warnings();
    redis.servers.primary.kill();
    eventually(PATIENCE, async || warnings() > before).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(warnings(), before + 1, "{}", node.process.log());
    redis.servers.primary.restart();
    more_hits().await;
    stop.cancel();
    while let Some(answered) = readers.join_next().await {
        assert!(answered.unwrap() > 0);
    }
    node.stop();
}
