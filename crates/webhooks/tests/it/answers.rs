//! What receivers answer, right or wrong.

use std::time::Duration;

use cartwright_webhooks::{Delivered, Failed, Location, Phase, Policy, Reason, Unreachable};

use crate::{
    PATIENCE, SHORT, message, open,
    receiver::{Answer, Receiver},
    resolver::Scripted,
    secrets, sender, target,
};

async fn send(answer: Answer, policy: Policy) -> Result<Delivered, Failed> {
    let receiver = Receiver::start(answer).await;
    let sent = sender(policy, &Scripted::here()).send(&target(&receiver.url()), &secrets(), &message()).await;
    assert_eq!(receiver.requests().len(), 1);
    sent
}

#[tokio::test]
async fn every_status_has_its_meaning() {
    for status in [200, 201, 204, 299] {
        let sent = send(Answer::status(&format!("{status} Fine"), "", ""), open()).await.unwrap();
        assert_eq!(sent.status, status);
    }
    for status in [400, 401, 404, 408, 409, 425, 429, 500, 502, 503, 504, 599] {
        let failed = send(Answer::status(&format!("{status} No"), "", "why not"), open()).await.unwrap_err();
        assert!(
            matches!(failed.reason, Reason::Status { code, retry_after: None } if code == status),
            "{failed:?}"
        );
        assert!(failed.is_retryable() && !failed.is_gone(), "{status}");
        assert_eq!(failed.excerpt.unwrap().text, "why not");
    }
    let gone = send(Answer::status("410 Gone", "", ""), open()).await.unwrap_err();
    assert!(gone.is_gone() && !gone.is_retryable());
}

#[tokio::test]
async fn a_receiver_says_how_long_it_wants_peace() {
    let head = "Retry-After: 7\r\n";
    let failed = send(Answer::status("429 Too Many Requests", head, ""), open()).await.unwrap_err();
    assert_eq!(failed.retry_after(), Some(Duration::from_secs(7)));
    // A minute after the message.
    let head = "Retry-After: Tue, 14 Nov 2023 22:14:20 GMT\r\n";
    let failed = send(Answer::status("503 Service Unavailable", head, ""), open()).await.unwrap_err();
    assert_eq!(failed.retry_after(), Some(Duration::from_secs(60)));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let inside = Receiver::start(Answer::status("200 OK", "", "the crown jewels")).await;
    let places = [
        format!("http://127.0.0.1:{}/", inside.port()),
        format!("//127.0.0.1:{}/", inside.port()),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "https://hooks.example.com/moved".to_owned(),
    ];
    for status in [301, 302, 303, 307, 308] {
        for place in &places {
            let answer = Answer::status(&format!("{status} There"), &format!("Location: {place}\r\n"), "");
            let failed = send(answer, open()).await.unwrap_err();
            let said = failed.reason.to_string();
            assert!(said.contains("redirects are not followed"), "{said}");
            let Reason::Redirect { code, location } = &failed.reason else { panic!("{failed:?}") };
            assert_eq!((*code, location.as_ref().map(Location::reveal)), (status, Some(place.as_str())));
            assert_eq!(failed.is_retryable(), ![301, 308].contains(&status));
        }
    }
    let aimless = send(Answer::status("304 Not Modified", "", ""), open()).await.unwrap_err();
    assert!(matches!(aimless.reason, Reason::Redirect { code: 304, location: None }), "{aimless:?}");
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    for beginning in ["", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Le"] {
        let policy = Policy { timeout: SHORT, ..open() };
        let failed = send(Answer::Hold(beginning.into()), policy).await.unwrap_err();
        assert!(matches!(failed.reason, Reason::TimedOut(Phase::Answering)), "{failed:?}");
        assert!(failed.is_retryable() && failed.duration >= SHORT && failed.duration < PATIENCE);
    }
}

/// The receiver has the message, so it must not get it again for the sake of a body.
#[tokio::test]
async fn a_slow_body_is_cut_and_the_message_is_delivered() {
    let policy = Policy { timeout: SHORT, ..open() };
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    let sent = send(Answer::Hold(format!("{head}so far")), policy.clone()).await.unwrap();
    assert_eq!((sent.excerpt.text.as_str(), sent.excerpt.complete), ("so far", false));
    assert!(sent.duration < PATIENCE);
    let refused = head.replace("200 OK", "500 Sorry");
    let failed = send(Answer::Hold(format!("{refused}so far")), policy).await.unwrap_err();
    assert!(matches!(failed.reason, Reason::Status { code: 500, .. }), "{failed:?}");
    assert_eq!(failed.excerpt.unwrap().to_string(), "so far…");
}

#[tokio::test]
async fn a_body_without_end_is_cut() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
    ] {
        let policy = Policy { max_response: 1000, ..open() };
        let sent = send(Answer::Endless(head.into(), "x".repeat(4096)), policy).await.unwrap();
        assert_eq!((sent.excerpt.text.len(), sent.excerpt.complete), (1000, false));
        assert!(sent.duration < PATIENCE);
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_not_read() {
    let line = format!("X-Filler: {}\r\n", "x".repeat(1000));
    let long = Answer::status("200 OK", &line.repeat(20), "");
    let endless = Answer::Endless("HTTP/1.1 200 OK\r\n".into(), line);
    for answer in [long, endless] {
        let failed = send(answer, open()).await.unwrap_err();
        assert!(matches!(failed.reason, Reason::Unreachable(Unreachable::Broken(_))), "{failed:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off() {
    // Before there is a status, nobody knows.
    for beginning in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"] {
        let failed = send(Answer::Close(beginning.into()), open()).await.unwrap_err();
        assert!(matches!(failed.reason, Reason::Unreachable(Unreachable::Broken(_))), "{failed:?}");
        assert!(failed.is_retryable() && failed.excerpt.is_none());
    }
    // After it, the receiver has decided.
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    let sent = send(Answer::Close(half.into()), open()).await.unwrap();
    assert_eq!((sent.excerpt.text.as_str(), sent.excerpt.complete), ("half", false));
}

#[tokio::test]
async fn what_is_not_http_is_no_answer() {
    for answer in
        ["+PONG\r\n\r\n", "220 mail.example.com ESMTP\r\n\r\n", "\0\0\0\0", "HTTP/1.1 99999 No\r\n\r\n"]
    {
        let failed = send(Answer::Close(answer.into()), open()).await.unwrap_err();
        assert!(matches!(failed.reason, Reason::Unreachable(Unreachable::Broken(_))), "{answer}: {failed:?}");
    }
}
