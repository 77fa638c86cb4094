//! Whatever a token, a set of keys or a setting has in it: it is read, or refused.

use cartwright_domain::OwnerId;
use cartwright_identity::{
    GuestToken, JwksSettings, JwksUrl, JwtSettings, PublicKey, Scopes, Secret, SigningKey, Verifier,
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    kit::{NOW, PAIRS, all_keys, ask, base64, claims, clock, settings, start, with},
    server::{Answer, Server},
};

/// Values of members, of the right type now and then.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        select(vec![
            "ana",
            "admin",
            "admin service",
            "shop",
            "EdDSA",
            "HS256",
            "JWT",
            "ed",
            "hs",
            "sig",
            "RSA",
            "OKP",
            "Ed25519",
            "EC",
            "P-256",
            "AQAB",
            "guest-1",
            crate::kit::ISSUER
        ])
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[A-Za-z0-9_-]{0,90}".prop_map(Value::from),
        select(vec![
            json!(NOW),
            json!(NOW + 600),
            json!(-1),
            json!(u64::MAX),
            json!(0.5),
            json!(null),
            json!(true)
        ]),
        any::<i64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec(("[a-z]{1,3}", inner), 0..3).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// Some members of an object to be different.
fn changes(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    vec((select(names), value()), 0..3).prop_map(|all| {
        Value::Object(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    /// Signed by us, whatever it says: who is let in is somebody whom the rules know.
    #[test]
    fn any_signed_claims_are_judged(
        tokens in vec((changes(&["alg", "kid", "typ", "crit", "x"]), changes(&["sub", "scope", "scp", "iss", "aud", "exp", "nbf", "iat"])), 20),
        bytes in vec(any::<u8>(), 0..60),
    ) {
        Runtime::new().unwrap().block_on(async {
            let verifier = start(all_keys(&clock())).await;
            for (header, said) in tokens {
                let header = with(json!({"alg": "EdDSA", "kid": "ed"}), &header);
                let token = PAIRS.ed.token(&header, &with(claims(), &said));
                if let Ok(verified) = ask(&verifier, &token).await {
                    let principal = verified.principal();
                    prop_assert!(verified.expires_at().timestamp() > NOW - 60);
                    prop_assert!(header.get("crit").is_none(), "{}", token);
                    if let Some(owner) = principal.owner() {
                        prop_assert_eq!(OwnerId::new(owner.as_str()), Ok(owner.clone()));
                        prop_assert!(!owner.as_str().to_ascii_lowercase().starts_with("guest-"));
                        prop_assert!(!principal.scopes().contains(Scopes::SERVICE));
                    }
                }
            }
            // Claims that are no JSON at all.
            let odd = PAIRS.hs.signed(&format!("{}.{}", base64(r#"{"alg":"HS256"}"#), base64(&bytes)));
            prop_assert!(ask(&verifier, &odd).await.is_err());
            Ok(())
        })?;
    }

    /// A set of keys of any shape: it is taken or not, and good keys beside bad ones are good.
    #[test]
    fn any_set_of_keys_is_read(
        keys in vec(changes(&["kty", "kid", "use", "alg", "key_ops", "crv", "x", "y", "n", "e", "k"]), 0..6),
        text in "\\PC{0,60}",
    ) {
        Runtime::new().unwrap().block_on(async {
            let good = PAIRS.ed.named("good");
            let odd = keys.iter().map(|changes| with(PAIRS.rs.named("odd"), changes));
            let all: Vec<Value> = odd.chain([good]).collect();
            let verifier = |answer| async {
                let server = Server::start(answer).await;
                let jwks = Some(JwksSettings::new(server.url().parse().unwrap()));
                (Verifier::start(JwtSettings { jwks, ..settings(&clock()) }).await.unwrap(), server)
            };
            let (taken, _server) = verifier(Answer::keys(&all)).await;
            prop_assert!(ask(&taken, &PAIRS.ed.good("good")).await.is_ok(), "{:?}", all);
            let (none, _server) = verifier(Answer::with("200 OK", "", &text)).await;
            prop_assert!(ask(&none, &PAIRS.ed.good("good")).await.is_err());
            Ok(())
        })?;
    }
}

proptest! {
    #[test]
    fn settings_and_guests_are_read_or_refused(text in prop_oneof![any::<String>(), "(https?|ftp)://[a-z0-9.:@\\[\\]/?#%-]{0,30}", "-----BEGIN [A-Z ]{0,12}-----\n[A-Za-z0-9+/=\n]{0,80}\n-----END [A-Z ]{0,12}-----", "[A-Za-z0-9_-]{43}"]) {
        let _ = text.parse::<PublicKey>();
        let _ = SigningKey::from_pem(&text);
        let _ = Secret::new(&text);
        if let Ok(url) = text.parse::<JwksUrl>() {
            let shown = url.to_string();
            prop_assert!(shown.starts_with("https://") || shown.starts_with("http://"));
            prop_assert!(!shown.contains('?') && !shown.contains('@') && !shown.contains('#'), "{}", shown);
            prop_assert_eq!(shown.parse::<JwksUrl>().unwrap().to_string(), shown);
        }
        if let Ok(guest) = text.parse::<GuestToken>() {
            prop_assert_eq!(guest.expose(), text.clone());
        }
        let scopes = Scopes::parse(&text);
        prop_assert_eq!(Scopes::parse(&scopes.to_string()), scopes);
    }
}
