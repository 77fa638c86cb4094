//! Each mode of the proxy, before an echo server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cartwright_testkit::{ChaosProxy, Mode, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::PATIENCE;

/// How long an answer is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(200);

/// Says everything back, on the test's runtime, and counts what it heard.
struct Echo {
    addr: SocketAddr,
    heard: Arc<AtomicUsize>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        counter.fetch_add(read, Ordering::SeqCst);
                        if stream.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                    let _ = stream.write_all(b"bye").await;
                });
            }
        });
        Self { addr, heard }
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

async fn start() -> (Echo, ChaosProxy) {
    let echo = Echo::start().await;
    let proxy = ChaosProxy::start(echo.addr).unwrap();
    (echo, proxy)
}

async fn connect(proxy: &ChaosProxy) -> TcpStream {
    TcpStream::connect(proxy.addr()).await.unwrap()
}

/// Reads as much as was sent, or fails.
async fn answer(client: &mut TcpStream, length: usize) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    tokio::time::timeout(PATIENCE, client.read_exact(&mut buffer)).await.expect("an answer or an end")?;
    Ok(buffer)
}

async fn exchange(client: &mut TcpStream, text: &str) -> std::io::Result<Vec<u8>> {
    client.write_all(text.as_bytes()).await?;
    answer(client, text.len()).await
}

/// Whether nothing comes back for a while, not even an end.
async fn is_silent(client: &mut TcpStream) -> bool {
    tokio::time::timeout(SILENCE, client.read_u8()).await.is_err()
}

#[tokio::test]
async fn pass_is_transparent() {
    let (_echo, proxy) = start().await;
    assert_eq!(proxy.mode(), Mode::Pass);
    let mut client = connect(&proxy).await;
    assert_eq!(exchange(&mut client, "hello").await.unwrap(), b"hello");
    assert_eq!(proxy.connections(), 1);
    // More than all buffers on the way hold, so both directions have to move at once.
    let data: Vec<u8> = (0..8 * 1024 * 1024_u32).map(|index| u8::try_from(index % 251).unwrap()).collect();
    let (mut read, mut write) = client.split();
    let mut back = vec![0; data.len()];
    let (sent, received) = tokio::join!(write.write_all(&data), read.read_exact(&mut back));
    sent.unwrap();
    received.unwrap();
    assert!(back == data, "the bytes came back changed");
    // The end of one direction passes, and the other one still works.
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "bye");
    eventually(PATIENCE, async || proxy.connections() == 0).await;
}

#[tokio::test]
async fn latency_delays_each_way_without_limiting_what_is_under_way() {
    let (_echo, proxy) = start().await;
    let mut client = connect(&proxy).await;
    exchange(&mut client, "warm").await.unwrap();
    let delay = Duration::from_millis(100);
    proxy.set(Mode::Latency(delay));
    let start = Instant::now();
    exchange(&mut client, "hello").await.unwrap();
    assert!(start.elapsed() >= delay * 2, "{:?}", start.elapsed());
    let start = Instant::now();
    for _ in 0..20 {
        client.write_all(b"x").await.unwrap();
        tokio::task::yield_now().await;
    }
    answer(&mut client, 20).await.unwrap();
    assert!(start.elapsed() < delay * 20, "the delays were added up: {:?}", start.elapsed());
}

#[tokio::test]
async fn cut_resets_and_refuses_until_it_ends() {
    let (_echo, proxy) = start().await;
    let mut client = connect(&proxy).await;
    exchange(&mut client, "hello").await.unwrap();
    proxy.set(Mode::Cut);
    assert_eq!(proxy.connections(), 0);
    let end = client.read_u8().await.unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
    let refusal = TcpStream::connect(proxy.addr()).await.unwrap_err();
    assert_eq!(refusal.kind(), std::io::ErrorKind::ConnectionRefused);
    proxy.set(Mode::Pass);
    assert_eq!(exchange(&mut connect(&proxy).await, "again").await.unwrap(), b"again");
}

#[tokio::test]
async fn a_black_hole_swallows_and_resets_who_lost_something() {
    let (echo, proxy) = start().await;
    let (mut speaker, mut listener) = (connect(&proxy).await, connect(&proxy).await);
    exchange(&mut speaker, "hello").await.unwrap();
    exchange(&mut listener, "hello").await.unwrap();
    let before = echo.heard();
    proxy.set(Mode::BlackHole);
    speaker.write_all(b"lost").await.unwrap();
    let mut newcomer = connect(&proxy).await;
    newcomer.write_all(b"lost").await.unwrap();
    assert!(is_silent(&mut speaker).await && is_silent(&mut newcomer).await);
    assert_eq!(echo.heard(), before);
    proxy.set(Mode::Pass);
    for client in [&mut speaker, &mut newcomer] {
        let end = answer(client, 1).await.unwrap_err();
        assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert_eq!(exchange(&mut listener, "still here").await.unwrap(), b"still here");
    assert_eq!(echo.heard(), before + "still here".len());
}

#[tokio::test]
async fn a_stall_delivers_everything_afterwards() {
    let (echo, proxy) = start().await;
    let mut client = connect(&proxy).await;
    exchange(&mut client, "hello").await.unwrap();
    let before = echo.heard();
    proxy.set(Mode::Stall);
    client.write_all(b"late").await.unwrap();
    let mut newcomer = connect(&proxy).await;
    newcomer.write_all(b"new").await.unwrap();
    assert!(is_silent(&mut client).await && is_silent(&mut newcomer).await);
    assert_eq!(echo.heard(), before);
    proxy.set(Mode::Pass);
    assert_eq!(answer(&mut client, 4).await.unwrap(), b"late");
    assert_eq!(answer(&mut newcomer, 3).await.unwrap(), b"new");
}

#[tokio::test]
async fn one_way_carries_out_without_an_answer() {
    let (echo, proxy) = start().await;
    let mut client = connect(&proxy).await;
    exchange(&mut client, "hello").await.unwrap();
    let before = echo.heard();
    proxy.set(Mode::OneWay);
    client.write_all(b"order").await.unwrap();
    eventually(PATIENCE, async || echo.heard() == before + 5).await;
    assert!(is_silent(&mut client).await);
    proxy.set(Mode::Pass);
    assert!(answer(&mut client, 1).await.is_err(), "a reply was lost, so the connection has to end");
}

#[tokio::test]
async fn slow_keeps_the_rate() {
    let (_echo, proxy) = start().await;
    let mut client = connect(&proxy).await;
    exchange(&mut client, "warm").await.unwrap();
    proxy.set(Mode::Slow { bytes_per_second: 20_000 });
    let start = Instant::now();
    exchange(&mut client, &"x".repeat(10_000)).await.unwrap();
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?} for half a second's worth");
    assert!(took < Duration::from_secs(5), "{took:?} for half a second's worth");
}

#[tokio::test]
async fn a_server_that_is_down_closes_the_connection() {
    let (echo, proxy) = start().await;
    let absent = ChaosProxy::start(([127, 0, 0, 1], cartwright_testkit::ports::free_port())).unwrap();
    // The reset may come so soon that the client takes it for a refusal.
    if let Ok(mut client) = TcpStream::connect(absent.addr()).await {
        assert!(answer(&mut client, 1).await.is_err());
    }
    drop(absent);
    // Dropping a proxy is an end like any other.
    let mut client = connect(&proxy).await;
    exchange(&mut client, "hello").await.unwrap();
    drop(proxy);
    assert!(answer(&mut client, 1).await.is_err());
    drop(echo);
}
