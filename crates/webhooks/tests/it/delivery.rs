//! What arrives, and over which connection.

use std::time::Duration;

use cartwright_webhooks::{Excerpt, Phase, Policy, Reason, Secret, Secrets, Signature, Unreachable};

use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    SHORT, message, open,
    receiver::{Answer, Receiver},
    resolver::{Scripted, Silent},
    secrets, sender, target,
};

#[tokio::test]
async fn a_message_is_delivered_and_its_signature_is_good() {
    let receiver = Receiver::start(Answer::status("202 Accepted", "", "thank you")).await;
    let names = Scripted::here();
    let sent = sender(open(), &names).send(&target(&receiver.url()), &secrets(), &message()).await.unwrap();

    assert_eq!(sent.status, 202);
    assert_eq!(sent.excerpt, Excerpt { text: "thank you".into(), complete: true });
    assert!(sent.duration > Duration::ZERO);
    assert_eq!(names.asked(), ["hooks.example.com"]);

    let [received] = &receiver.requests()[..] else { panic!("one request") };
    assert!(received.head.starts_with("POST /orders?key=hidden HTTP/1.1\r\n"), "{}", received.head);
    assert_eq!(received.header("host"), format!("hooks.example.com:{}", receiver.port()));
    assert_eq!(received.header("content-type"), "application/json");
    assert!(received.header("user-agent").starts_with("Cartwright-Webhooks/"));
    assert_eq!(received.body, message().payload);
    let tolerance = Signature::TOLERANCE;
    assert_eq!(received.signed().verify(&secrets(), &received.body, message().at, tolerance), Ok(()));
    assert!(received.signed().verify(&secrets(), b"{}", message().at, tolerance).is_err());
}

#[tokio::test]
async fn while_secrets_are_rotated_a_receiver_needs_one_of_them() {
    let receiver = Receiver::start(Answer::status("200 OK", "", "")).await;
    let new: Secret = format!("whsec_{}", "A".repeat(32)).parse().unwrap();
    let both = Secrets::rotated(new.clone(), secrets().iter().cloned());
    let sender = sender(open(), &Scripted::here());
    sender.send(&target(&receiver.url()), &both, &message()).await.unwrap();
    let received = &receiver.requests()[0];
    for known in [secrets(), Secrets::only(new)] {
        let verdict = received.signed().verify(&known, &received.body, message().at, Signature::TOLERANCE);
        assert_eq!(verdict, Ok(()));
    }
}

#[tokio::test]
async fn a_connection_is_used_again_when_the_answer_was_read_to_its_end() {
    let receiver = Receiver::start(Answer::status("200 OK", "", "short")).await;
    let names = Scripted::here();
    let again = sender(open(), &names);
    for _ in 0..3 {
        again.send(&target(&receiver.url()), &secrets(), &message()).await.unwrap();
    }
    assert_eq!((receiver.connections(), names.asked().len()), (1, 1));

    let once = sender(Policy { keep: Duration::ZERO, ..open() }, &names);
    for _ in 0..2 {
        once.send(&target(&receiver.url()), &secrets(), &message()).await.unwrap();
    }
    assert_eq!((receiver.connections(), names.asked().len()), (3, 3));
}

#[tokio::test]
async fn a_connection_with_something_left_in_it_is_not_used_again() {
    let receiver = Receiver::start(Answer::status("200 OK", "", &"x".repeat(1 << 20))).await;
    let sender = sender(open(), &Scripted::here());
    for connections in 1..3 {
        let sent = sender.send(&target(&receiver.url()), &secrets(), &message()).await.unwrap();
        assert_eq!((sent.excerpt.text.len(), sent.excerpt.complete), (4096, false));
        assert_eq!(receiver.connections(), connections);
    }
}

#[tokio::test]
async fn an_address_that_does_not_answer_leaves_the_next() {
    let receiver = Receiver::start(Answer::status("200 OK", "", "")).await;
    // One says that nobody is there; another says nothing, because its queue of connections is full.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("127.0.0.2:{}", receiver.port()).parse().unwrap()).unwrap();
    let silent = socket.listen(1).unwrap();
    let mut queue = Vec::new();
    while let Ok(queued) = timeout(SHORT, TcpStream::connect(silent.local_addr().unwrap())).await {
        queue.push(queued.unwrap());
    }
    let names = Scripted::new(&[&["127.0.0.3", "127.0.0.2", "127.0.0.1"]]);
    let policy = Policy { connect_timeout: Duration::from_secs(2), ..open() };
    sender(policy, &names).send(&target(&receiver.url()), &secrets(), &message()).await.unwrap();
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn who_is_not_there_is_unreachable() {
    // At another address of this machine, so that nobody else takes the port meanwhile.
    let elsewhere = Receiver::start(Answer::status("200 OK", "", "")).await;
    let failed = |names| {
        let gone = target(&elsewhere.url());
        async move { sender(open(), &names).send(&gone, &secrets(), &message()).await.unwrap_err() }
    };
    let nobody = failed(Scripted::new(&[&["127.0.0.9"]])).await;
    assert!(matches!(nobody.reason, Reason::Unreachable(Unreachable::Connection(_))), "{nobody:?}");
    assert!(nobody.is_retryable() && nobody.excerpt.is_none());
    let explained = nobody.reason.explain();
    assert!(
        explained.starts_with("the receiver was not reached: no connection could be made: "),
        "{explained}"
    );

    let unknown = failed(Scripted::new(&[])).await;
    assert!(matches!(unknown.reason, Reason::Unreachable(Unreachable::Name(..))), "{unknown:?}");
    let empty = failed(Scripted::new(&[&[]])).await;
    assert!(matches!(empty.reason, Reason::Unreachable(Unreachable::NoAddress(_))), "{empty:?}");
    assert!(unknown.is_retryable() && empty.is_retryable());
}

#[tokio::test]
async fn a_resolver_that_does_not_answer_is_not_waited_for() {
    let policy = Policy { connect_timeout: SHORT, ..open() };
    let sender = sender(policy, &std::sync::Arc::new(Silent));
    let target = target("http://hooks.example.com/");
    let failed = sender.send(&target, &secrets(), &message()).await.unwrap_err();
    assert!(matches!(failed.reason, Reason::TimedOut(Phase::Connecting)), "{failed:?}");
    assert!(failed.is_retryable());
    let checked = sender.check(&target).await;
    assert!(matches!(checked, Err(Reason::TimedOut(Phase::Connecting))), "{checked:?}");
}

/// The embedded implementation, by a name that every system knows.
#[tokio::test]
async fn the_system_knows_names() {
    let receiver = Receiver::start(Answer::status("200 OK", "", "")).await;
    let url = format!("http://localhost:{}/", receiver.port());
    let names = std::sync::Arc::new(cartwright_webhooks::SystemResolver);
    sender(open(), &names).send(&target(&url), &secrets(), &message()).await.unwrap();
    assert_eq!(receiver.requests().len(), 1);
}
