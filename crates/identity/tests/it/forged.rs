//! Tokens that somebody else has made, or made for something else: each is refused, for the right reason, and twice.

use cartwright_identity::Reason::{self, *};
use serde_json::{Value, json};

use crate::kit::{PAIRS, all_keys, ask, base64, claims, clock, start, with};

pub(crate) type Forged = Vec<(String, String, Reason)>;

pub(crate) async fn all_are_refused(forged: Forged) {
    let verifier = start(all_keys(&clock())).await;
    for (what, token, reason) in forged {
        // The second time too: nothing of a refusal is kept, and nothing of a token either.
        for _ in 0..2 {
            assert_eq!(ask(&verifier, &token).await.err(), Some(reason), "{what}: {token:.300}");
            assert!(verifier.recall(&token).is_none(), "{what}");
        }
        let rejected = verifier.verify(&token).await.unwrap_err();
        assert_eq!(rejected.to_string(), "the token is not accepted");
        assert!(!format!("{rejected:?} {}", rejected.reason()).contains("ana"), "{what}");
    }
    // And the verifier is as good as before.
    assert!(ask(&verifier, &PAIRS.ed.good("ed")).await.is_ok());
}

pub(crate) fn row(what: &str, token: impl Into<String>, reason: Reason) -> (String, String, Reason) {
    (what.to_owned(), token.into(), reason)
}

#[tokio::test]
async fn algorithms() {
    let mut forged = Forged::new();
    for none in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        " none",
        "none\u{0}",
        "hs256",
        "HS256 ",
        "HS384",
        "RS512",
        "PS256",
        "ES384",
        "RSA1_5",
        "A128KW",
        "dir",
    ] {
        for signature in ["", &base64([0; 32])] {
            let token = format!(
                "{}.{}.{signature}",
                base64(json!({"alg": none}).to_string()),
                base64(claims().to_string())
            );
            forged.push(row(none, token, if signature.is_empty() { Form } else { Algorithm }));
        }
        // Signed by a key of ours, even.
        forged.push(row(none, PAIRS.hs.token(&json!({"alg": none}), &claims()), Algorithm));
    }
    forged.push(row("no alg", PAIRS.hs.token(&json!({"typ": "JWT"}), &claims()), Header));
    for strange in [json!(null), json!(0), json!(["HS256"]), json!({"HS256": 1}), json!(true)] {
        forged.push(row("alg of another type", PAIRS.hs.token(&json!({"alg": strange}), &claims()), Header));
    }
    // Each of the algorithms in place of each other, by name and without.
    for (kid, pair) in PAIRS.all() {
        for (_, other) in PAIRS.all().iter().filter(|(other, _)| *other != kid) {
            let named = json!({"alg": other.algorithm, "kid": kid});
            forged.push(row("another's algorithm, by name", pair.token(&named, &claims()), Algorithm));
            let unnamed = json!({"alg": other.algorithm});
            forged.push(row("another's algorithm", pair.token(&unnamed, &claims()), Signature));
        }
    }
    all_are_refused(forged).await;
}

#[tokio::test]
async fn forms() {
    let good = PAIRS.ed.good("ed");
    let parts: Vec<_> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    // 64 bytes leave four bits of the last character unused, which must be zero.
    let (start, last) = signature.split_at(signature.len() - 1);
    assert!("AQgw".contains(last));
    let next = ((last.as_bytes()[0]) + 1) as char;
    let mut forged = Forged::new();
    for (what, token) in [
        ("nothing", String::new()),
        ("dots", "..".into()),
        ("one part", header.into()),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{good}.{signature}")),
        ("five parts, as of a JWE", format!("{good}.{signature}.{signature}")),
        ("a part in front", format!(".{good}")),
        ("no header", format!(".{claims}.{signature}")),
        ("no claims", format!("{header}..{signature}")),
        ("no signature", format!("{header}.{claims}.")),
        ("no signature and no dot", format!("{header}.{claims}")),
        ("padding", format!("{good}==")),
        ("padding of the header", format!("{header}=.{claims}.{signature}")),
        ("blank behind", format!("{good} ")),
        ("blank in front", format!(" {good}")),
        ("line end", format!("{good}\n")),
        ("line end between", format!("{header}.{claims}.\r\n{signature}")),
        ("zero", format!("{good}\0")),
        ("prefix", format!("Bearer {good}")),
        ("bits behind the last byte", format!("{header}.{claims}.{start}{next}")),
        ("the other alphabet", format!("{header}.{claims}.+/{}", &signature[2..])),
        ("another script", format!("{header}.{claims}.é{}", &signature[2..])),
        ("percent", good.replace('.', "%2E")),
        (
            "JSON serialization",
            json!({"payload": claims, "protected": header, "signature": signature}).to_string(),
        ),
    ] {
        forged.push(row(what, token, Form));
    }
    forged.push(row(
        "a token of a megabyte",
        format!("{header}.{}.{signature}", "A".repeat(1 << 20)),
        TooLong,
    ));
    forged.push(row("dots of a megabyte", ".".repeat(1 << 20), TooLong));
    // Signed by us, in a form in which nobody should: two texts would be one token.
    let odd = PAIRS.ed.signed(&format!("{header}.{claims}="));
    forged.push(row("padding, signed", odd, Form));
    forged.push(row("four parts, signed", PAIRS.ed.signed(&format!("{header}.{claims}.{claims}")), Form));
    all_are_refused(forged).await;
}

#[tokio::test]
async fn headers() {
    let mut forged = Forged::new();
    let ed = |changes: &Value| PAIRS.ed.token(&with(json!({"alg": "EdDSA"}), changes), &claims());
    for kind in [
        "JWE",
        "dpop+jwt",
        "JOSE",
        "secevent+jwt",
        "logout+jwt",
        "application/",
        "at+jwt ",
        "",
        "text/jwt",
        "application/application/jwt",
        "jwt\u{0}",
    ] {
        forged.push(row(kind, ed(&json!({"typ": kind})), Type));
    }
    forged.push(row("typ of another type", ed(&json!({"typ": ["JWT"]})), Header));
    for critical in [json!(["exp"]), json!(["b64"]), json!([]), json!("exp"), json!({})] {
        forged.push(row("critical", ed(&json!({"crit": critical, "b64": false})), Critical));
    }
    forged.push(row(
        "critical null",
        PAIRS.ed.raw(r#"{"alg":"EdDSA","crit":null}"#, &claims().to_string()),
        Critical,
    ));
    for kid in [
        "../../../../dev/null",
        "/etc/passwd",
        "' OR 1=1 --",
        "ED",
        "ed ",
        "ed\u{0}",
        "",
        "\u{202e}de",
        "http://169.254.169.254/",
    ] {
        forged.push(row(kid, ed(&json!({"kid": kid})), UnknownKey));
    }
    forged.push(row("huge kid", ed(&json!({"kid": "x".repeat(257)})), UnknownKey));
    for kid in [json!(1), json!(["ed"]), json!({"ed": 1}), json!(false)] {
        forged.push(row("kid of another type", ed(&json!({"kid": kid})), Header));
    }
    forged.push(row(
        "kid null",
        PAIRS.ed.raw(r#"{"alg":"EdDSA","kid":null}"#, &claims().to_string()),
        Header,
    ));
    forged.push(row("the name of another key", ed(&json!({"kid": "es"})), Algorithm));
    let deep = format!(r#"{{"alg":{}{}}}"#, "[".repeat(1500), "]".repeat(1500));
    for header in [
        r#"{"alg":"EdDSA","alg":"EdDSA"}"#,
        r#"{"alg":"none","alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","kid":"ed","kid":"ed"}"#,
        r#"{"alg":"EdDSA","\u0061lg":"none"}"#,
        r#"{"alg":"EdDSA","x":1,"x":1}"#,
        r#"{"alg":"EdDSA"} "x""#,
        r#"[{"alg":"EdDSA"}]"#,
        r#""EdDSA""#,
        "{\"alg\":\"EdDSA\"\0}",
        "\u{feff}{\"alg\":\"EdDSA\"}",
        "{alg:'EdDSA'}",
        "null",
        "{",
        &deep,
    ] {
        forged.push(row(header, PAIRS.ed.raw(header, &claims().to_string()), Header));
    }
    let utf16: Vec<u8> = r#"{"alg":"EdDSA"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    forged.push(row(
        "UTF-16",
        PAIRS.ed.signed(&format!("{}.{}", base64(utf16), base64(claims().to_string()))),
        Header,
    ));
    all_are_refused(forged).await;
}
