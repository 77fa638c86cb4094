use cartwright_domain::Session;
use cartwright_storage::{NewSession, ReplacedSession, SessionPolicy};
use chrono::TimeDelta;

use super::{SessionKit, carrying};

/// Whatever is JSON, up to the limits, by whichever owner.
pub async fn a_session_is_kept_exactly(kit: SessionKit) {
    assert_eq!(kit.read(&kit.id()).await, None);
    let deep = format!("{}{}", "{\"a\":[".repeat(8), "]}".repeat(8));
    let full = format!("{{\"a\":\"{}\"}}", "x".repeat(10_240 - 8));
    for json in [
        "{}",
        r#"{"a":[],"b":{},"c":[[],{}],"d":null,"data":{"expires_at":1,"owner":"eve"}}"#,
        r#"{"":"\u0000\u0001\"\\","__proto__":{"x":1},"constructor":"'; -- ?","tea":"☕😀"}"#,
        r#"{"n":[18446744073709551615,-9223372036854775808,0.1,1e+300,1.0,-0.0]}"#,
        r#"{"a":"%s %d %%","z":"\",\"data\":{"}"#,
        &deep,
        &full,
    ] {
        for owner in [None, Some("a.B_9:@-")] {
            let (hash, made) = kit.make(owner, json).await;
            assert_eq!(made.data.as_str(), json);
            assert_eq!(kit.read(&hash).await.as_ref(), Some(&made));
            let ReplacedSession::Done(replaced) = kit.replace(&hash, json, &[]).await else {
                panic!("{json}")
            };
            assert_eq!(replaced, Session { version: 2, ..made });
            assert_eq!(kit.read(&hash).await, Some(replaced));
        }
    }
}

/// Written down after a tenth of its lifetime; ends at its very moment.
pub async fn a_session_lasts_as_long_as_it_is_used(kit: SessionKit) {
    let (hash, made) = kit.make(Some("ana"), "{}").await;
    let tenth = kit.policy.lifetime / 10;
    let moment = TimeDelta::microseconds(1);
    kit.advance(tenth - moment);
    assert_eq!(kit.read(&hash).await.as_ref(), Some(&made), "not worth writing");
    kit.advance(moment);
    let used = Session { seen_at: kit.now(), expires_at: kit.now() + kit.policy.lifetime, ..made };
    assert_eq!(kit.read(&hash).await.as_ref(), Some(&used));
    assert_eq!(kit.list("ana").await, [used]);
    kit.advance(kit.policy.lifetime - moment);
    let last = kit.read(&hash).await.unwrap();
    assert_eq!(last.expires_at, kit.now() + kit.policy.lifetime);
    kit.advance(kit.policy.lifetime);
    assert_eq!(kit.read(&hash).await, None);
    assert_eq!(kit.replace(&hash, "{}", &[]).await, ReplacedSession::Gone);
    assert_eq!(kit.rotate(&hash, "ana").await, None);
    assert!(kit.list("ana").await.is_empty());
    assert!(!kit.delete(&hash).await);
}

/// However much it is used; and who logs in begins anew.
pub async fn a_session_does_not_last_for_ever(kit: SessionKit) {
    let (mut hash, made) = kit.make(None, "{}").await;
    let end = made.created_at + kit.policy.at_most;
    let minutes = TimeDelta::minutes(20);
    while kit.now() + minutes < end {
        kit.advance(minutes);
        let used = kit.read(&hash).await.unwrap();
        assert_eq!(used.expires_at, end.min(kit.now() + kit.policy.lifetime));
    }
    let ReplacedSession::Done(last) = kit.replace(&hash, "{}", &[]).await else {
        panic!("it is still there")
    };
    assert_eq!(last.expires_at, end);
    hash = kit.rotate(&hash, "ana").await.unwrap().0;
    kit.advance(minutes);
    assert!(kit.now() >= end);
    let anew = kit.read(&hash).await.unwrap();
    assert_eq!(anew.expires_at, kit.now() + kit.policy.lifetime);
}

/// Clocks of nodes differ by a little.
pub async fn a_slower_clock_takes_nothing_back(kit: SessionKit) {
    let (hash, made) = kit.make(None, "{}").await;
    let (late, early) = (kit.now() + TimeDelta::minutes(10), kit.now() + TimeDelta::minutes(9));
    let used = kit.store.session(&hash, &kit.policy, late).await.unwrap().unwrap();
    assert_eq!(used.seen_at, late);
    assert_eq!(kit.store.session(&hash, &kit.policy, early).await.unwrap().as_ref(), Some(&used));
    let before = made.created_at - TimeDelta::minutes(1);
    assert_eq!(kit.store.session(&hash, &kit.policy, before).await.unwrap(), Some(used.clone()));
    let replaced = kit.store.replace_session(&hash, &carrying("{}"), &[1], &kit.policy, early).await.unwrap();
    let ReplacedSession::Done(replaced) = replaced else { panic!("{replaced:?}") };
    assert_eq!((replaced.seen_at, replaced.version), (late, 2));
}

/// What was allowed to last for long when it was made.
pub async fn a_shorter_policy_counts_at_once(kit: SessionKit) {
    let (hash, _) = kit.make(Some("ana"), "{}").await;
    kit.advance(TimeDelta::minutes(10));
    let shorter = SessionPolicy { at_most: TimeDelta::minutes(12), ..kit.policy };
    let used = kit.store.session(&hash, &shorter, kit.now()).await.unwrap().unwrap();
    assert_eq!(used.expires_at, kit.now() + TimeDelta::minutes(2));
    let (hash, _) = kit.make(Some("ana"), "{}").await;
    kit.advance(TimeDelta::minutes(14));
    assert_eq!(kit.store.session(&hash, &shorter, kit.now()).await.unwrap(), None);
    assert_eq!(kit.read(&hash).await, None, "it has ended");
}

/// Versions count, conflicts show what is there, and it lasts longer.
pub async fn a_session_carries_something_else(kit: SessionKit) {
    let (hash, made) = kit.make(Some("ana"), r#"{"a":1}"#).await;
    kit.advance(TimeDelta::seconds(1));
    let ReplacedSession::Done(second) = kit.replace(&hash, r#"{"a":2}"#, &[1]).await else { panic!() };
    let wanted = Session {
        data: carrying(r#"{"a":2}"#),
        version: 2,
        seen_at: kit.now(),
        expires_at: kit.now() + kit.policy.lifetime,
        ..made
    };
    assert_eq!(second, wanted);
    for expected in [&[1][..], &[3], &[0], &[1, 3, u64::MAX]] {
        assert_eq!(kit.replace(&hash, "{}", expected).await, ReplacedSession::Conflict(second.clone()));
    }
    let ReplacedSession::Done(third) = kit.replace(&hash, "{}", &[1, 2]).await else { panic!() };
    assert_eq!((third.version, third.data.as_str()), (3, "{}"));
    assert_eq!(kit.read(&hash).await.as_ref(), Some(&third));
    assert_eq!(kit.list("ana").await, [third]);
    assert_eq!(kit.replace(&kit.id(), "{}", &[]).await, ReplacedSession::Gone);
    assert_eq!(kit.replace(&kit.id(), "{}", &[0]).await, ReplacedSession::Gone, "nothing is made");
}

/// Again there is nothing.
pub async fn a_session_is_ended_once(kit: SessionKit) {
    let (hash, _) = kit.make(Some("ana"), "{}").await;
    let (other, _) = kit.make(Some("ana"), "{}").await;
    assert!(kit.delete(&hash).await);
    assert!(!kit.delete(&hash).await);
    assert_eq!(kit.read(&hash).await, None);
    assert_eq!(kit.replace(&hash, "{}", &[]).await, ReplacedSession::Gone);
    assert_eq!(kit.rotate(&hash, "ana").await, None);
    assert_eq!(kit.list("ana").await, [kit.read(&other).await.unwrap()]);
    assert!(!kit.delete(&kit.id()).await);
}

/// It carries what it did, and under the old id there is nothing.
pub async fn who_logs_in_gets_another_id(kit: SessionKit) {
    let (guest, made) = kit.make(None, r#"{"wishes":["tea"]}"#).await;
    kit.replace(&guest, r#"{"wishes":["tea","rum"]}"#, &[]).await;
    kit.advance(TimeDelta::minutes(5));
    let (hash, session) = kit.rotate(&guest, "ana").await.unwrap();
    let wanted = Session {
        handle: hash.handle(),
        owner: Some(kit.owner("ana")),
        data: carrying(r#"{"wishes":["tea","rum"]}"#),
        version: 2,
        created_at: kit.now(),
        seen_at: kit.now(),
        expires_at: kit.now() + kit.policy.lifetime,
    };
    assert_eq!(session, wanted);
    assert_ne!(session.handle, made.handle);
    assert_eq!(kit.read(&guest).await, None);
    assert_eq!(kit.replace(&guest, "{}", &[]).await, ReplacedSession::Gone);
    assert_eq!(kit.rotate(&guest, "eve").await, None, "once");
    assert!(!kit.delete(&guest).await);
    assert_eq!(kit.read(&hash).await.as_ref(), Some(&session));
    assert_eq!(kit.list("ana").await, [session]);
    // Somebody else logs in at the same machine.
    let (other, session) = kit.rotate(&hash, "bob").await.unwrap();
    assert!(kit.list("ana").await.is_empty());
    assert_eq!(kit.list("bob").await, [session]);
    assert_eq!(kit.revoke_all("ana", None).await, 0);
    assert!(kit.read(&other).await.is_some());
}

/// One's own, those first that would end last; to be listed is not to be used.
pub async fn sessions_are_listed(kit: SessionKit) {
    assert!(kit.list("ana").await.is_empty());
    let (first, _) = kit.make(Some("ana"), r#"{"n":1}"#).await;
    kit.advance(TimeDelta::minutes(1));
    let (_, second) = kit.make(Some("ana"), r#"{"n":2}"#).await;
    kit.make(Some("bob"), "{}").await;
    kit.make(None, "{}").await;
    kit.advance(TimeDelta::minutes(9));
    let first = kit.read(&first).await.unwrap();
    assert_eq!(kit.list("ana").await, [first.clone(), second]);
    kit.advance(TimeDelta::minutes(21));
    assert_eq!(kit.list("ana").await, [first], "the second has ended");
    kit.advance(TimeDelta::minutes(9));
    assert!(kit.list("ana").await.is_empty());
}

/// By their owner alone.
pub async fn sessions_are_ended_by_their_handles(kit: SessionKit) {
    let (hash, session) = kit.make(Some("ana"), "{}").await;
    let (other, _) = kit.make(Some("ana"), "{}").await;
    let revoke = async |name: &str| {
        kit.store.revoke_session(&kit.owner(name), &session.handle, kit.now()).await.unwrap()
    };
    assert!(!revoke("bob").await);
    assert!(kit.read(&hash).await.is_some());
    assert!(revoke("ana").await);
    assert!(!revoke("ana").await);
    assert_eq!(kit.read(&hash).await, None);
    assert_eq!(kit.list("ana").await.len(), 1);
    assert!(kit.read(&other).await.is_some());
    kit.advance(kit.policy.lifetime);
    let ended = kit.store.revoke_session(&kit.owner("ana"), &other.handle(), kit.now()).await.unwrap();
    assert!(!ended, "it has ended by itself");
}

/// Or all but the one in which that is asked for; never anybody else's.
pub async fn all_sessions_are_ended(kit: SessionKit) {
    let (old, _) = kit.make(Some("ana"), "{}").await;
    kit.advance(TimeDelta::minutes(20));
    let (first, _) = kit.make(Some("ana"), "{}").await;
    let (second, _) = kit.make(Some("ana"), "{}").await;
    let (bob, _) = kit.make(Some("bob"), "{}").await;
    let (guest, _) = kit.make(None, "{}").await;
    kit.advance(TimeDelta::minutes(10));
    assert_eq!(kit.read(&old).await, None);
    assert_eq!(kit.revoke_all("ana", Some(&second)).await, 1, "one had ended by itself");
    assert_eq!(kit.read(&first).await, None);
    assert!(kit.read(&second).await.is_some());
    assert_eq!(kit.revoke_all("ana", Some(&kit.id())).await, 1, "an id that there is not spares none");
    assert_eq!(kit.read(&second).await, None);
    assert_eq!(kit.revoke_all("ana", None).await, 0);
    assert!(kit.list("ana").await.is_empty());
    assert!(kit.read(&bob).await.is_some() && kit.read(&guest).await.is_some());
    let (again, _) = kit.make(Some("ana"), "{}").await;
    assert!(kit.read(&again).await.is_some());
}

/// The one that would end first goes, not that which has just begun.
pub async fn there_are_only_so_many(kit: SessionKit) {
    let mut hashes = Vec::new();
    for _ in 0..3 {
        hashes.push(kit.make(Some("ana"), "{}").await.0);
        kit.advance(TimeDelta::minutes(1));
    }
    kit.advance(TimeDelta::minutes(3));
    assert!(kit.read(&hashes[0]).await.is_some(), "used just now");
    let (fourth, _) = kit.make(Some("ana"), "{}").await;
    assert_eq!(kit.read(&hashes[1]).await, None);
    let (guest, _) = kit.make(None, "{}").await;
    let (fifth, _) = kit.rotate(&guest, "ana").await.unwrap();
    assert_eq!(kit.read(&hashes[2]).await, None);
    // Another id for one of them is not one more.
    let (sixth, _) = kit.rotate(&fifth, "ana").await.unwrap();
    for hash in [&hashes[0], &fourth, &sixth] {
        assert!(kit.read(hash).await.is_some());
    }
    assert_eq!(kit.list("ana").await.len(), 3);
    let fewer = SessionPolicy { per_owner: 1, ..kit.policy };
    let last = NewSession { hash: kit.id(), owner: Some(kit.owner("ana")), data: carrying("{}") };
    let made = kit.store.create_session(&last, &fewer, kit.now()).await.unwrap();
    assert_eq!(kit.list("ana").await, [made]);
    for _ in 0..5 {
        kit.make(None, "{}").await;
    }
    assert_eq!(kit.list("ana").await.len(), 1, "guests do not count");
}

/// In portions, where a store does not do so by itself; what lives stays.
pub async fn what_has_expired_is_cleaned(kit: SessionKit) {
    let mut old = Vec::new();
    for _ in 0..5 {
        old.push(kit.make(None, "{}").await.0);
    }
    kit.advance(TimeDelta::minutes(20));
    let (young, _) = kit.make(Some("ana"), "{}").await;
    kit.advance(TimeDelta::minutes(10));
    let portions = [2, 2, 2, 2].map(|limit| kit.store.clean_sessions(kit.now(), limit));
    let mut cleaned = Vec::new();
    for portion in portions {
        cleaned.push(portion.await.unwrap());
    }
    assert!(cleaned == [2, 2, 1, 0] || cleaned == [0; 4], "{cleaned:?}");
    assert!(kit.read(&young).await.is_some());
    // By a clock that is late enough to have seen them live.
    let earlier = kit.now() - TimeDelta::minutes(10);
    let there = kit.store.session(&old[0], &kit.policy, earlier).await.unwrap().is_some();
    assert_eq!(there, cleaned[0] == 0);
}
