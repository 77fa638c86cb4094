//! Waiting and ports.

use std::cell::Cell;
use std::collections::HashSet;
use std::net::TcpListener;
use std::time::Duration;

use cartwright_testkit::{eventually, eventually_some, ports};

#[tokio::test]
async fn a_condition_is_looked_at_until_it_holds() {
    let looks = Cell::new(0);
    eventually(Duration::from_secs(5), || async {
        looks.set(looks.get() + 1);
        looks.get() == 3
    })
    .await;
    assert_eq!(looks.get(), 3);
    assert_eq!(eventually_some(Duration::from_secs(5), || async { Some(7) }).await, 7);
}

#[tokio::test]
async fn the_deadline_panics_with_the_place_of_the_call() {
    let failure = tokio::spawn(async { eventually(Duration::from_millis(30), || async { false }).await });
    let panic = failure.await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("waiting.rs") && message.contains("30ms"), "{message}");
}

#[test]
fn ports_are_free_and_given_once() {
    let ports: Vec<u16> = (0..50).map(|_| ports::free_port()).collect();
    let listeners: Vec<TcpListener> =
        ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap()).collect();
    assert_eq!(listeners.len(), ports.iter().collect::<HashSet<_>>().len());
}
