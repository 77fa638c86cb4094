//! Any program under the watchdog.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use cartwright_testkit::{Error, ServerProcess, eventually, locate, ports};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::PATIENCE;

/// A server that is on every machine where these tests run.
fn redis(port: u16) -> ServerProcess {
    ServerProcess::builder(locate::redis_server().unwrap())
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", ""])
        .start()
        .unwrap()
}

#[tokio::test]
async fn a_program_is_started_watched_and_ended() {
    let port = ports::free_port();
    let server = redis(port);
    server.wait_ready(&format!("tcp://127.0.0.1:{port}"), PATIENCE).unwrap();
    assert!(server.is_running());
    assert!(server.peak_rss_kb().unwrap() > 1_000);
    server.pause();
    server.resume();
    eventually(PATIENCE, async || server.log().contains("Ready to accept connections")).await;
    server.terminate();
    assert!(server.wait_exit(PATIENCE).unwrap().success());
    assert!(!server.is_running());
    assert_eq!(server.peak_rss_kb(), None);
    server.restart();
    server.wait_ready(&format!("tcp://127.0.0.1:{port}"), PATIENCE).unwrap();
    server.kill();
    assert_eq!(server.wait_exit(PATIENCE).unwrap().signal(), Some(9));
}

#[tokio::test]
async fn a_program_that_ends_early_shows_its_log() {
    let port = ports::free_port();
    let server = ServerProcess::builder("/bin/sh")
        .args(["-c", "echo \"$GREETING from $PWD\"; exit 3"])
        .clear_env()
        .env("GREETING", "hello")
        .current_dir("/")
        .start()
        .unwrap();
    let failure = server.wait_ready(&format!("tcp://127.0.0.1:{port}"), PATIENCE).unwrap_err();
    assert!(matches!(failure, Error::Ended { .. }), "{failure}");
    assert!(failure.to_string().contains("hello from /"), "{failure}");
    assert_eq!(server.wait_exit(PATIENCE).unwrap().code(), Some(3));
}

#[tokio::test]
async fn what_cannot_be_started_or_reached_is_an_error() {
    let absent = ServerProcess::builder("/nonexistent/server").start().unwrap_err();
    assert!(matches!(absent, Error::Io { .. }), "{absent}");
    let silent = ServerProcess::builder("/bin/sleep").arg("60").start().unwrap();
    let url = format!("http://127.0.0.1:{}/", ports::free_port());
    let late = silent.wait_ready(&url, Duration::from_millis(100)).unwrap_err();
    assert!(matches!(late, Error::Timeout { .. }), "{late}");
    let wrong = silent.wait_ready("127.0.0.1:80", Duration::from_millis(100)).unwrap_err();
    assert!(matches!(wrong, Error::BadUrl { .. }), "{wrong}");
}

/// Readiness over HTTP is a status of the 200s, not an open port.
#[tokio::test(flavor = "multi_thread")]
async fn readiness_over_http_needs_a_good_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/health", listener.local_addr().unwrap());
    let answers = tokio::spawn(async move {
        for (served, status) in
            ["503 Service Unavailable", "404 Not Found", "204 No Content"].iter().enumerate()
        {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The request may come in pieces.
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            assert!(request.starts_with(b"GET /health HTTP/1.1\r\n"), "request {served}");
            stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.unwrap();
        }
    });
    let server = ServerProcess::builder("/bin/sleep").arg("60").start().unwrap();
    tokio::task::spawn_blocking(move || server.wait_ready(&url, PATIENCE).unwrap()).await.unwrap();
    answers.await.unwrap();
}
