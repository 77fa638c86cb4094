//! How many are admitted, while time does not matter.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use cartwright_limits::{Ask, Decision, LimitKey};
use futures_util::{future::join_all, poll};

use super::{
    Limiters,
    kit::{HOUR, address, admits, check, one, quota, user},
};

/// Remaining requests are counted down to the last, and then there are none.
pub async fn the_quota_is_admitted_and_no_more(limiters: Limiters) {
    let ask = user("ana", quota(5, HOUR));
    for remaining in (0..5).rev() {
        let decision = one(&*limiters.one, &ask).await;
        assert_eq!((decision.allowed, decision.remaining), (true, Some(remaining)));
        assert!(decision.reset_after > HOUR / 2, "all of it was used just now");
    }
    for _ in 0..10 {
        let refused = one(&*limiters.one, &ask).await;
        assert!(refused.retry_after.is_some_and(|retry| retry > HOUR / 2), "{refused:?}");
    }
}

/// Asking on does not put off the time at which a key admits again.
pub async fn a_refusal_costs_nothing(limiters: Limiters) {
    let ask = user("ana", quota(1, HOUR));
    assert!(one(&*limiters.one, &ask).await.allowed);
    let first = one(&*limiters.one, &ask).await.retry_after.expect("refused");
    for turn in 0..200 {
        let retry = one(limiters.turn(turn), &ask).await.retry_after.expect("refused");
        assert!(retry <= first, "{retry:?} after {first:?}");
    }
}

/// 64 tasks on two nodes, which ask for twenty keys each.
pub async fn many_at_once_are_admitted_exactly(limiters: Limiters) {
    let keys: Arc<Vec<Ask>> = Arc::new((0..20).map(|_| user("crowd", quota(25, HOUR))).collect());
    let admitted: Arc<Vec<AtomicU32>> = Arc::new(keys.iter().map(|_| AtomicU32::new(0)).collect());
    let tasks = (0..64).map(|task| {
        let (limiters, keys, admitted) = (limiters.clone(), Arc::clone(&keys), Arc::clone(&admitted));
        tokio::spawn(async move {
            for (key, admitted) in keys.iter().zip(admitted.iter()) {
                if one(limiters.turn(task), key).await.allowed {
                    admitted.fetch_add(1, Relaxed);
                }
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    for (key, admitted) in keys.iter().zip(admitted.iter()) {
        assert_eq!(admitted.load(Relaxed), 25, "{}", key.key);
    }
}

/// What one node admits the other counts.
pub async fn two_nodes_share_one_budget(limiters: Limiters) {
    let ask = address(quota(7, HOUR));
    for turn in 0..7 {
        let decision = one(limiters.turn(turn), &ask).await;
        assert_eq!((decision.allowed, decision.remaining), (true, Some(6 - turn as u32)));
    }
    for turn in 0..4 {
        assert!(!one(limiters.turn(turn), &ask).await.allowed);
    }
}

/// Each of a thousand users, at an address of his own, makes ten times as many requests as he may.
pub async fn ten_times_the_limit_of_a_thousand_addresses_and_users(limiters: Limiters) {
    const LIMIT: u32 = 10;
    let tasks = (0..20).map(|_| {
        let limiters = limiters.clone();
        tokio::spawn(async move {
            let users: Vec<[Ask; 2]> =
                (0..50).map(|_| [user("flood", quota(LIMIT, HOUR)), address(quota(LIMIT, HOUR))]).collect();
            let mut admitted = vec![0; users.len()];
            for turn in 0..10 * LIMIT as usize {
                for (asks, admitted) in users.iter().zip(&mut admitted) {
                    *admitted += u32::from(admits(limiters.turn(turn), asks).await);
                }
            }
            admitted
        })
    });
    for task in join_all(tasks).await {
        assert_eq!(task.unwrap(), [LIMIT; 50]);
    }
}

/// Who is refused as a user uses up nothing of his address, and the other way round.
pub async fn all_keys_count_a_request_or_none(limiters: Limiters) {
    let (ana, bea) = (user("ana", quota(2, HOUR)), user("bea", quota(9, HOUR)));
    let office = address(quota(5, HOUR));
    for turn in 0..20 {
        let admitted = admits(limiters.turn(turn), &[ana.clone(), office.clone()]).await;
        assert_eq!(admitted, turn < 2);
    }
    for turn in 0..20 {
        let admitted = admits(limiters.turn(turn), &[office.clone(), bea.clone()]).await;
        assert_eq!(admitted, turn < 3, "the address has three left");
    }
    let home = address(quota(50, HOUR));
    let decisions = check(&*limiters.one, &[bea.clone(), home.clone()]).await;
    assert_eq!(decisions[0].remaining, Some(9 - 3 - 1), "of bea nothing was counted in vain");
    // Of what admits a request that another refuses, it is said how it stands, or nothing.
    let decisions = check(&*limiters.one, &[home, ana, bea]).await;
    assert_eq!(decisions.iter().map(|decision| decision.allowed).collect::<Vec<_>>(), [true, false, true]);
    assert!(matches!(decisions[0].remaining, None | Some(49)), "{:?}", decisions[0]);
    assert!(matches!(decisions[2].remaining, None | Some(5)), "{:?}", decisions[2]);
}

/// So that no list of keys lets more through than a quota has.
pub async fn a_key_named_twice_counts_twice(limiters: Limiters) {
    let ask = user("ana", quota(3, HOUR));
    let twice = [ask.clone(), ask.clone()];
    let remaining = |decisions: &[Decision]| decisions.iter().map(|d| d.remaining).collect::<Vec<_>>();
    assert_eq!(remaining(&check(&*limiters.one, &twice).await), [Some(2), Some(1)]);
    for turn in 0..4 {
        assert!(!admits(limiters.turn(turn), &twice).await, "there is one left");
    }
    let last = one(&*limiters.one, &ask).await;
    assert_eq!((last.allowed, last.remaining), (true, Some(0)));
    assert!(!one(&*limiters.other, &ask).await.allowed);
}

/// Users, addresses and groups that are written alike.
pub async fn keys_do_not_mix(limiters: Limiters) {
    let quota = quota(1, HOUR);
    let name = format!("192.0.2.{}", std::process::id() % 200);
    let ip = name.parse().unwrap();
    let long = format!("{name}-{}", "x".repeat(80));
    for key in [
        LimitKey::user("tests", &name),
        LimitKey::address("tests", ip),
        LimitKey::user("others", &name),
        LimitKey::address("others", ip),
        LimitKey::user("tests", &format!("a:{name}")),
        LimitKey::user("tests", &long),
        LimitKey::user("tests", &format!("{long}x")),
        LimitKey::address("tests", "2001:db8:7::1".parse().unwrap()),
        LimitKey::address("tests", "2001:db8:7:1::1".parse().unwrap()),
    ] {
        let ask = Ask { key, quota };
        assert!(one(&*limiters.one, &ask).await.allowed, "{}", ask.key);
        assert!(!one(&*limiters.other, &ask).await.allowed, "{}", ask.key);
    }
}

/// Clients hang up at any moment: each of their requests was counted, or was not.
pub async fn who_goes_away_is_counted_at_most_once(limiters: Limiters) {
    let ask = [user("ana", quota(50, HOUR))];
    for turn in 0..20 {
        let mut gone = limiters.turn(turn).check(&ask);
        let _ = poll!(&mut gone);
    }
    let mut admitted = 0;
    for turn in 0..60 {
        admitted += u32::from(admits(limiters.turn(turn), &ask).await);
    }
    assert!((30..=50).contains(&admitted), "{admitted} of 50, after 20 that went away");
}

/// A request to what has no limit.
pub async fn nothing_asked_nothing_answered(limiters: Limiters) {
    assert!(check(&*limiters.one, &[]).await.is_empty());
    assert!(Decision::admits(&[]));
}
