//! URLs of people who want to come in.

use cartwright_webhooks::{Policy, Ports, Reach, Refusal, Target};

/// Short names for reasons, so that the table can be read.
#[derive(Debug, PartialEq)]
enum Why {
    At(Reach),
    Inside,
    Meant,
    Unreadable,
    Characters,
    Scheme,
    Userinfo,
    Fragment,
    Port,
    TooLong,
    NotListed,
}

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
    use Reach::*;
    use Why::*;
    let policy = Policy::default();
    for (url, expected) in [
        // The metadata service, in every notation.
        ("https://169.254.169.254/latest/meta-data/", At(Metadata)),
        ("https://2852039166/", At(Metadata)),
        ("https://0xA9FEA9FE/", At(Metadata)),
        ("https://0xa9.0xfe.0xa9.0xfe/", At(Metadata)),
        ("https://0251.0376.0251.0376/", At(Metadata)),
        ("https://025177524776/", At(Metadata)),
        ("https://169.254.43518/", At(Metadata)),
        ("https://169.16689662/", At(Metadata)),
        ("https://0xa9.254.0251.0xfe/", At(Metadata)),
        ("https://169.254.169.254./", At(Metadata)),
        ("https://[::ffff:169.254.169.254]/", At(Metadata)),
        ("https://[::ffff:a9fe:a9fe]/", At(Metadata)),
        ("https://[0:0:0:0:0:ffff:a9fe:a9fe]/", At(Metadata)),
        ("https://[64:ff9b::169.254.169.254]/", At(Metadata)),
        ("https://[fd00:ec2::254]/", At(Metadata)),
        ("https://[FD00:0EC2:0:0::254]/", At(Metadata)),
        ("https://%31%36%39.254.169.254/", At(Metadata)),
        ("https://169%2e254%2e169%2e254/", At(Metadata)),
        ("https://１６９.２５４.１６９.２５４/", At(Metadata)),
        ("https://①⑥⑨.②⑤④.①⑥⑨.②⑤④/", At(Metadata)),
        ("https://169。254。169。254/", At(Metadata)),
        ("https://169\u{ad}.254.169.254/", At(Metadata)),
        ("https://168.63.129.16/machine", At(Metadata)),
        ("https://100.100.100.200/", At(Metadata)),
        // This machine.
        ("https://127.0.0.1/", At(Loopback)),
        ("https://127.1/", At(Loopback)),
        ("https://127.0.1/", At(Loopback)),
        ("https://2130706433/", At(Loopback)),
        ("https://017700000001/", At(Loopback)),
        ("https://0177.0.0.01/", At(Loopback)),
        ("https://0x7f.1/", At(Loopback)),
        ("https://0X7F000001/", At(Loopback)),
        ("https://127.255.255.254/", At(Loopback)),
        ("https://[::1]/", At(Loopback)),
        ("https://[0000:0000::0001]/", At(Loopback)),
        ("https://[::ffff:7f00:1]/", At(Loopback)),
        ("https://0/", At(Unspecified)),
        ("https://0.0.0.0/", At(Unspecified)),
        ("https://[::]/", At(Unspecified)),
        ("https://localhost/", Inside),
        ("https://LOCALHOST/", Inside),
        ("https://localhost./", Inside),
        ("https://a.localhost/", Inside),
        ("https://ｌocalhost/", Inside),
        ("https://loc%61lhost/", Inside),
        ("https://localhost.localdomain/", Inside),
        // Networks behind us.
        ("https://10.0.0.1/", At(Private)),
        ("https://172.31.255.255/", At(Private)),
        ("https://192.168.0.1/", At(Private)),
        ("https://0300.0250.1/", At(Private)),
        ("https://100.64.0.1/", At(Shared)),
        ("https://[fd12:3456::1]/", At(UniqueLocal)),
        ("https://[fe80::1]/", At(LinkLocal)),
        ("https://169.254.0.1/", At(LinkLocal)),
        ("https://printer.local/", Inside),
        ("https://metadata.google.internal/computeMetadata/v1/", Inside),
        ("https://metadata/", Inside),
        ("https://redis.home.arpa/", Inside),
        ("https://intranet/", Inside),
        // Addresses of nobody, and of many.
        ("https://224.0.0.1/", At(Multicast)),
        ("https://[ff02::1]/", At(Multicast)),
        ("https://255.255.255.255/", At(Broadcast)),
        ("https://4294967295/", At(Broadcast)),
        ("https://240.0.0.1/", At(Reserved)),
        ("https://192.0.2.1/", At(Documentation)),
        ("https://[2001:db8::1]/", At(Documentation)),
        ("https://198.18.0.1/", At(Benchmarking)),
        // IPv4 in IPv6.
        ("https://[::127.0.0.1]/", At(Tunnel)),
        ("https://[::ffff:0:127.0.0.1]/", At(Tunnel)),
        ("https://[2002:7f00:1::]/", At(Tunnel)),
        ("https://[2002:a9fe:a9fe::1]/", At(Tunnel)),
        ("https://[2001:0:7f00:1::80ff:fffe]/", At(Tunnel)),
        ("https://[64:ff9b:1::a00:1]/", At(Tunnel)),
        ("https://[64:ff9b::10.0.0.1]/", At(Private)),
        // Public, but not for every reader.
        ("https://134744072/", Meant),
        ("https://010.8.8.8/", Meant),
        ("https://8.8.2056/", Meant),
        ("https://0x08080808/", Meant),
        ("https://8.8.8.8./", Meant),
        ("https://hooks.example.com./", Meant),
        ("https://hooks%2eexample.com/", Meant),
        ("https://ｈooks.example.com/", Meant),
        ("https://hooks.ex\u{ad}ample.com/", Meant),
        ("https://pаypal.com/", Meant),
        // No address of anything.
        ("https://256.256.256.256/", Unreadable),
        ("https://1.2.3.4.5/", Unreadable),
        ("https://hooks.example.1/", Unreadable),
        ("https://0x100000000/", Unreadable),
        ("https://[fe80::1%25eth0]/", Unreadable),
        ("https://[fe80::1%eth0]/", Unreadable),
        ("https://[::1/", Unreadable),
        ("https://::1/", Unreadable),
        ("https://[127.0.0.1]/", Unreadable),
        ("https://127.0.0.1%00.example.com/", Unreadable),
        ("https://example.com%2f@127.0.0.1/", Userinfo),
        ("https://example.com%23.evil.net/", Unreadable),
        ("https://a..example.com/", Unreadable),
        ("https://*.example.com/", Unreadable),
        ("https:///127.0.0.1/", Unreadable),
        ("https:127.0.0.1", Unreadable),
        ("https:/127.0.0.1", Unreadable),
        ("//127.0.0.1/", Unreadable),
        ("hooks.example.com", Unreadable),
        ("https://", Unreadable),
        ("", Unreadable),
        ("https://hooks.example.com:99999/", Unreadable),
        ("https://hooks.example.com:443:80/", Unreadable),
        // Two hosts in one.
        ("https://hooks.example.com@127.0.0.1/", Userinfo),
        ("https://user:password@hooks.example.com/", Userinfo),
        ("https://@hooks.example.com/", Userinfo),
        ("https://127.0.0.1:443@hooks.example.com/", Userinfo),
        ("https://hooks.example.com\\@127.0.0.1/", Characters),
        ("https:\\\\127.0.0.1/", Characters),
        ("https://127.0.0.1\t.example.com/", Characters),
        (" https://hooks.example.com/", Characters),
        ("https://hooks.example.com/\r\nHost: 127.0.0.1", Characters),
        ("https://hooks.example.com/a b", Characters),
        ("https://hooks.example.com\0/", Characters),
        ("https://hooks.example.com\u{3000}/", Characters),
        ("https://hooks.example.com#@127.0.0.1/", Fragment),
        ("https://hooks.example.com/#top", Fragment),
        // Other protocols and ports.
        ("http://hooks.example.com/", Scheme),
        ("ftp://hooks.example.com/", Scheme),
        ("file:///etc/passwd", Scheme),
        ("gopher://hooks.example.com:6379/_SET", Scheme),
        ("unix:///var/run/docker.sock", Scheme),
        ("https+x://hooks.example.com/", Scheme),
        ("https://hooks.example.com:6379/", Port),
        ("https://hooks.example.com:80/", Port),
        ("https://hooks.example.com:0/", Port),
    ] {
        assert_eq!(why(url, &policy), Some(expected), "{url:?}");
    }
    let long = format!("https://hooks.example.com/{}", "x".repeat(2048));
    assert_eq!(why(&long, &policy), Some(TooLong));
    let long = format!("https://{}.com/", "x".repeat(64));
    assert_eq!(why(&long, &policy), Some(Unreadable));
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
