//! Names of people who want to come in.

use cartwright_webhooks::{Policy, Reach, Reason, Refusal, Target};

use crate::{
    message, open,
    receiver::{Answer, Receiver},
    resolver::Scripted,
    secrets, sender, strict, target,
};

async fn receiver() -> Receiver {
    Receiver::start(Answer::status("200 OK", "", "the crown jewels")).await
}

/// Where a refused message would have gone.
fn refused(reason: &Reason) -> Option<Reach> {
    match reason {
        Reason::Refused(Refusal::Address { host, reach, .. }) if host == "hooks.example.com" => Some(*reach),
        _ => None,
    }
}

#[tokio::test]
async fn names_that_lead_inside_are_refused() {
    use Reach::*;
    let receiver = receiver().await;
    let target = Target::parse(&receiver.url(), &strict()).unwrap();
    for (address, reach) in [
        ("127.0.0.1", Loopback),
        ("127.8.8.8", Loopback),
        ("::1", Loopback),
        ("::ffff:127.0.0.1", Loopback),
        ("64:ff9b::127.0.0.1", Loopback),
        ("10.1.2.3", Private),
        ("172.16.0.1", Private),
        ("192.168.1.1", Private),
        ("::ffff:192.168.1.1", Private),
        ("100.64.0.1", Shared),
        ("169.254.169.254", Metadata),
        ("::ffff:169.254.169.254", Metadata),
        ("64:ff9b::a9fe:a9fe", Metadata),
        ("fd00:ec2::254", Metadata),
        ("169.254.1.1", LinkLocal),
        ("fe80::1", LinkLocal),
        ("fd00::1", UniqueLocal),
        ("0.0.0.0", Unspecified),
        ("::", Unspecified),
        ("224.0.0.1", Multicast),
        ("ff02::1", Multicast),
        ("255.255.255.255", Broadcast),
        ("198.18.0.1", Benchmarking),
        ("203.0.113.1", Documentation),
        ("2001:db8::1", Documentation),
        ("2002:7f00:1::", Tunnel),
        ("2001::1", Tunnel),
        ("::7f00:1", Tunnel),
        ("240.0.0.1", Reserved),
    ] {
        let names = Scripted::new(&[&[address]]);
        let failed = sender(strict(), &names).send(&target, &secrets(), &message()).await.unwrap_err();
        assert_eq!(refused(&failed.reason), Some(reach), "{address}: {failed:?}");
        assert!(!failed.is_retryable() && failed.excerpt.is_none());
        // Whoever allows private networks allows these only.
        let failed = sender(open(), &names).check(&target).await.err();
        let allowed = matches!(reach, Loopback | Private | Shared | UniqueLocal);
        assert_eq!(failed.as_ref().and_then(refused), (!allowed).then_some(reach), "{address}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn one_private_address_spoils_all() {
    let receiver = receiver().await;
    let target = target(&receiver.url());
    for answer in [["127.0.0.1", "9.9.9.9"], ["9.9.9.9", "127.0.0.1"], ["2620:fe::fe", "::1"]] {
        let names = Scripted::new(&[&answer]);
        let failed = sender(strict(), &names).send(&target, &secrets(), &message()).await.unwrap_err();
        assert_eq!(refused(&failed.reason), Some(Reach::Loopback), "{failed:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

/// Public when the customer types it in, private when the message is sent.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_by_what_is_used() {
    let receiver = receiver().await;
    let target = Target::parse(&receiver.url(), &strict()).unwrap();
    let names = Scripted::new(&[&["9.9.9.9"], &["127.0.0.1"]]);
    let sender = sender(strict(), &names);
    assert_eq!(sender.check(&target).await.unwrap(), ["9.9.9.9".parse::<std::net::IpAddr>().unwrap()]);
    let failed = sender.send(&target, &secrets(), &message()).await.unwrap_err();
    assert_eq!(refused(&failed.reason), Some(Reach::Loopback), "{failed:?}");
    assert_eq!((receiver.connections(), names.asked().len()), (0, 2));
}

/// There is no time between judging and connecting: one answer serves both.
#[tokio::test]
async fn a_name_is_looked_up_once_for_a_connection() {
    let (good, bad) = (receiver().await, "127.0.0.66");
    let names = Scripted::new(&[&["127.0.0.1"], &[bad]]);
    sender(open(), &names).send(&target(&good.url()), &secrets(), &message()).await.unwrap();
    assert_eq!((good.connections(), names.asked()), (1, vec!["hooks.example.com".to_owned()]));
}

#[tokio::test]
async fn a_connection_that_is_kept_was_judged() {
    let receiver = receiver().await;
    let names = Scripted::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let sender = sender(open(), &names);
    let target = target(&receiver.url());
    // The second goes where the first went. Nobody asks the name again while that connection lasts.
    for _ in 0..2 {
        sender.send(&target, &secrets(), &message()).await.unwrap();
    }
    assert_eq!((receiver.connections(), names.asked().len()), (1, 1));
    // The next connection is judged anew.
    let failed = sender.check(&target).await.unwrap_err();
    assert_eq!(refused(&failed), Some(Reach::Metadata));
}

#[tokio::test]
async fn addresses_in_urls_are_judged_by_the_sender_too() {
    let receiver = receiver().await;
    let lax = [
        format!("http://127.0.0.1:{}/", receiver.port()),
        format!("http://[::ffff:127.0.0.1]:{}/", receiver.port()),
    ];
    for url in &lax {
        let names = Scripted::here();
        let failed = sender(strict(), &names).send(&target(url), &secrets(), &message()).await.unwrap_err();
        let at = matches!(failed.reason, Reason::Refused(Refusal::Address { reach: Reach::Loopback, .. }));
        assert!(at && names.asked().is_empty(), "{failed:?}");
        // It would have been there.
        sender(open(), &names).send(&target(url), &secrets(), &message()).await.unwrap();
    }
    assert_eq!(receiver.connections(), lax.len());
}

#[tokio::test]
async fn a_target_of_a_laxer_policy_is_refused() {
    let target = target("http://hooks.example.com:6379/");
    let names = Scripted::new(&[&["9.9.9.9"]]);
    for policy in [
        Policy { allow_http: false, ..strict() },
        Policy { ports: cartwright_webhooks::Ports::Usual, ..strict() },
        Policy { hosts: Some(vec!["example.net".parse().unwrap()]), ..strict() },
    ] {
        let failed = sender(policy, &names).send(&target, &secrets(), &message()).await.unwrap_err();
        assert!(matches!(failed.reason, Reason::Refused(_)) && !failed.is_retryable(), "{failed:?}");
    }
    assert!(names.asked().is_empty());
}

#[tokio::test]
async fn failures_give_nothing_away() {
    // Receivers that repeat what they were sent.
    let echo = "Location: https://hooks.example.com/orders/?key=hidden\r\n";
    let there = Answer::status("307 There", echo, "");
    for answer in
        [Answer::status("500 Sorry", "", "order.created by hidden"), there, Answer::Close("hidden".into())]
    {
        let receiver = Receiver::start(answer).await;
        let sender = sender(open(), &Scripted::here());
        let target = target(&receiver.url());
        let failed = sender.send(&target, &secrets(), &message()).await.unwrap_err();
        let explained = failed.reason.explain();
        let said =
            format!("{failed} {failed:?} {explained} {sender:?} {target:?} {:?} {:?}", secrets(), message());
        for secret in ["hidden", "C2FV", "whsec", "order.created"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}
