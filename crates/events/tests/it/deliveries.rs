//! Webhooks, from the event to a real receiver.

use std::sync::Arc;

use cartwright_domain::{Clock, SystemClock};
use cartwright_events::{EventService, EventsError, TargetDraft};
use cartwright_storage::{EventTypes, JobState, ShopStore, TargetChange, TargetId};
use cartwright_testkit::eventually;
use cartwright_webhooks::{Policy, Secret, Secrets, Signature};

use crate::{
    kit::{Database, PATIENCE, open_policy, start, tell, worker},
    receiver::Receiver,
};

async fn target(events: &EventService, url: String) -> (TargetId, Secret) {
    let draft = TargetDraft { url, types: EventTypes::ALL, description: String::new(), enabled: true };
    let made = events.add_target(draft).await.unwrap();
    (made.target.id, made.secret.expose().parse().unwrap())
}

async fn in_state(events: &EventService, id: TargetId, state: JobState) -> usize {
    events.deliveries(id, Some(state), None, 100).await.unwrap().jobs.len()
}

async fn last(store: &Arc<dyn ShopStore>) -> u64 {
    store.event_figures(SystemClock.now()).await.unwrap().last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_fails_twice_gets_it_the_third_time() {
    for database in Database::all().await {
        let store = database.open().await;
        let events = start(&store, open_policy(), None);
        let worker = worker(&store, &events);
        let receiver = Receiver::start(&["500 Oops", "503 Later\r\nRetry-After: 0"]).await;
        let (id, secret) = target(&events, receiver.url()).await;
        tell(&store, "tea", 1).await;
        eventually(PATIENCE, async || receiver.received().len() == 3).await;
        eventually(PATIENCE, async || in_state(&events, id, JobState::Done).await == 1).await;
        let received = receiver.received();
        let expected = store
            .events(&cartwright_storage::EventQuery {
                after: 0,
                types: EventTypes::ALL,
                owner: None,
                limit: 1,
            })
            .await
            .unwrap();
        for received in &received {
            assert_eq!(received.header("webhook-id"), "evt_1", "it is the same each time");
            assert_eq!(received.body, expected.events[0].document());
            let (secrets, now) = (Secrets::only(secret.clone()), SystemClock.now());
            let verdict =
                received.signed().verify(&secrets, received.body.as_bytes(), now, Signature::TOLERANCE);
            assert_eq!(verdict, Ok(()));
        }
        let noted = events.target(id).await.unwrap().last.unwrap();
        assert_eq!((noted.event, noted.status, noted.error), (1, Some(200), None));
        let job = &events.deliveries(id, None, None, 10).await.unwrap().jobs[0];
        assert_eq!(job.attempt, 3);
        worker.shutdown().await;
        events.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_no_more_is_told_no_more() {
    for database in Database::all().await {
        let store = database.open().await;
        let events = start(&store, open_policy(), None);
        let receiver = Receiver::start(&["410 Gone"]).await;
        let (id, _) = target(&events, receiver.url()).await;
        tell(&store, "tea", 1).await;
        let worker = worker(&store, &events);
        eventually(PATIENCE, async || in_state(&events, id, JobState::Dead).await == 1).await;
        let gone = events.target(id).await.unwrap();
        assert!(!gone.enabled && gone.disabled_because.unwrap().contains("410"));
        tell(&store, "tea", 2).await;
        eventually(PATIENCE, async || last(&store).await == 3).await;
        assert!(matches!(events.replay(id, 0, None).await, Err(EventsError::Disabled)));
        assert_eq!(receiver.events(), [1]);

        // He has changed his mind, and wants what he missed.
        let enable = TargetChange { enabled: Some(true), ..TargetChange::default() };
        assert!(events.change_target(id, &enable).await.unwrap().enabled);
        events.replay(id, 1, None).await.unwrap();
        eventually(PATIENCE, async || receiver.events() == [1, 2, 3]).await;
        worker.shutdown().await;
        events.shutdown().await;
    }
}

/// The old URL says that it wants no more when the target has a new one already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_old_url_says_is_not_held_against_the_new_one() {
    for database in Database::all().await {
        let store = database.open().await;
        let events = start(&store, open_policy(), None);
        let (old, new) = (Receiver::hesitant(&["410 Gone"]).await, Receiver::start(&[]).await);
        let (id, _) = target(&events, old.url()).await;
        tell(&store, "tea", 1).await;
        let worker = worker(&store, &events);
        eventually(PATIENCE, async || old.received().len() == 1).await;
        let moved = TargetChange { url: Some(new.url()), ..TargetChange::default() };
        events.change_target(id, &moved).await.unwrap();
        old.answer();
        eventually(PATIENCE, async || in_state(&events, id, JobState::Dead).await == 1).await;
        let kept = events.target(id).await.unwrap();
        assert_eq!((kept.enabled, kept.disabled_because), (true, None));
        tell(&store, "tea", 1).await;
        eventually(PATIENCE, async || new.events() == [2]).await;
        worker.shutdown().await;
        events.shutdown().await;
    }
}

/// Deliveries to whom there is not any more end without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_to_nobody_end_quietly() {
    for database in Database::all().await {
        let store = database.open().await;
        let events = start(&store, open_policy(), None);
        let receiver = Receiver::start(&[]).await;
        let (kept, _) = target(&events, receiver.url()).await;
        let (removed, _) = target(&events, receiver.url()).await;
        let (disabled, _) = target(&events, receiver.url()).await;
        tell(&store, "tea", 1).await;
        eventually(PATIENCE, async || in_state(&events, kept, JobState::Queued).await == 1).await;
        let disable = TargetChange { enabled: Some(false), ..TargetChange::default() };
        events.change_target(disabled, &disable).await.unwrap();
        events.remove_target(removed).await.unwrap();
        let worker = worker(&store, &events);
        eventually(PATIENCE, async || in_state(&events, disabled, JobState::Done).await == 1).await;
        eventually(PATIENCE, async || in_state(&events, kept, JobState::Done).await == 1).await;
        assert_eq!(receiver.events(), [1], "once, for the one that is left");
        worker.shutdown().await;
        events.shutdown().await;
    }
}

/// In portions, between two numbers, of the types that the target wants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_replayed_between_two_numbers() {
    for database in Database::all().await {
        let store = database.open().await;
        let events = start(&store, open_policy(), None);
        for _ in 0..30 {
            tell(&store, "tea", 40).await;
        }
        eventually(PATIENCE, async || last(&store).await == 1_200).await;
        let receiver = Receiver::start(&[]).await;
        let (id, _) = target(&events, receiver.url()).await;
        let worker = worker(&store, &events);
        events.replay(id, 17, Some(1_130)).await.unwrap();
        eventually(PATIENCE, async || receiver.received().len() >= 1_113).await;
        assert_eq!(receiver.events(), (18..=1_130).collect::<Vec<_>>(), "once each");
        assert!(matches!(events.replay(id, 1_201, None).await, Err(EventsError::Ahead { last: 1_200 })));
        worker.shutdown().await;
        events.shutdown().await;
    }
}

/// What was allowed when the target was made, and is not any more, is not sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_delivery_is_judged_by_the_policy_of_its_time() {
    for database in Database::all().await {
        let store = database.open().await;
        let careless = start(&store, open_policy(), None);
        let receiver = Receiver::start(&["302 Found\r\nLocation: http://127.0.0.1:1/"]).await;
        let (id, _) = target(&careless, receiver.url()).await;
        let tried = careless.try_target(id).await.unwrap();
        assert_eq!(tried.status, Some(302));
        assert!(tried.error.unwrap().contains("redirects are not followed"));
        assert_eq!(careless.try_target(id).await.unwrap().error, None);
        careless.shutdown().await;

        let careful = start(&store, Policy::default(), None);
        let worker = worker(&store, &careful);
        tell(&store, "tea", 1).await;
        eventually(PATIENCE, async || in_state(&careful, id, JobState::Dead).await == 1).await;
        let refused = careful.try_target(id).await.unwrap();
        assert!(refused.status.is_none() && refused.error.unwrap().contains("may not be sent"));
        let why = careful.target(id).await.unwrap().last.unwrap().error.unwrap();
        assert!(why.contains("may not be sent"), "{why}");
        assert_eq!(receiver.received().len(), 2, "the two tests");
        worker.shutdown().await;
        careful.shutdown().await;
    }
}

/// Whoever did not get the answer asks again: that cuts off nobody, neither who has the first secret nor who has got the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_rotated_twice_is_good_for_as_long_as_was_said() {
    for database in Database::all().await {
        let store = database.open().await;
        let events = start(&store, open_policy(), None);
        let receiver = Receiver::start(&[]).await;
        let (id, first) = target(&events, receiver.url()).await;
        let mut secrets = vec![first];
        for _ in 0..2 {
            secrets.push(events.rotate_secret(id).await.unwrap().secret.expose().parse().unwrap());
        }
        assert_eq!(events.try_target(id).await.unwrap().status, Some(200));
        let received = receiver.received().remove(0);
        for (n, secret) in secrets.into_iter().enumerate() {
            let (secrets, now) = (Secrets::only(secret), SystemClock.now());
            let verdict =
                received.signed().verify(&secrets, received.body.as_bytes(), now, Signature::TOLERANCE);
            assert_eq!(verdict, Ok(()), "the secret after {n} rotations");
        }
        // At once by many, as far as there is room for eight more: none is lost, and no more are taken.
        let rotations = (0..12).map(|_| events.rotate_secret(id));
        let rotated = futures_util::future::join_all(rotations).await;
        assert_eq!(rotated.iter().filter(|rotated| rotated.is_ok()).count(), 8);
        let kept = events.target(id).await.unwrap();
        assert_eq!(kept.previous.len(), 10);
        let mut known: Vec<&str> = kept.previous.iter().map(|(secret, _)| secret.expose()).collect();
        known.push(kept.secret.expose());
        assert!(rotated.iter().flatten().all(|made| known.contains(&made.secret.expose())));
        let refused = rotated.into_iter().find_map(Result::err).unwrap();
        let first = kept.previous.last().unwrap().1;
        assert!(matches!(refused, EventsError::TooManySecrets { until } if until == first), "{refused:?}");
        events.shutdown().await;
    }
}

/// For a while messages are signed with both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_secret_is_rotated_either_is_good() {
    for database in Database::all().await {
        let store = database.open().await;
        let events = start(&store, open_policy(), None);
        let receiver = Receiver::start(&[]).await;
        let (id, old) = target(&events, receiver.url()).await;
        let new: Secret = events.rotate_secret(id).await.unwrap().secret.expose().parse().unwrap();
        assert_eq!(events.try_target(id).await.unwrap().status, Some(200));
        let received = receiver.received().remove(0);
        for secret in [old, new] {
            let (secrets, now) = (Secrets::only(secret), SystemClock.now());
            let verdict =
                received.signed().verify(&secrets, received.body.as_bytes(), now, Signature::TOLERANCE);
            assert_eq!(verdict, Ok(()));
        }
        assert!(received.body.contains(r#""type":"webhook.test""#), "{}", received.body);
        events.shutdown().await;
    }
}
