//! Tokens with a good signature that say what they should not.

use cartwright_identity::Reason::*;
use serde_json::{Value, json};

use crate::{
    forged::{Forged, all_are_refused, row},
    kit::{NOW, PAIRS, all_keys, ask, base64, clock, start},
};

#[tokio::test]
async fn times() {
    let mut forged = Forged::new();
    let mut push =
        |what: &str, changes: Value, reason| forged.push(row(what, PAIRS.hs.saying(&changes), reason));
    push("no end", json!({"exp": null}), Times);
    for exp in [
        json!("1800000600"),
        json!(""),
        json!(1_800_000_600.5),
        json!(1e300),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1u64 << 63),
        json!([NOW + 600]),
        json!(true),
        json!({}),
    ] {
        push("end of another type", json!({"exp": exp}), Times);
    }
    push("end in milliseconds", json!({"exp": (NOW + 600) * 1000}), Times);
    push("end in the year 10000", json!({"exp": 253_402_300_800_u64}), Times);
    push("expired", json!({"exp": NOW - 30}), Expired);
    push("expired long ago", json!({"exp": 0}), Expired);
    for claim in ["nbf", "iat"] {
        for strange in [json!("1800000000"), json!(1.5), json!(-1), json!(u64::MAX), json!([]), json!(false)]
        {
            push(claim, json!({claim: strange}), Times);
        }
        push(claim, json!({claim: NOW + 31}), NotYet);
    }
    for claims in [
        format!(r#"{{"sub":"ana","exp":null,"iss":"{}","aud":"shop"}}"#, crate::kit::ISSUER),
        format!(r#"{{"sub":"ana","exp":1e9999,"iss":"{}","aud":"shop"}}"#, crate::kit::ISSUER),
        format!(
            r#"{{"sub":"ana","exp":18000006000000000000000000000,"iss":"{}","aud":"shop"}}"#,
            crate::kit::ISSUER
        ),
        format!(r#"{{"sub":"ana","exp":1800000600,"nbf":null,"iss":"{}","aud":"shop"}}"#, crate::kit::ISSUER),
    ] {
        forged.push(row(&claims, PAIRS.hs.raw(r#"{"alg":"HS256"}"#, &claims), Times));
    }
    all_are_refused(forged).await;
}

#[tokio::test]
async fn claims_of_others() {
    let mut forged = Forged::new();
    let mut push =
        |what: &str, changes: Value, reason| forged.push(row(what, PAIRS.hs.saying(&changes), reason));
    push("no issuer", json!({"iss": null}), Issuer);
    for issuer in [
        json!("https://login.staging.example.com"),
        json!("https://login.example.com/"),
        json!("HTTPS://LOGIN.EXAMPLE.COM"),
        json!(""),
        json!(["https://login.example.com"]),
        json!(1),
        json!({}),
    ] {
        push("another issuer", json!({"iss": issuer}), Issuer);
    }
    push("no audience", json!({"aud": null}), Audience);
    for audience in [
        json!("shop-staging"),
        json!("Shop"),
        json!("shop "),
        json!(""),
        json!([]),
        json!(["other"]),
        json!([["shop"]]),
        json!(["shop", 1]),
        json!(["shop", null]),
        json!({"shop": 1}),
        json!(1),
        json!(true),
    ] {
        push("another audience", json!({"aud": audience}), Audience);
    }
    push("no subject", json!({"sub": null}), Subject);
    let long = "x".repeat(101);
    for subject in [
        json!(""),
        json!(long),
        json!("a b"),
        json!("ana\n"),
        json!("ana\u{0}"),
        json!("\u{202e}ana"),
        json!("é"),
        json!("auth0|7f"),
        json!("../ana"),
        json!("guest-"),
        json!("guest-0011"),
        json!("Guest-0011"),
        json!("GUEST-1"),
        json!(1),
        json!(["ana"]),
        json!({"ana": 1}),
        json!(true),
    ] {
        push("not a user", json!({"sub": subject}), Subject);
    }
    push("a service that is a guest", json!({"sub": "guest-1", "scope": "service"}), Subject);
    push("a service of another type", json!({"sub": ["billing"], "scope": "service"}), Subject);
    for scope in [json!(1), json!(true), json!({"admin": true}), json!([["admin"]]), json!(["admin", 1])] {
        push("scopes of another type", json!({"scope": scope}), Scope);
        push("scopes of another type", json!({"scp": scope}), Scope);
    }
    let text = |changes: &str| {
        format!(r#"{{"sub":"ana","iss":"{}","aud":"shop","exp":1800000600{changes}}}"#, crate::kit::ISSUER)
    };
    let deep = |name: &str| text(&format!(r#","{name}":{}{}"#, "[".repeat(2500), "]".repeat(2500)));
    for claims in [
        text(r#","sub":"bob""#),
        text(r#","sub":"ana""#),
        text(r#","\u0073ub":"bob""#),
        text(r#","exp":1900000000"#),
        text(r#","unknown":1,"unknown":2"#),
        text("} {"),
        text(r#","x":"\ud800""#) + "x",
        "[]".to_owned(),
        "null".to_owned(),
        "\"ana\"".to_owned(),
        "{".to_owned(),
        "not JSON".to_owned(),
        // A token in a token.
        PAIRS.hs.good("hs"),
    ] {
        forged.push(row(&claims, PAIRS.hs.raw(r#"{"alg":"HS256"}"#, &claims), Claims));
    }
    forged.push(row(
        "half a character",
        PAIRS.hs.raw(r#"{"alg":"HS256"}"#, &text("").replace("ana", "\\ud800")),
        Subject,
    ));
    forged.push(row(
        "not UTF-8",
        PAIRS.hs.signed(&format!("{}.{}", base64(r#"{"alg":"HS256"}"#), base64(b"{\"sub\":\"\xff\"}"))),
        Claims,
    ));
    let nested = text("").replace(r#""aud":"shop","#, "");
    let nested = nested.replace('}', &format!(r#","aud":{}{}}}"#, "[".repeat(2500), "]".repeat(2500)));
    forged.push(row("deep audience", PAIRS.hs.raw(r#"{"alg":"HS256"}"#, &nested), Audience));
    forged.push(row("deep scope", PAIRS.hs.raw(r#"{"alg":"HS256"}"#, &deep("scope")), Scope));
    all_are_refused(forged).await;

    // Depth where nobody looks is no harm, to the stack either.
    let verifier = start(all_keys(&clock())).await;
    assert!(ask(&verifier, &PAIRS.hs.raw(r#"{"alg":"HS256"}"#, &deep("unknown"))).await.is_ok());
}
