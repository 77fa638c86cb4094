use cartwright_domain::{Clock, Profile, ProfileData};
use cartwright_storage::PutProfile;
use chrono::TimeDelta;

use crate::{Kit, owner};

fn data(json: &str) -> ProfileData {
    json.parse().unwrap()
}

async fn put(kit: &Kit, name: &str, json: &str, expected: &[u64]) -> PutProfile {
    kit.store.put_profile(&owner(name), &data(json), expected, kit.clock.now()).await.unwrap()
}

/// Whatever is JSON, up to the limits; nothing is made by being read.
pub async fn a_profile_is_kept_exactly(kit: Kit) {
    let ana = owner("ana");
    assert_eq!(kit.store.profile(&ana).await.unwrap(), Profile::empty(ana.clone()));
    let full = format!("{{\"a\":\"{}\"}}", "☕".repeat((20_480 - 8) / 3));
    let odd = r#"{"":"\u0000\"\\","__proto__":{"x":1},"n":[18446744073709551615,0.1,[]]}"#;
    for (version, json) in (1..).zip(["{}", odd, &full, "{}"]) {
        kit.advance(TimeDelta::microseconds(1));
        let wanted =
            Profile { owner: ana.clone(), data: data(json), version, updated_at: Some(kit.clock.now()) };
        assert_eq!(wanted.data.as_str(), json);
        assert_eq!(put(&kit, "ana", json, &[]).await, PutProfile::Done(wanted.clone()));
        assert_eq!(kit.store.profile(&ana).await.unwrap(), wanted);
    }
    assert_eq!(kit.store.profile(&owner("bob")).await.unwrap().version, 0);
    assert!(kit.store.remove_profile(&ana).await.unwrap());
    assert!(!kit.store.remove_profile(&ana).await.unwrap());
    assert_eq!(kit.store.profile(&ana).await.unwrap(), Profile::empty(ana));
}

/// 0 is that of a profile that was never written.
pub async fn a_profile_is_changed_from_the_version_one_knows(kit: Kit) {
    let empty = Profile::empty(owner("ana"));
    assert_eq!(put(&kit, "ana", "{}", &[1, u64::MAX]).await, PutProfile::Conflict(empty.clone()));
    assert_eq!(kit.store.profile(&owner("ana")).await.unwrap(), empty, "nothing was made");
    let PutProfile::Done(first) = put(&kit, "ana", r#"{"a":1}"#, &[0]).await else { panic!() };
    assert_eq!(first.version, 1);
    for expected in [&[0][..], &[2], &[u64::MAX, 7]] {
        assert_eq!(put(&kit, "ana", "{}", expected).await, PutProfile::Conflict(first.clone()));
    }
    let PutProfile::Done(second) = put(&kit, "ana", "{}", &[0, 1]).await else { panic!() };
    assert_eq!(second.version, 2);
}

/// Made once, and changed as often as was answered.
pub async fn concurrent_profiles_all_count(kit: Kit) {
    let kit = std::sync::Arc::new(kit);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let kit = std::sync::Arc::clone(&kit);
        tasks.spawn(async move {
            let mut done = 0;
            while done < 10 {
                let read = kit.store.profile(&owner("ana")).await.unwrap();
                let n = read.data.to_value()["n"].as_u64().unwrap_or(0);
                assert_eq!(read.version, n);
                match put(&kit, "ana", &format!("{{\"n\":{}}}", n + 1), &[read.version]).await {
                    PutProfile::Done(profile) => {
                        assert_eq!(profile.version, n + 1);
                        done += 1;
                    }
                    PutProfile::Conflict(profile) => assert!(profile.version > n),
                }
            }
        });
    }
    for n in 0..6 {
        let kit = std::sync::Arc::clone(&kit);
        tasks.spawn(async move {
            assert!(matches!(put(&kit, "bob", &format!("{{\"n\":{n}}}"), &[]).await, PutProfile::Done(_)));
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(kit.store.profile(&owner("ana")).await.unwrap().version, 60);
    assert_eq!(kit.store.profile(&owner("bob")).await.unwrap().version, 6);
}
