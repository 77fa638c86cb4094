//! Clients that are slow on purpose, and those beside them.

use std::time::{Duration, Instant};

use cartwright_testkit::ServerProcess;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    client::Client,
    kit::{Node, expect},
};

const SOCKETS: usize = 2_000;

fn address(node: &Node) -> String {
    node.url.trim_start_matches("http://").to_owned()
}

/// Sends a byte now and then, until it is answered or cut off; returns what came, and after how long.
async fn trickle(address: String, begin: &'static str, rest: &'static [u8]) -> (String, Duration) {
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let began = Instant::now();
    stream.write_all(begin.as_bytes()).await.unwrap();
    let (mut reads, mut writes) = stream.split();
    let mut answer = Vec::new();
    let answered = async {
        let _ = reads.read_to_end(&mut answer).await;
    };
    let sends = async {
        for byte in rest.iter().cycle() {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if writes.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! { () = answered => {}, () = sends => {} }
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

/// What a shopper does, for so long; the time of each request in order.
async fn shop(client: &mut Client, user: &str, time: Duration) -> Vec<Duration> {
    let (cart, began) = (format!("/api/v1/carts/{user}"), Instant::now());
    let mut took = Vec::new();
    while began.elapsed() < time {
        for (method, path, body) in [
            ("POST", format!("{cart}/items"), r#"{"product_id": 1, "quantity": 1}"#),
            ("GET", cart.clone(), ""),
            ("GET", "/api/v1/products/1/cached".into(), ""),
            ("DELETE", cart.clone(), ""),
        ] {
            let begins = Instant::now();
            expect(client, 200, method, &path, body).await;
            took.push(begins.elapsed());
        }
    }
    took.sort_unstable();
    took
}

fn p99(took: &[Duration]) -> Duration {
    took[took.len() * 99 / 100]
}

/// Half of them never end the head of their request, half never its body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_slow_clients_keep_nobody_from_the_shop() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[("CARTWRIGHT__SERVER__CLIENT_REQUEST_TIMEOUT", "6")]);
    let mut client = node.client().await;
    let alone = shop(&mut client, "ana", Duration::from_secs(2)).await;

    let mut slow = JoinSet::new();
    for n in 0..SOCKETS {
        let address = address(&node);
        let in_head = n % 2 == 0;
        slow.spawn(async move {
            let (begin, rest): (&str, &[u8]) = if in_head {
                ("GET /api/v1/carts/eve HTTP/1.1\r\nhost: x\r\n", b"x-a: b\r\n")
            } else {
                (
                    "POST /api/v1/carts/eve/items HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                     content-length: 1000\r\n\r\n{",
                    b" ",
                )
            };
            let (answer, took) = trickle(address, begin, rest).await;
            (in_head, answer, took)
        });
    }
    // While they are all there.
    let beside = shop(&mut client, "ana", Duration::from_secs(4)).await;
    let (p99_alone, p99_beside) = (p99(&alone), p99(&beside));
    println!(
        "p99 of {} requests alone {p99_alone:?}, of {} beside {SOCKETS} slow sockets {p99_beside:?}: {:.2} times",
        alone.len(),
        beside.len(),
        p99_beside.as_secs_f64() / p99_alone.as_secs_f64()
    );
    assert!(slow.try_join_next().is_none(), "they were there all the time");

    while let Some(ended) = slow.join_next().await {
        let (in_head, answer, took) = ended.unwrap();
        assert!(took < Duration::from_secs(60), "{in_head} {took:?}");
        if in_head {
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        } else {
            assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
            assert!(answer.contains("body_too_slow"), "{answer}");
        }
    }
    expect(&mut client, 200, "GET", "/api/v1/carts/ana", "").await;
    node.stop();
}

/// More connections than the system lets a process have at first.
#[tokio::test]
async fn more_connections_than_files_are_usually_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", cartwright_testkit::ports::free_port());
    let process = ServerProcess::builder("sh")
        .args(["-c", "ulimit -Sn 128 && exec \"$0\"", env!("CARGO_BIN_EXE_cartwright")])
        .clear_env()
        .current_dir(folder.path())
        .env("CARTWRIGHT__SERVER__LISTEN", &address)
        .start()
        .unwrap();
    let node = Node { process, url: format!("http://{address}") };
    node.wait_ready();
    let mut clients = Vec::new();
    for _ in 0..500 {
        clients.push(node.client().await);
    }
    for client in &mut clients {
        expect(client, 200, "GET", "/api/v1/carts/ana", "").await;
    }
    node.stop();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_does_not_read_what_he_asked_for_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[("CARTWRIGHT__SERVER__UNREAD_SECONDS", "1")]);
    let ask = async || {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut stream = socket.connect(address(&node).parse().unwrap()).await.unwrap();
        let request = "GET /redoc/redoc.standalone.js HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        // More than lies in the buffers of both sides.
        for _ in 0..16 {
            stream.write_all(request.replace("connection: close\r\n", "").as_bytes()).await.unwrap();
        }
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    };
    let mut all = Vec::new();
    ask().await.read_to_end(&mut all).await.unwrap();

    let mut unread = ask().await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let mut some = Vec::new();
    let ended = unread.read_to_end(&mut some).await;
    assert!(
        ended.is_err() || some.len() < all.len() * 9 / 10,
        "{ended:?}: {} of {} bytes",
        some.len(),
        all.len()
    );
    expect(&mut node.client().await, 200, "GET", "/api/v1/carts/ana", "").await;
    node.stop();
}
