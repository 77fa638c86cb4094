//! Tokens that somebody else has made, or made for something else: each is refused, for the right reason, and twice.

use cartwright_identity::Reason::{self, *};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};
use ring::signature::{self, EcdsaKeyPair};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use serde_json::{Value, json};

use crate::kit::{
    NOW, PAIRS, Pair, RSA_OTHER, RSA_PUBLIC, SECRET, all_keys, ask, base64, claims, clock, decode, start,
    with,
};

type Forged = Vec<(String, String, Reason)>;

async fn all_are_refused(forged: Forged) {
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

fn row(what: &str, token: impl Into<String>, reason: Reason) -> (String, String, Reason) {
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

/// A verifier that lets the token choose would take what everybody knows for a secret.
#[tokio::test]
async fn public_keys_as_secrets() {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(RSA_PUBLIC.as_bytes()).unwrap();
    let modulus = PAIRS.rs.jwk["n"].as_str().unwrap();
    let point = PAIRS.ed.jwk["x"].as_str().unwrap();
    let raw = decode(modulus);
    let secrets: [(&str, &[u8]); 11] = [
        ("PEM", RSA_PUBLIC.as_bytes()),
        ("PEM without its last line end", RSA_PUBLIC.trim_end().as_bytes()),
        ("DER", der.as_ref()),
        ("modulus", modulus.as_bytes()),
        ("bytes of the modulus", &raw),
        ("EC PEM", PAIRS.es.public_pem.as_bytes()),
        ("Ed25519 PEM", PAIRS.ed.public_pem.as_bytes()),
        ("Ed25519 point", point.as_bytes()),
        ("empty", b""),
        ("zeros", &[0; 32]),
        ("a usual one", b"secret"),
    ];
    let mut forged = Forged::new();
    for (what, secret) in secrets {
        let pair = Pair::hs256(secret);
        forged.push(row(what, pair.token(&json!({"alg": "HS256"}), &claims()), Signature));
        forged.push(row(what, pair.token(&json!({"alg": "HS256", "kid": "hs"}), &claims()), Signature));
        forged.push(row(what, pair.token(&json!({"alg": "HS256", "kid": "rs"}), &claims()), Algorithm));
        forged.push(row(what, pair.token(&json!({"alg": "RS256", "kid": "rs"}), &claims()), Signature));
    }
    all_are_refused(forged).await;
}

#[tokio::test]
async fn signatures() {
    let mut forged = Forged::new();
    for (what, pair) in [
        ("rs", Pair::rsa(RSA_OTHER)),
        ("es", Pair::p256()),
        ("ed", Pair::ed25519()),
        ("hs", Pair::hs256(&[7; 32])),
    ] {
        forged.push(row("another key of the same kind", pair.good(what), Signature));
        forged.push(row("another key, not named", pair.saying(&json!({})), Signature));
        let embedded = json!({"alg": pair.algorithm, "jwk": pair.jwk, "jku": "https://evil.example.com/keys", "x5u": "https://evil.example.com/", "x5c": [base64([1; 40])]});
        forged.push(row("brings its own key", pair.token(&embedded, &claims()), Signature));
        let named = with(embedded, &json!({"kid": what}));
        forged.push(row("brings its own key under a name of ours", pair.token(&named, &claims()), Signature));
    }
    for (kid, pair) in PAIRS.all() {
        let good = pair.good(kid);
        let (parts, signature) = good.rsplit_once('.').unwrap();
        let bytes = decode(signature);
        let cut = base64(&bytes[..bytes.len() - 1]);
        forged.push(row("a shortened signature", format!("{parts}.{cut}"), Signature));
        let longer = base64([&bytes[..], &[0]].concat());
        forged.push(row("a longer one", format!("{parts}.{longer}"), Signature));
        forged.push(row("none", format!("{parts}."), Form));
        forged.push(row("one byte", format!("{parts}.AA"), Signature));
        for byte in [0, 0xff] {
            forged.push(row(
                "all the same",
                format!("{parts}.{}", base64(vec![byte; bytes.len()])),
                Signature,
            ));
        }
        let (header, _) = parts.split_once('.').unwrap();
        let admin = base64(with(claims(), &json!({"scope": "admin"})).to_string());
        forged.push(row("other claims", format!("{header}.{admin}.{signature}"), Signature));
        let header = base64(json!({"alg": pair.algorithm, "kid": kid, "x": 1}).to_string());
        let (_, claims) = parts.split_once('.').unwrap();
        forged.push(row("another header", format!("{header}.{claims}.{signature}"), Signature));
        for other in PAIRS.all() {
            if other.0 != kid {
                let theirs = other.1.good(other.0);
                let (_, signature) = theirs.rsplit_once('.').unwrap();
                forged.push(row("another token's", format!("{parts}.{signature}"), Signature));
            }
        }
    }
    all_are_refused(forged).await;
}

/// What special numbers would do to careless arithmetic.
#[tokio::test]
async fn curves() {
    let parts = |pair: &Pair, kid: &str| {
        let good = pair.good(kid);
        good.rsplit_once('.').unwrap().0.to_owned()
    };
    let es = parts(&PAIRS.es, "es");
    // The order of P-256.
    let n = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (mut one, zero) = ([0; 32], [0; 32]);
    one[31] = 1;
    let mut forged = Forged::new();
    for r in [zero, one, n, [0xff; 32]] {
        for s in [zero, one, n, [0xff; 32]] {
            forged.push(row("r and s", format!("{es}.{}", base64([r, s].concat())), Signature));
        }
    }
    // The right key and message, written in ASN.1 as elsewhere.
    let der = EcdsaKeyPair::from_pkcs8(
        &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        rustls_pki_types::PrivatePkcs8KeyDer::from_pem_slice(PAIRS.es.private_pem.as_bytes())
            .unwrap()
            .secret_pkcs8_der(),
        &ring::rand::SystemRandom::new(),
    );
    let asn1 = der.unwrap().sign(&ring::rand::SystemRandom::new(), es.as_bytes()).unwrap();
    forged.push(row("ASN.1", format!("{es}.{}", base64(asn1)), Signature));
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let signing = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
    let p384 =
        EcdsaKeyPair::from_pkcs8(signing, p384.serialized_der(), &ring::rand::SystemRandom::new()).unwrap();
    let signed = p384.sign(&ring::rand::SystemRandom::new(), es.as_bytes()).unwrap();
    forged.push(row("P-384", format!("{es}.{}", base64(signed)), Signature));

    let ed = parts(&PAIRS.ed, "ed");
    // R of small order, S zero; and S made greater by the order of the group, which is the same number otherwise written.
    let mut identity = [0; 32];
    identity[0] = 1;
    for r in [zero, identity, [0xff; 32]] {
        forged.push(row("R of small order", format!("{ed}.{}", base64([r, zero].concat())), Signature));
    }
    let good = PAIRS.ed.signed(&ed);
    let mut bytes = decode(good.rsplit_once('.').unwrap().1);
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = ((sum & 0xff) as u8, sum >> 8);
    }
    forged.push(row("S plus the order", format!("{ed}.{}", base64(bytes)), Signature));
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
    assert_eq!(SECRET.len(), 32);
}
