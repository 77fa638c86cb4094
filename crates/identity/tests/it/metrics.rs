//! What is counted, and under which few words.

use cartwright_identity::{JwksSettings, JwtSettings, describe_metrics};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use tokio::runtime;

use crate::{
    kit::{NOW, PAIRS, Pair, all_keys, ask, clock, seconds, start},
    server::{Answer, Server},
};

#[test]
fn tokens_and_looks_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    // All tasks run on this thread, which has the recorder.
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(tokens_and_looks()));
    let text = recorder.handle().render();
    let forged =
        ["remembered", "accepted", "malformed", "no_key", "forged", "expired", "claims", "unavailable"];
    for (outcome, count) in forged.iter().zip([3, 1, 2, 2, 1, 1, 2, 1]) {
        let line = format!("cartwright_identity_tokens_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
    for (outcome, count) in [("changed", 1), ("unchanged", 1), ("failed", 1)] {
        let line = format!("cartwright_identity_key_refreshes_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
    assert!(text.contains("cartwright_identity_keys 1\n"), "{text}");
    let seen = NOW + 5;
    assert!(text.contains(&format!("cartwright_identity_keys_fetched_timestamp_seconds {seen}\n")), "{text}");
}

async fn tokens_and_looks() {
    describe_metrics();
    let (clock, fetched) = (clock(), Pair::ed25519());
    let server = Server::start(Answer::keys(&[fetched.named("fetched")])).await;
    let jwks = Some(JwksSettings::new(server.url().parse().unwrap()));
    let verifier = start(JwtSettings { jwks, ..all_keys(&clock) }).await;
    let hs = &PAIRS.hs;
    let good = hs.good("hs");
    assert!(ask(&verifier, &good).await.is_ok() && ask(&verifier, &good).await.is_ok());
    assert!(verifier.recall(&good).is_some() && verifier.recall(&good).is_some());
    // Not counted: it is not refused yet.
    assert!(verifier.recall("nothing").is_none());
    for token in [
        "nothing",
        &"x".repeat(10_000),
        &hs.good("other"),
        &Pair::hs256(&[1; 32]).good("hs"),
        &hs.saying(&json!({"exp": 0})),
        &hs.saying(&json!({"aud": "other"})),
        &hs.saying(&json!({"sub": ""})),
    ] {
        assert!(ask(&verifier, token).await.is_err());
    }
    clock.advance(seconds(5));
    assert!(ask(&verifier, &fetched.good("other")).await.is_err());
    server.answer(Answer::with("500 Sorry", "", ""));
    clock.advance(seconds(5));
    assert!(ask(&verifier, &fetched.good("another")).await.unwrap_err().to_string().contains("fetched"));
}
