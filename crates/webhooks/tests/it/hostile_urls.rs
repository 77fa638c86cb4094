//! URLs of people who want to come in.

use cartwright_webhooks::{Policy, Ports, Reach, Refusal, Target};

use crate::hostile::{Why, hostile};

fn why(url: &str, policy: &Policy) -> Option<Why> {
    Some(match Target::parse(url, policy).err()? {
        Refusal::Address { reach, .. } => Why::At(reach),
        Refusal::PrivateName { .. } => Why::Inside,
        Refusal::NotAsMeant { .. } => Why::Meant,
        Refusal::Unreadable(_) => Why::Unreadable,
        Refusal::Characters => Why::Characters,
        Refusal::Scheme { .. } => Why::Scheme,
        Refusal::Userinfo => Why::Userinfo,
        Refusal::Fragment => Why::Fragment,
        Refusal::Port { .. } => Why::Port,
        Refusal::TooLong(_) => Why::TooLong,
        Refusal::NotListed { .. } => Why::NotListed,
    })
}

#[test]
fn hostile_urls_are_refused_for_what_they_are() {
    let policy = Policy::default();
    for (url, expected) in hostile() {
        assert_eq!(why(url, &policy), Some(expected), "{url:?}");
    }
    let long = format!("https://hooks.example.com/{}", "x".repeat(2048));
    assert_eq!(why(&long, &policy), Some(Why::TooLong));
    let long = format!("https://{}.com/", "x".repeat(64));
    assert_eq!(why(&long, &policy), Some(Why::Unreadable));
}

#[test]
fn good_urls_are_taken() {
    let policy = Policy::default();
    for (url, host, port) in [
        ("https://hooks.example.com", "hooks.example.com", 443),
        ("HTTPS://Hooks.Example.COM:443/a?b=c@d", "hooks.example.com", 443),
        ("https://hooks.example.com/a@b:c/%41", "hooks.example.com", 443),
        ("https://hooks.example.com/käse", "hooks.example.com", 443),
        ("https://xn--bcher-kva.example.com/", "xn--bcher-kva.example.com", 443),
        ("https://a_b.example.com/", "a_b.example.com", 443),
        ("https://8.8.8.8/", "8.8.8.8", 443),
        ("https://[2606:4700:4700:0::1111]/", "2606:4700:4700::1111", 443),
        ("https://127.0.0.1.example.com/", "127.0.0.1.example.com", 443),
    ] {
        let target = Target::parse(url, &policy).unwrap();
        assert_eq!((target.host().as_str(), target.port(), target.is_https()), (host, port, true), "{url}");
    }
    let target = Target::parse("https://hooks.example.com/a?b=c", &policy).unwrap();
    assert_eq!(target.reveal(), "https://hooks.example.com/a?b=c");
    assert_eq!(
        format!("{target} {target:?}"),
        "https://hooks.example.com/… Target(https://hooks.example.com/…)"
    );
}

#[test]
fn a_policy_allows_more_or_less() {
    let intranet =
        Policy { allow_private: true, allow_http: true, ports: Ports::Also(vec![8080]), ..Policy::default() };
    for url in
        ["http://intranet/", "http://10.0.0.1:8080/", "https://[::1]:8080/", "http://hooks.shop.internal/"]
    {
        assert_eq!(why(url, &intranet), None, "{url}");
    }
    for (url, expected) in [
        ("http://169.254.169.254/", Why::At(Reach::Metadata)),
        ("http://[fd00:ec2::254]/", Why::At(Reach::Metadata)),
        ("http://0.0.0.0:8080/", Why::At(Reach::Unspecified)),
        ("http://2130706433/", Why::Meant),
        ("http://10.0.0.1:22/", Why::Port),
        ("ftp://10.0.0.1/", Why::Scheme),
    ] {
        assert_eq!(why(url, &intranet), Some(expected), "{url}");
    }

    let hosts = ["*.example.com", "example.net", "8.8.8.8", "127.0.0.1"].map(|host| host.parse().unwrap());
    let listed = Policy { hosts: Some(hosts.into()), ..Policy::default() };
    for url in
        ["https://a.example.com/", "https://A.B.EXAMPLE.com/", "https://example.net/", "https://8.8.8.8/"]
    {
        assert_eq!(why(url, &listed), None, "{url}");
    }
    for (url, expected) in [
        ("https://example.com/", Why::NotListed),
        ("https://a.example.net/", Why::NotListed),
        ("https://a.example.com.evil.net/", Why::NotListed),
        ("https://evilexample.com/", Why::NotListed),
        ("https://8.8.4.4/", Why::NotListed),
        // A list says who, not where.
        ("https://127.0.0.1/", Why::At(Reach::Loopback)),
        ("https://a.example.com./", Why::NotListed),
        ("https://134744072/", Why::Meant),
    ] {
        assert_eq!(why(url, &listed), Some(expected), "{url}");
    }
}

#[test]
fn refusals_say_what_would_be_right_and_give_nothing_away() {
    for url in [
        "https://user:hunter2@hooks.example.com/",
        "http://hooks.example.com/hunter2",
        "https://hooks.example.com:1/hunter2",
        "https://127.0.0.1/hunter2",
        "https://localhost/hunter2",
        "https://hooks.example.com./hunter2",
        "https://256.1.1.1/hunter2",
        "https://hooks.example.com/hunter2 ",
        "https://hooks.example.com/#hunter2",
        "hunter2",
    ] {
        let refusal = Target::parse(url, &Policy::default()).unwrap_err();
        let said = format!("{refusal} {refusal:?}");
        assert!(said.contains("would be right") && !said.contains("hunter2"), "{said}");
    }
}
