//! Whatever is written as a URL or a secret: it is refused, or it is what it looks like.

use std::net::IpAddr;

use cartwright_webhooks::{Policy, Reach, Secret, Target};
use proptest::{collection::vec, prelude::*, sample::select};

/// Pieces that parsers of URLs do not agree about, in any order.
fn url() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        3 => "([a-z0-9-]{1,8}\\.){1,3}(com|org|local|internal|test|[0-9]{1,3})\\.?",
        2 => any::<IpAddr>().prop_map(|address| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        }),
        1 => "(0x|0)?[0-9a-f]{1,10}(\\.[0-9]{1,3}){0,3}",
        1 => "\\[[0-9a-f:.%]{0,30}\\]",
        1 => "\\PC{0,12}",
    ];
    let piece = select(vec![
        "@",
        ":",
        "#",
        "?",
        "/",
        "\\",
        "%2f",
        "%00",
        "%40",
        "//",
        "..",
        ";",
        "\t",
        " ",
        "\n",
        ":443",
        ":8080",
        ":65536",
        "127.0.0.1",
        "localhost",
        "xn--",
        "\u{3002}",
        "\u{ff0e}",
        "\u{ad}",
        "[",
        "]",
        "key=hidden",
    ]);
    let odd = vec(piece, 0..4).prop_map(|pieces| pieces.concat());
    let scheme =
        select(vec!["https://", "https://", "https://", "http://", "HTTPS://", "https:", "//", "ftp://", ""]);
    let path = "(/[a-z0-9%._~-]{0,8}){0,3}(\\?[a-z=&%0-9]{0,10})?";
    prop_oneof![
        3 => (scheme.clone(), host.clone(), path).prop_map(|(scheme, host, path)| format!("{scheme}{host}{path}")),
        2 => (scheme, host, odd.clone(), odd).prop_map(|(scheme, host, one, other)| format!("{scheme}{one}{host}{other}")),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn a_url_is_refused_or_what_it_looks_like(url in url()) {
        let policy = Policy::default();
        match Target::parse(&url, &policy) {
            Ok(target) => {
                prop_assert!(target.is_https() && target.port() == 443, "{}", url);
                prop_assert!(!target.host().contains(['@', '/', '?', '#', '%', ' ', '\\']), "{}", url);
                // Other programs find the same host in it.
                let authority = url.split("://").nth(1).unwrap().split(['/', '?']).next().unwrap();
                prop_assert!(authority.to_lowercase().trim_start_matches('[').starts_with(target.host().split(':').next().unwrap()), "{}", url);
                if let Ok(address) = target.host().parse::<IpAddr>() {
                    prop_assert_eq!(Reach::of(address), Reach::Global, "{}", url);
                }
                prop_assert_eq!(&Target::parse(&target.reveal(), &policy), &Ok(target.clone()));
                let shown = target.to_string();
                prop_assert!(shown.ends_with("/…") && shown.matches('/').count() == 3 && !shown.contains('?'), "{}", shown);
            }
            Err(refusal) => {
                let said = refusal.to_string();
                prop_assert!(said.len() < url.len() + 500, "{}: {}", url, said);
            }
        }
    }

    #[test]
    fn a_secret_is_refused_or_comes_back(text in prop_oneof![
        4 => "whsec_[A-Za-z0-9+/]{20,100}={0,2}", 2 => vec(any::<u8>(), 20..70).prop_map(|bytes| format!("whsec_{}", base64(&bytes))), 1 => any::<String>(),
    ]) {
        if let Ok(secret) = text.parse::<Secret>() {
            prop_assert_eq!(secret.reveal().parse::<Secret>().unwrap().reveal(), secret.reveal());
            let shown = format!("{secret:?}");
            prop_assert!(!shown.contains(text.trim_start_matches("whsec_")));
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
