//! Keys that are fetched: they come, change and go, and the server may be away.

use std::{sync::Arc, time::Duration};

use cartwright_domain::ManualClock;
use cartwright_identity::{JwksSettings, JwtSettings, Reason, Verifier};
use chrono::TimeDelta;
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    kit::{PAIRS, Pair, RSA_PUBLIC, all_keys, ask, clock, named, public, seconds, settings, start, until},
    server::{Answer, Server, text},
};

const COOLDOWN: i64 = 5;
const MAX_STALE: i64 = 3600;

/// Fetched when asked for, by the test's clock; in the background hardly ever.
fn jwks(server: &Server) -> JwksSettings {
    JwksSettings {
        refresh: Duration::from_secs(3600),
        max_stale: Duration::from_secs(MAX_STALE.unsigned_abs()),
        cooldown: Duration::from_secs(COOLDOWN.unsigned_abs()),
        timeout: crate::kit::PATIENCE,
        ..JwksSettings::new(server.url().parse().unwrap())
    }
}

async fn verifier(server: &Server, clock: &Arc<ManualClock>) -> Verifier {
    start(JwtSettings { jwks: Some(jwks(server)), ..settings(clock) }).await
}

#[tokio::test]
async fn each_kind_of_key_is_fetched() {
    let (clock, pairs) = (clock(), &*PAIRS);
    let keys = [pairs.rs.named("rs"), pairs.es.named("es"), pairs.ed.named("ed")];
    let server = Server::start(Answer::keys(&keys)).await;
    let verifier = verifier(&server, &clock).await;
    for (kid, pair) in &pairs.all()[1..] {
        assert!(ask(&verifier, &pair.good(kid)).await.is_ok(), "{kid}");
        assert!(ask(&verifier, &pair.saying(&json!({}))).await.is_ok(), "{kid}");
    }
    let status = verifier.status();
    assert_eq!((status.fixed, status.fetched, status.error), (0, Some(3), None));
    assert_eq!(status.fetched_at.unwrap().timestamp(), crate::kit::NOW);
    assert_eq!(server.looks(), 1);
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /keys?tenant=1 HTTP/1.1\r\n"), "{request}");
    assert!(!request.to_ascii_lowercase().contains("if-none-match"), "{request}");
}

#[tokio::test]
async fn a_new_key_works_at_once_and_the_old_one_no_longer() {
    let (clock, old, new) = (clock(), Pair::p256(), Pair::ed25519());
    let server = Server::start(Answer::keys(&[old.named("old")])).await;
    let verifier = verifier(&server, &clock).await;
    let token = old.good("old");
    assert!(ask(&verifier, &token).await.is_ok() && verifier.recall(&token).is_some());

    server.answer(Answer::keys(&[new.named("new")]));
    clock.advance(seconds(COOLDOWN));
    assert!(ask(&verifier, &new.good("new")).await.is_ok());
    assert_eq!(server.looks(), 2);
    // It was remembered.
    assert!(verifier.recall(&token).is_none());
    assert_eq!(ask(&verifier, &token).await.err(), Some(Reason::UnknownKey));
    assert_eq!(ask(&verifier, &old.saying(&json!({}))).await.err(), Some(Reason::Algorithm));
    // The rate holds for keys that were known once, too.
    assert_eq!(server.looks(), 2);
}

/// The same name for another key is not the same key.
#[tokio::test]
async fn a_key_that_was_replaced_under_its_name_stops() {
    let (clock, old, new) = (clock(), Pair::p256(), Pair::p256());
    let server = Server::start(Answer::keys(&[old.named("k")])).await;
    let verifier = verifier(&server, &clock).await;
    let token = old.good("k");
    assert!(ask(&verifier, &token).await.is_ok());
    server.answer(Answer::keys(&[new.named("k")]));
    clock.advance(seconds(COOLDOWN));
    assert_eq!(ask(&verifier, &old.good("other")).await.err(), Some(Reason::UnknownKey));
    assert!(verifier.recall(&token).is_none());
    assert_eq!(ask(&verifier, &token).await.err(), Some(Reason::Signature));
    assert!(ask(&verifier, &new.good("k")).await.is_ok());
}

#[tokio::test]
async fn keys_are_looked_at_in_the_background() {
    let (clock, old, new) = (clock(), Pair::p256(), Pair::ed25519());
    let server = Server::start(Answer::keys(&[old.named("old")])).await;
    let second = Duration::from_secs(1);
    let jwks = JwksSettings { refresh: second, cooldown: second, ..jwks(&server) };
    let verifier = start(JwtSettings { jwks: Some(jwks), ..settings(&clock) }).await;
    let token = old.good("old");
    assert!(ask(&verifier, &token).await.is_ok());
    server.answer(Answer::keys(&[new.named("new")]));
    // Nobody sends a token meanwhile.
    until(|| verifier.recall(&token).is_none()).await;
    assert!(ask(&verifier, &new.good("new")).await.is_ok());
}

#[tokio::test]
async fn max_age_makes_it_more_often() {
    let (clock, pair) = (clock(), Pair::ed25519());
    let body = json!({"keys": [pair.named("k")]}).to_string();
    let server = Server::start(Answer::with("200 OK", "Cache-Control: max-age=1\r\n", &body)).await;
    let jwks = JwksSettings { cooldown: Duration::from_secs(1), ..jwks(&server) };
    let _verifier = start(JwtSettings { jwks: Some(jwks), ..settings(&clock) }).await;
    until(|| server.looks() > 1).await;
}

#[tokio::test]
async fn made_up_keys_cannot_hammer_the_server() {
    let (clock, pair, forger) = (clock(), Pair::p256(), Pair::p256());
    let server = Server::start(Answer::keys(&[pair.named("k")])).await;
    let verifier = verifier(&server, &clock).await;
    for round in 1..=3 {
        // Before the time is over: not one look, however many names.
        clock.advance(seconds(COOLDOWN) - TimeDelta::microseconds(1));
        for n in 0..100 {
            let token = forger.good(&format!("{round}-{n}"));
            assert_eq!(ask(&verifier, &token).await.err(), Some(Reason::UnknownKey));
        }
        assert_eq!(server.looks(), round);
        // After it: one, for all together.
        clock.advance(TimeDelta::microseconds(1));
        let tasks: Vec<_> = (0..200)
            .map(|n| (verifier.clone(), forger.good(&format!("{round}-many-{n}"))))
            .map(|(verifier, token)| tokio::spawn(async move { ask(&verifier, &token).await.err() }))
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Some(Reason::UnknownKey));
        }
        assert_eq!(server.looks(), round + 1);
    }
    // Tokens that name no key, a known one, one that nobody would name so, or a secret, which is never fetched, make nobody look.
    clock.advance(seconds(COOLDOWN));
    let hs = &PAIRS.hs;
    for token in [
        forger.saying(&json!({})),
        forger.good("k"),
        forger.good(&"x".repeat(257)),
        hs.good("unknown"),
        hs.good("k"),
        hs.saying(&json!({})),
    ] {
        assert!(ask(&verifier, &token).await.is_err());
    }
    assert_eq!(server.looks(), 4);
    assert!(ask(&verifier, &pair.good("k")).await.is_ok());
}

/// A clock that was put back is no reason not to look.
#[tokio::test]
async fn a_clock_that_goes_back_does_not_stop_the_looks() {
    let (clock, pair) = (clock(), Pair::p256());
    let server = Server::start(Answer::keys(&[])).await;
    let verifier = verifier(&server, &clock).await;
    clock.advance(seconds(-10));
    server.answer(Answer::keys(&[pair.named("k")]));
    // There are no keys, so it is left to the background to look; with one, it is looked for.
    assert_eq!(ask(&verifier, &pair.good("k")).await.err(), Some(Reason::KeysUnavailable));
    assert_eq!(server.looks(), 1);
    let server = Server::start(Answer::keys(&[pair.named("k")])).await;
    let verifier = self::verifier(&server, &clock).await;
    clock.advance(seconds(-10));
    assert_eq!(ask(&verifier, &pair.good("other")).await.err(), Some(Reason::UnknownKey));
    assert_eq!(server.looks(), 2);
}

#[tokio::test]
async fn a_caller_who_goes_away_stops_nothing() {
    let (clock, old, new) = (clock(), Pair::p256(), Pair::p256());
    let server = Server::start(Answer::keys(&[old.named("old")])).await;
    let verifier = verifier(&server, &clock).await;
    let go = Arc::new(Notify::new());
    let body = json!({"keys": [new.named("new")]}).to_string();
    server.answer(Answer::When(Arc::clone(&go), text("200 OK", "", &body)));
    clock.advance(seconds(COOLDOWN));
    let spawn = || {
        let (verifier, token) = (verifier.clone(), new.good("new"));
        tokio::spawn(async move { ask(&verifier, &token).await })
    };
    let impatient = spawn();
    until(|| server.looks() == 2).await;
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    // The look goes on, and whoever comes now waits for the same one. Others are served meanwhile.
    let patient = spawn();
    assert!(ask(&verifier, &old.good("old")).await.is_ok());
    go.notify_one();
    assert!(patient.await.unwrap().is_ok());
    assert_eq!(server.looks(), 2);
}

#[tokio::test]
async fn without_the_server_keys_are_believed_for_a_while() {
    let (clock, pair) = (clock(), Pair::p256());
    let server = Server::start(Answer::keys(&[pair.named("k")])).await;
    let fixed = JwtSettings { jwks: Some(jwks(&server)), ..all_keys(&clock) };
    let verifier = start(fixed).await;
    // It lives longer than its key.
    let claims = crate::kit::with(crate::kit::claims(), &json!({"exp": crate::kit::NOW + 2 * MAX_STALE}));
    let tokens = ["1", "2"].map(|jti| {
        pair.token(
            &json!({"alg": "ES256", "kid": "k"}),
            &crate::kit::with(claims.clone(), &json!({"jti": jti})),
        )
    });
    let [remembered, fresh] = &tokens;
    drop(server);
    clock.advance(seconds(MAX_STALE) - TimeDelta::microseconds(1));
    assert!(ask(&verifier, remembered).await.is_ok() && verifier.recall(remembered).is_some());
    // A key that is not known may be a new one.
    assert_eq!(ask(&verifier, &pair.good("other")).await.err(), Some(Reason::KeysUnavailable));
    let error = verifier.status().error.unwrap();
    assert!(error.starts_with("it cannot be reached: "), "{error}");

    clock.advance(TimeDelta::microseconds(1));
    assert!(verifier.recall(remembered).is_none());
    for token in &tokens {
        let rejected = verifier.verify(token).await.unwrap_err();
        assert!(rejected.is_unavailable() && rejected.to_string().contains("at the moment"));
    }
    assert_eq!(verifier.status().fetched, Some(0));
    assert_eq!(fresh.len(), remembered.len());
    // Keys of the settings have no age.
    let own = PAIRS.ed.token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims);
    assert!(ask(&verifier, &own).await.is_ok());
    // And what no fetched key could make good is refused for good.
    assert_eq!(ask(&verifier, &PAIRS.hs.good("other")).await.err(), Some(Reason::UnknownKey));
}

#[tokio::test]
async fn it_starts_without_the_server_and_has_its_keys_later() {
    let (clock, pair) = (clock(), Pair::p256());
    let server = Server::start(Answer::with("503 Service Unavailable", "", "")).await;
    let jwks = JwksSettings { cooldown: Duration::from_secs(1), ..jwks(&server) };
    let public_keys = vec![named("rs", public(RSA_PUBLIC))];
    let verifier = start(JwtSettings { jwks: Some(jwks), public_keys, ..settings(&clock) }).await;
    let token = pair.good("k");
    assert_eq!(ask(&verifier, &token).await.err(), Some(Reason::KeysUnavailable));
    assert_eq!(ask(&verifier, &pair.saying(&json!({}))).await.err(), Some(Reason::KeysUnavailable));
    assert!(ask(&verifier, &PAIRS.rs.good("rs")).await.is_ok());
    assert_eq!((verifier.status().fetched, verifier.status().fetched_at), (Some(0), None));
    server.answer(Answer::keys(&[pair.named("k")]));
    until(|| verifier.status().fetched == Some(1)).await;
    assert!(ask(&verifier, &token).await.is_ok());
    assert_eq!(verifier.status().error, None);
}

/// Who has withdrawn all his keys means it.
#[tokio::test]
async fn an_empty_set_leaves_no_keys() {
    let (clock, pair) = (clock(), Pair::p256());
    let server = Server::start(Answer::keys(&[pair.named("k")])).await;
    let verifier = verifier(&server, &clock).await;
    let token = pair.good("k");
    assert!(ask(&verifier, &token).await.is_ok());
    server.answer(Answer::keys(&[]));
    clock.advance(seconds(COOLDOWN));
    assert_eq!(ask(&verifier, &pair.good("other")).await.err(), Some(Reason::KeysUnavailable));
    assert!(verifier.recall(&token).is_none());
    assert_eq!(ask(&verifier, &token).await.err(), Some(Reason::KeysUnavailable));
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again_and_forgets_nothing() {
    let (clock, pair) = (clock(), Pair::p256());
    let body = json!({"keys": [pair.named("k")]}).to_string();
    let server = Server::start(Answer::with("200 OK", "ETag: \"v1\"\r\n", &body)).await;
    let verifier = verifier(&server, &clock).await;
    let token = pair.good("k");
    let first = ask(&verifier, &token).await.unwrap();
    server.answer(Answer::Close("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n".into()));
    clock.advance(seconds(COOLDOWN));
    assert_eq!(ask(&verifier, &pair.good("other")).await.err(), Some(Reason::UnknownKey));
    assert!(server.requests()[1].contains("if-none-match: \"v1\"\r\n"), "{}", server.requests()[1]);
    assert_eq!(verifier.status().fetched_at.unwrap().timestamp(), crate::kit::NOW + COOLDOWN);
    // The same in full, too.
    server.answer(Answer::with("200 OK", "ETag: \"v2\"\r\n", &body));
    clock.advance(seconds(COOLDOWN));
    assert_eq!(ask(&verifier, &pair.good("other")).await.err(), Some(Reason::UnknownKey));
    assert_eq!(server.looks(), 3);
    assert!(Arc::ptr_eq(&first, &verifier.recall(&token).unwrap()));
}

#[tokio::test]
async fn the_task_ends_with_the_verifier() {
    let clock = clock();
    let server = Server::start(Answer::keys(&[PAIRS.ed.named("k")])).await;
    let verifier = verifier(&server, &clock).await;
    let clone = verifier.clone();
    drop(verifier);
    assert!(ask(&clone, &PAIRS.ed.good("k")).await.is_ok());
    assert!(Arc::strong_count(&clock) > 1);
    drop(clone);
    until(|| Arc::strong_count(&clock) == 1).await;
}
