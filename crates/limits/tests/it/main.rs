//! Limits in this process, from outside: the conformance suite, and what only they promise.

use std::{sync::Arc, time::Duration};

use cartwright_cache_tests::limits::{Limiters, address, quota, user};
use cartwright_limits::{Ask, Decision, MemoryRateLimiter, RateLimiter};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::time::advance;

const MINUTE: Duration = Duration::from_secs(60);

async fn fresh() -> (Limiters, ()) {
    let one: Arc<dyn RateLimiter> = Arc::new(MemoryRateLimiter::new(10_000));
    (Limiters { other: Arc::clone(&one), one }, ())
}

cartwright_cache_tests::limit_conformance!(fresh);

fn admits(limiter: &MemoryRateLimiter, ask: &Ask) -> bool {
    Decision::admits(&limiter.decide(std::slice::from_ref(ask)))
}

/// The acceptance of the limits, with the clock in hand.
#[tokio::test(start_paused = true)]
async fn ten_times_the_limit_of_a_thousand_keys_is_exact_in_every_period() {
    const LIMIT: u32 = 20;
    let limiter = MemoryRateLimiter::new(10_000);
    let requests: Vec<[Ask; 2]> =
        (0..1000).map(|_| [user("flood", quota(LIMIT, MINUTE)), address(quota(LIMIT, MINUTE))]).collect();
    for period in 0..4 {
        let mut admitted = vec![0u32; requests.len()];
        for _ in 0..10 * LIMIT {
            for (asks, admitted) in requests.iter().zip(&mut admitted) {
                *admitted += u32::from(Decision::admits(&limiter.decide(asks)));
            }
            advance(MINUTE / (10 * LIMIT)).await;
        }
        for admitted in admitted {
            let off = (f64::from(admitted) / f64::from(LIMIT) - 1.0).abs();
            assert!(off <= 0.05, "{admitted} of {LIMIT} in period {period}");
        }
        assert_eq!(limiter.keys(), 2000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_when_it_says_and_not_a_millisecond_earlier() {
    let limiter = MemoryRateLimiter::new(10);
    let ask = user("ana", quota(3, MINUTE));
    for _ in 0..20 {
        let retry_after = loop {
            if let Some(retry_after) = limiter.decide(std::slice::from_ref(&ask)).remove(0).retry_after {
                break retry_after;
            }
        };
        advance(retry_after - Duration::from_millis(1)).await;
        assert!(!admits(&limiter, &ask));
        advance(Duration::from_millis(1)).await;
        assert!(admits(&limiter, &ask));
    }
}

#[test]
fn a_flood_of_keys_takes_no_memory_and_frees_nobody() {
    const ROOM: usize = 1_000;
    let limiter = MemoryRateLimiter::new(ROOM);
    let refused: Vec<Ask> = (0..100).map(|_| user("refused", quota(3, MINUTE * 60))).collect();
    for ask in &refused {
        assert!((0..3).all(|_| admits(&limiter, ask)));
        assert!(!admits(&limiter, ask));
    }
    for _ in 0..10 * ROOM {
        assert!(admits(&limiter, &address(quota(3, MINUTE * 60))));
        assert!(limiter.keys() <= ROOM);
    }
    assert_eq!(limiter.keys(), ROOM);
    for ask in &refused {
        assert!(!admits(&limiter, ask), "{} was forgotten", ask.key);
    }
}

/// What is used of a quota counts, and not how large the quota is.
#[test]
fn who_may_do_more_is_not_kept_for_longer() {
    let limiter = MemoryRateLimiter::new(8);
    let small = user("small", quota(2, MINUTE));
    assert!((0..2).all(|_| admits(&limiter, &small)));
    let large: Vec<Ask> = (0..7).map(|_| address(quota(1000, MINUTE))).collect();
    for ask in &large {
        assert!((0..100).all(|_| admits(&limiter, ask)));
    }
    for _ in 0..100 {
        assert!(admits(&limiter, &address(quota(1000, MINUTE))));
    }
    assert!(!admits(&limiter, &small));
}

#[tokio::test(start_paused = true)]
async fn whose_time_is_over_goes_first() {
    const ROOM: usize = 64;
    let limiter = MemoryRateLimiter::new(ROOM);
    for _ in 0..ROOM - 1 {
        let old = address(quota(1, MINUTE));
        assert!(admits(&limiter, &old));
    }
    advance(MINUTE * 2).await;
    let now = user("now", quota(100, MINUTE));
    assert!(admits(&limiter, &now));
    for _ in 0..ROOM - 1 {
        assert!(admits(&limiter, &address(quota(1, MINUTE))));
    }
    assert_eq!(limiter.keys(), ROOM);
    let remaining = limiter.decide(std::slice::from_ref(&now)).remove(0).remaining;
    assert_eq!(remaining, Some(98), "it was not forgotten");
}

#[test]
fn room_for_one_is_room() {
    let limiter = MemoryRateLimiter::new(0);
    let (ana, bea) = (user("ana", quota(1, MINUTE)), user("bea", quota(1, MINUTE)));
    assert!(admits(&limiter, &ana));
    assert!(!admits(&limiter, &ana));
    assert!(admits(&limiter, &bea));
    assert!(admits(&limiter, &ana), "forgotten for the other");
    let others = [user("carl", quota(1, MINUTE)), user("dora", quota(1, MINUTE))];
    assert!(Decision::admits(&limiter.decide(&others)), "two keys, and room for one");
    assert_eq!(limiter.keys(), 1);
}

#[test]
fn decisions_are_counted_by_group_and_outcome() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        cartwright_limits::describe_metrics();
        let limiter = MemoryRateLimiter::new(2);
        let asks = [user("ana", quota(2, MINUTE)), address(quota(9, MINUTE))];
        for _ in 0..5 {
            runtime.block_on(limiter.check(&asks));
        }
        runtime.block_on(limiter.check(&[address(quota(9, MINUTE))]));
    });
    let text = handle.render();
    for line in [
        // Two requests of two keys, and one of a third; refused by the user alone.
        r#"cartwright_limit_decisions_total{group="tests",outcome="admitted"} 5"#,
        r#"cartwright_limit_decisions_total{group="tests",outcome="refused"} 3"#,
        "cartwright_limit_keys_forgotten_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}
