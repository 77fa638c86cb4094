//! The clients against nodes of a few lines.

use std::collections::HashMap;

use cartwright_testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{Rule, check};

fn plan(nodes: u16) -> Plan {
    Plan::new((0..nodes).map(|node| SocketAddr::from(([127, 0, 0, 1], 1 + node))).collect())
}

#[test]
fn the_share_of_writes_counts_the_reads_that_follow_them() {
    assert!((plan(1).chance_to_write() - 0.3).abs() < 1e-9);
    // 3 writes, 3 reads after them and 4 others are 10 requests: 3 of 7 choices are writes.
    assert!((plan(2).chance_to_write() - 3.0 / 7.0).abs() < 1e-9);
}

#[test]
fn a_full_cart_is_replaced_once() {
    let plan = Plan { carts: 1, writes_per_cart: 10, ..plan(2) };
    let shared = Shared {
        began: Instant::now(),
        stop: AtomicBool::new(false),
        figures: figures::Counters::new(2),
        generations: vec![AtomicU32::new(0)],
        to_check: vec![Mutex::default(), Mutex::default()],
        plan,
    };
    shared.written(0, 9, 0);
    assert_eq!(shared.any_cart(), 0);
    shared.written(0, 10, 0);
    shared.written(0, 11, 1);
    assert_eq!(shared.any_cart(), 1);
    assert_eq!(shared.owner(1), "history-1");
    // Each node is asked for what was written through the other one.
    assert_eq!((shared.cart_to_check(0), shared.cart_to_check(0)), (Some(0), None));
    assert_eq!(shared.to_check[1].lock().unwrap().len(), 2);
}

/// Versions by the path of the cart.
type Carts = Arc<Mutex<HashMap<String, u64>>>;

/// Starts a node that keeps its carts in memory shared with the others; `lag` is by how much its reads are behind.
fn node(carts: &Carts, lag: u64) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let carts = Arc::clone(carts);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(answer(client, Arc::clone(&carts), lag));
            }
        });
    });
    address
}

async fn answer(mut client: TcpStream, carts: Carts, lag: u64) -> Option<()> {
    let mut buffer = vec![0; 4_096];
    loop {
        // The client sends a request with one call, and the next one when it has its answer.
        let length = client.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
        let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let path = request.split(' ').nth(1)?.trim_end_matches("/items").to_owned();
        let writes = request.starts_with("POST");
        let version = {
            let mut carts = carts.lock().unwrap();
            let version = carts.entry(path).or_default();
            *version += u64::from(writes);
            if writes { *version } else { version.saturating_sub(lag) }
        };
        let items = if version == 0 { String::new() } else { format!("{{\"quantity\":{version}}}") };
        let body = format!("{{\"version\":{version},\"items\":[{items}],\"total_quantity\":{version}}}");
        let head = format!("HTTP/1.1 200 OK\r\nX-Cache: replica\r\nContent-Length: {}\r\n\r\n", body.len());
        client.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
    }
}

async fn record(lag: u64) -> (Figures, History) {
    let carts = Carts::default();
    let plan = Plan { writes_per_cart: 50, ..Plan::new(vec![node(&carts, 0), node(&carts, lag)]) };
    let load = Load::start(plan).unwrap();
    eventually(Duration::from_secs(30), async || load.figures().total().operations() >= 5_000).await;
    let figures = load.figures();
    (figures, load.stop())
}

#[tokio::test]
async fn good_nodes_make_a_good_history() {
    let (figures, history) = record(0).await;
    assert!(figures.failures.is_empty(), "{figures} {:?}", figures.failures);
    assert_eq!(check(&history), []);
    // Those that were under way are in the history, too.
    assert!(history.operations().len() as u64 >= figures.total().operations());
    let share = figures.total().writes as f64 / figures.total().operations() as f64;
    assert!((0.2..0.4).contains(&share), "{share} of {figures}");
    assert!(history.operations().iter().any(|operation| operation.cart >= 8), "carts are replaced");
}

#[tokio::test]
async fn a_node_with_old_answers_is_caught() {
    let (_, history) = record(1).await;
    let violations = check(&history);
    assert!(violations.iter().any(|violation| violation.rule == Rule::StaleRead));
    assert!(
        violations.iter().all(|violation| violation.operation.node == 1 || violation.rule != Rule::StaleRead)
    );
}
