//! What is accepted, and to the second for how long.

use std::{sync::Arc, time::Duration};

use cartwright_domain::{Clock, OwnerId};
use cartwright_identity::{JwtSettings, Principal, Reason, Scopes, Secret, Who};
use chrono::TimeDelta;
use serde_json::json;

use crate::kit::{
    AUDIENCE, NOW, PAIRS, RSA_PUBLIC, SECRET, all_keys, ask, claims, clock, public, seconds, settings, start,
    with,
};

#[tokio::test]
async fn each_algorithm_by_name_and_without() {
    let verifier = start(all_keys(&clock())).await;
    for (kid, pair) in PAIRS.all() {
        for token in [pair.good(kid), pair.saying(&json!({}))] {
            assert!(verifier.recall(&token).is_none(), "{kid}");
            let verified = ask(&verifier, &token).await.unwrap();
            assert_eq!(verified.principal(), &Principal::user("ana").unwrap(), "{kid}");
            assert_eq!(verified.expires_at().timestamp(), NOW + 600);
            // The second time nothing is computed: it is the same value.
            assert!(Arc::ptr_eq(&verified, &verifier.recall(&token).unwrap()));
            assert!(Arc::ptr_eq(&verified, &ask(&verifier, &token).await.unwrap()));
        }
    }
    let status = verifier.status();
    assert_eq!((status.fixed, status.fetched, status.error), (4, None, None));
}

#[tokio::test]
async fn a_key_without_a_name_is_tried_on_tokens_that_name_another() {
    let secrets = vec![Secret::new([1; 32]).unwrap().into(), Secret::new(SECRET).unwrap().into()];
    let public_keys = vec![public(RSA_PUBLIC).into()];
    let verifier = start(JwtSettings { secrets, public_keys, ..settings(&clock()) }).await;
    assert!(ask(&verifier, &PAIRS.hs.good("2026-11")).await.is_ok());
    assert!(ask(&verifier, &PAIRS.rs.good("2026-11")).await.is_ok());
    assert!(ask(&verifier, &PAIRS.hs.saying(&json!({}))).await.is_ok());
}

#[tokio::test]
async fn types_that_are_meant() {
    let verifier = start(all_keys(&clock())).await;
    for kind in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
        let token = PAIRS.ed.token(&json!({"alg": "EdDSA", "typ": kind}), &claims());
        assert!(ask(&verifier, &token).await.is_ok(), "{kind}");
    }
    // RFC 9864 calls the algorithm so.
    let token = PAIRS.ed.token(&json!({"alg": "Ed25519"}), &claims());
    assert!(ask(&verifier, &token).await.is_ok());

    let strict = JwtSettings { types: vec!["at+jwt".to_owned()], ..all_keys(&clock()) };
    let verifier = start(strict).await;
    let access = PAIRS.ed.token(&json!({"alg": "EdDSA", "typ": "at+jwt"}), &claims());
    assert!(ask(&verifier, &access).await.is_ok());
    for other in [json!({"alg": "EdDSA"}), json!({"alg": "EdDSA", "typ": "JWT"})] {
        assert_eq!(ask(&verifier, &PAIRS.ed.token(&other, &claims())).await.err(), Some(Reason::Type));
    }
}

/// What a token brings along of keys is neither used nor in the way.
#[tokio::test]
async fn keys_in_the_header_are_not_looked_at() {
    let verifier = start(all_keys(&clock())).await;
    let header = json!({
        "alg": "EdDSA", "kid": "ed", "jwk": PAIRS.es.jwk, "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/",
        "x5c": ["AAAA"], "x5t": "AAAA", "unknown": [[[]]],
    });
    assert!(ask(&verifier, &PAIRS.ed.token(&header, &claims())).await.is_ok());
}

#[tokio::test]
async fn audiences_and_issuers() {
    let clock = clock();
    let verifier = start(all_keys(&clock)).await;
    for audience in [json!(AUDIENCE), json!([AUDIENCE]), json!(["other", AUDIENCE])] {
        assert!(ask(&verifier, &PAIRS.ed.saying(&json!({"aud": audience}))).await.is_ok(), "{audience}");
    }
    let more = JwtSettings {
        issuers: vec!["a".into(), "b".into()],
        audiences: vec!["x".into(), "y".into()],
        ..all_keys(&clock)
    };
    let more = start(more).await;
    assert!(ask(&more, &PAIRS.ed.saying(&json!({"iss": "b", "aud": "y"}))).await.is_ok());
    let none = start(JwtSettings { issuers: vec![], audiences: vec![], ..all_keys(&clock) }).await;
    assert!(ask(&none, &PAIRS.ed.saying(&json!({"aud": null, "iss": null}))).await.is_ok());
    assert!(ask(&none, &PAIRS.ed.saying(&json!({"aud": null}))).await.is_ok());
    // For somebody, and nobody has told us that we are the one.
    assert_eq!(ask(&none, &PAIRS.ed.saying(&json!({}))).await.err(), Some(Reason::Audience));
}

#[tokio::test]
async fn users_services_and_scopes() {
    let verifier = start(all_keys(&clock())).await;
    let id = |text: &str| OwnerId::new(text).unwrap();
    let hundred = "x".repeat(100);
    let user = |name: &str| Who::User(id(name));
    for (says, who, scopes) in [
        (json!({"sub": hundred}), user(&hundred), Scopes::NONE),
        (json!({"sub": "a.B_9:@-"}), user("a.B_9:@-"), Scopes::NONE),
        (json!({"scope": "openid admin"}), user("ana"), Scopes::ADMIN),
        (json!({"scope": ["openid", "admin"]}), user("ana"), Scopes::ADMIN),
        (json!({"scp": ["admin"]}), user("ana"), Scopes::ADMIN),
        (json!({"scp": "admin", "scope": ""}), user("ana"), Scopes::ADMIN),
        // What somebody is elsewhere, he is not here.
        (json!({"roles": ["admin"], "scopes": "admin", "groups": ["service"]}), user("ana"), Scopes::NONE),
        (json!({"scope": "service", "sub": "billing"}), Who::Service(Some(id("billing"))), Scopes::SERVICE),
        (json!({"scope": "service", "sub": null}), Who::Service(None), Scopes::SERVICE),
        (json!({"scope": "service", "sub": ""}), Who::Service(None), Scopes::SERVICE),
        (json!({"scope": "service", "sub": "auth0|7f"}), Who::Service(None), Scopes::SERVICE),
        (
            json!({"scope": "service admin", "sub": null}),
            Who::Service(None),
            Scopes::ADMIN.with(Scopes::SERVICE),
        ),
    ] {
        let verified = ask(&verifier, &PAIRS.ed.saying(&says)).await.unwrap();
        assert_eq!((verified.principal().who(), verified.principal().scopes()), (&who, scopes), "{says}");
    }
}

#[tokio::test]
async fn a_token_ends_on_the_microsecond() {
    for leeway in [0, 30, 300] {
        let clock = clock();
        let verifier = start(JwtSettings { leeway: Duration::from_secs(leeway), ..all_keys(&clock) }).await;
        let token = PAIRS.hs.good("hs");
        clock.advance(seconds(600 + i64::try_from(leeway).unwrap()) - TimeDelta::microseconds(1));
        assert!(ask(&verifier, &token).await.is_ok(), "{leeway}");
        assert!(verifier.recall(&token).is_some(), "{leeway}");
        clock.advance(TimeDelta::microseconds(1));
        assert!(verifier.recall(&token).is_none(), "{leeway}");
        assert_eq!(ask(&verifier, &token).await.err(), Some(Reason::Expired), "{leeway}");
    }
}

#[tokio::test]
async fn a_token_begins_on_the_microsecond() {
    for claim in ["nbf", "iat"] {
        for leeway in [0, 30, 300] {
            let clock = clock();
            let verifier =
                start(JwtSettings { leeway: Duration::from_secs(leeway), ..all_keys(&clock) }).await;
            let begins = NOW + 100 + i64::try_from(leeway).unwrap();
            let token = PAIRS.hs.token(&json!({"alg": "HS256"}), &with(claims(), &json!({claim: begins})));
            clock.advance(seconds(100) - TimeDelta::microseconds(1));
            assert_eq!(ask(&verifier, &token).await.err(), Some(Reason::NotYet), "{claim} {leeway}");
            clock.advance(TimeDelta::microseconds(1));
            assert!(ask(&verifier, &token).await.is_ok(), "{claim} {leeway}");
        }
    }
}

#[tokio::test]
async fn nothing_is_remembered_if_so_wished() {
    let clock = clock();
    let verifier = start(JwtSettings { remembered: 0, ..all_keys(&clock) }).await;
    let token = PAIRS.hs.good("hs");
    assert!(ask(&verifier, &token).await.is_ok() && ask(&verifier, &token).await.is_ok());
    assert!(verifier.recall(&token).is_none());
    assert_eq!(clock.now().timestamp(), NOW);
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let verifier = start(JwtSettings { remembered: 100, ..all_keys(&clock()) }).await;
    let tokens: Vec<_> = (0..1000).map(|n| PAIRS.hs.saying(&json!({"jti": n}))).collect();
    for token in &tokens {
        assert!(ask(&verifier, token).await.is_ok());
    }
    let remembered = tokens.iter().filter(|token| verifier.recall(token).is_some()).count();
    assert!((1..=110).contains(&remembered), "{remembered}");
}

#[tokio::test]
async fn the_longest_token_is_read_and_one_byte_more_is_not() {
    let token = PAIRS.hs.good("hs");
    for (max_bytes, expected) in [(token.len(), None), (token.len() - 1, Some(Reason::TooLong))] {
        let verifier = start(JwtSettings { max_bytes, ..all_keys(&clock()) }).await;
        assert_eq!(ask(&verifier, &token).await.err(), expected);
    }
}
