//! How time gives back what was used up. What is asserted holds however slow the machine is.

use std::time::{Duration, Instant};

use super::{
    Limiters,
    kit::{one, quota, user},
};

/// Two clocks that are read in whole milliseconds.
const GRAIN: Duration = Duration::from_millis(2);

/// A refusal says when; asking all the time brings nothing, and waiting does.
pub async fn who_waits_as_told_is_admitted_and_nobody_earlier(limiters: Limiters) {
    let ask = user("ana", quota(4, Duration::from_millis(400)));
    for round in 0..3 {
        let refused = loop {
            if let Some(retry_after) = one(&*limiters.one, &ask).await.retry_after {
                break retry_after;
            }
        };
        tokio::time::sleep(refused + GRAIN).await;
        assert!(one(limiters.turn(round), &ask).await.allowed, "waited for {refused:?}");
    }
    let (mut admitted, mut not_before) = (0, None);
    for turn in 0.. {
        let asked = Instant::now();
        match one(limiters.turn(turn), &ask).await.retry_after {
            Some(retry_after) => not_before = not_before.max(Some(asked + retry_after)),
            None => {
                let now = Instant::now() + GRAIN;
                assert!(not_before.is_none_or(|not_before| now >= not_before), "earlier than was said");
                admitted += 1;
            }
        }
        if admitted == 8 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// The quota at once, and then no faster than it.
pub async fn pressure_is_admitted_at_the_pace_of_the_quota(limiters: Limiters) {
    const PER: Duration = Duration::from_millis(200);
    const AMOUNT: u32 = 20;
    let ask = user("ana", quota(AMOUNT, PER));
    let (began, mut admitted) = (Instant::now(), 0);
    for turn in 0.. {
        admitted += u32::from(one(limiters.turn(turn), &ask).await.allowed);
        let periods = (began.elapsed() + GRAIN).as_secs_f64() / PER.as_secs_f64();
        let most = f64::from(AMOUNT) * (1.0 + periods) + 1.0;
        assert!(f64::from(admitted) <= most, "{admitted} within {periods} periods");
        if periods > 5.0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(admitted > AMOUNT, "{admitted} in more than five periods");
}

/// Two periods later nothing is left of what was.
pub async fn who_pauses_has_the_whole_quota_again(limiters: Limiters) {
    const PER: Duration = Duration::from_millis(100);
    let ask = user("ana", quota(20, PER));
    for _ in 0..3 {
        for turn in 0..20 {
            assert!(one(limiters.turn(turn), &ask).await.allowed);
        }
        tokio::time::sleep(PER * 2 + GRAIN).await;
    }
}
