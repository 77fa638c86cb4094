//! What workers and schedules rely on.

use std::collections::{HashMap, HashSet};

use cartwright_domain::Clock;
use cartwright_storage::{
    Beat, Claim, Enqueued, Finished, Heartbeat, JobOutcome, JobState, NewJob, Payload, Priority, Progress,
    Rate, TakenBack, Tick,
};
use chrono::TimeDelta;

use crate::{
    Kit,
    queue::{LEASE, about, job, name, unique},
};

/// Jobs are given out in the order in which they became due, once, and end as done.
pub async fn a_job_is_claimed_once_and_done(kit: Kit) {
    assert_eq!(kit.store.enqueue(&[], kit.clock.now()).await.unwrap(), []);
    let ids = kit.enqueue(&[job("a"), job("b"), job("c")]).await;
    assert!(ids.is_sorted());
    assert!(kit.claim_of("w", &["other"], 10).await.is_empty());
    assert!(kit.claim_of("w", &[], 10).await.is_empty());
    let first = kit.claim(2).await;
    assert_eq!(first.iter().map(about).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((first[0].attempt, first[0].max_attempts), (1, 5));
    assert_eq!((first[0].hold.id, first[0].run_at), (ids[0], kit.clock.now()));
    let second = kit.claim_of("v", &["q", "q"], 10).await;
    assert_eq!(second.iter().map(about).collect::<Vec<_>>(), ["c"]);
    assert!(kit.claim(10).await.is_empty());
    let running = kit.record(ids[2]).await;
    assert_eq!((running.state, running.worker.as_deref()), (JobState::Running, Some("v")));
    assert_eq!(running.lease_until, Some(kit.clock.now() + LEASE));
    kit.advance(TimeDelta::seconds(2));
    let all: Vec<Finished> = (first.iter().chain(&second))
        .map(|job| Finished { hold: job.hold, outcome: JobOutcome::Done })
        .collect();
    assert_eq!(kit.store.finish(&all, kit.clock.now()).await.unwrap(), [true; 3]);
    assert_eq!(kit.store.finish(&all, kit.clock.now()).await.unwrap(), [false; 3], "once");
    assert_eq!(kit.store.finish(&[], kit.clock.now()).await.unwrap(), [false; 0]);
    let done = kit.record(ids[0]).await;
    assert_eq!((done.state, done.finished_at), (JobState::Done, Some(kit.clock.now())));
    assert_eq!((done.worker.as_deref(), done.attempt), (Some("w"), 1));
    assert_eq!(done.started_at, Some(kit.clock.now() - TimeDelta::seconds(2)));
}

/// However many claim at the same time, nobody gets what another has, and all is given out.
pub async fn concurrent_claims_never_share_a_job(kit: Kit) {
    let jobs: Vec<NewJob> =
        (0..600).map(|n| NewJob { queue: name(["q", "r", "s"][n % 3]), ..job(&n.to_string()) }).collect();
    kit.enqueue(&jobs).await;
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let (store, now) = (kit.store.clone(), kit.clock.now());
        tasks.spawn(async move {
            let (worker, queues) = (name(&format!("w{worker}")), ["q", "r", "s"].map(name));
            let mut mine = Vec::new();
            let mut empty = 0;
            while empty < 20 {
                let claim = Claim { worker: &worker, queues: &queues, limit: 7, lease: LEASE };
                let claimed = store.claim(&claim, now).await.unwrap();
                assert!(claimed.len() <= 7);
                empty = if claimed.is_empty() { empty + 1 } else { 0 };
                mine.extend(claimed.into_iter().map(|job| job.hold.id));
            }
            mine
        });
    }
    let mut seen = HashSet::new();
    while let Some(mine) = tasks.join_next().await {
        for id in mine.unwrap() {
            assert!(seen.insert(id), "{id} was given twice");
        }
    }
    assert_eq!(seen.len(), 600);
}

/// Whatever text a payload, a key, an error or a note is made of comes back as it was, but for NUL in free text.
pub async fn jobs_are_kept_exactly(kit: Kit) {
    let text = "NUL \0, \u{1} ☕ '\"\\; DROP TABLE jobs; -- ? $1 \u{fffd} \r\n";
    let hostile = NewJob {
        payload: Payload::of(&[text, &"x".repeat(900_000)]).unwrap(),
        max_attempts: 3,
        ..unique("", "key '☕\" ? \n")
    };
    let id = kit.enqueue(std::slice::from_ref(&hostile)).await[0];
    let claimed = kit.claim_one().await;
    assert_eq!(claimed.payload, hostile.payload);
    assert_eq!(claimed.payload.read::<Vec<String>>().unwrap()[0], text);
    let progress = Progress { percent: 200, note: format!("{text}{}", "y".repeat(1000)) };
    let beat = Heartbeat {
        worker: &name("w"),
        queues: &[name("q")],
        concurrency: 1,
        lease: LEASE,
        jobs: &[(claimed.hold, Some(progress))],
    };
    assert_eq!(kit.store.heartbeat(&beat, kit.clock.now()).await.unwrap(), [Beat::Held]);
    let record = kit.record(id).await;
    assert_eq!((&record.payload, record.unique_key.as_deref()), (&hostile.payload, Some("key '☕\" ? \n")));
    let progress = record.progress.unwrap();
    assert_eq!((progress.percent, progress.note.chars().count()), (100, 200));
    assert!(progress.note.starts_with("NUL \u{fffd}, \u{1} ☕ '"), "{}", progress.note);
    kit.advance(TimeDelta::microseconds(7));
    assert!(kit.finish(claimed.hold, kit.failed(0, &text.repeat(200))).await);
    let (_, attempts) = kit.store.job(id).await.unwrap().unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].error.chars().count(), 1000);
    assert!(attempts[0].error.starts_with("NUL \u{fffd}, \u{1} ☕ '\"\\; DROP"), "{}", attempts[0].error);
    assert_eq!((attempts[0].attempt, attempts[0].worker.as_str()), (1, "w"));
    assert_eq!(attempts[0].ended_at, kit.clock.now());
    assert_eq!(attempts[0].started_at, kit.clock.now() - TimeDelta::microseconds(7));
}

/// A job waits for its time.
pub async fn scheduled_jobs_wait(kit: Kit) {
    let later = |seconds| Some(kit.clock.now() + TimeDelta::seconds(seconds));
    let ids = kit
        .enqueue(&[
            NewJob { run_at: later(10), ..job("b") },
            NewJob { run_at: later(5), ..job("a") },
            NewJob { run_at: later(-5), ..job("now") },
        ])
        .await;
    assert_eq!(kit.claim(9).await.iter().map(about).collect::<Vec<_>>(), ["now"]);
    kit.advance(TimeDelta::seconds(4));
    assert!(kit.claim(9).await.is_empty());
    kit.advance(TimeDelta::seconds(1));
    assert_eq!(kit.claim(9).await.iter().map(about).collect::<Vec<_>>(), ["a"]);
    assert_eq!(kit.state(ids[0]).await, JobState::Queued);
    kit.advance(TimeDelta::seconds(60));
    assert_eq!(kit.claim(9).await.iter().map(about).collect::<Vec<_>>(), ["b"]);
}

/// Of jobs that are due at the same time those of higher priority go first; who has waited long enough goes before them.
pub async fn priorities_starve_nobody(kit: Kit) {
    let prior = |about: &str, steps| NewJob { priority: Priority::new(steps), ..job(about) };
    kit.enqueue(&[prior("low", -10), prior("normal", 0), prior("high", 10)]).await;
    kit.advance(TimeDelta::minutes(5));
    kit.enqueue(&[prior("high, later", 10)]).await;
    let claimed = kit.claim(3).await;
    assert_eq!(claimed.iter().map(about).collect::<Vec<_>>(), ["high", "high, later", "normal"]);
    for n in 0..30 {
        kit.advance(TimeDelta::minutes(1));
        kit.enqueue(&[prior("new", 10)]).await;
        if about(&kit.claim_one().await) == "low" {
            assert_eq!(n, 14, "twenty steps are twenty minutes");
            return;
        }
    }
    panic!("it starved");
}

/// A retry waits for its time, keeps its priority, and counts.
pub async fn failures_are_tried_again_and_then_dead(kit: Kit) {
    let new = NewJob { max_attempts: 2, priority: Priority::HIGHEST, ..job("poison") };
    let id = kit.enqueue(&[new]).await[0];
    kit.enqueue(&[job("other")]).await;
    let first = kit.claim_one().await;
    assert!(kit.finish(first.hold, kit.failed(30, "first")).await);
    assert!(!kit.finish(first.hold, JobOutcome::Done).await, "it is not his any more");
    assert_eq!(about(&kit.claim_one().await), "other", "the queue goes on");
    assert!(kit.claim(9).await.is_empty());
    assert_eq!(kit.state(id).await, JobState::Queued);
    kit.advance(TimeDelta::seconds(30));
    kit.enqueue(&[job("newer")]).await;
    let second = kit.claim_one().await;
    assert_eq!((second.hold.id, second.attempt), (id, 2));
    assert!(second.hold.fence > first.hold.fence);
    assert!(kit.finish(second.hold, JobOutcome::Dead { error: "second".into() }).await);
    assert_eq!(kit.state(id).await, JobState::Dead);
    assert_eq!(about(&kit.claim_one().await), "newer");
    kit.advance(TimeDelta::days(1));
    assert!(kit.claim(9).await.is_empty());
    let (_, attempts) = kit.store.job(id).await.unwrap().unwrap();
    let seen: Vec<(u16, &str)> = attempts.iter().map(|a| (a.attempt, a.error.as_str())).collect();
    assert_eq!(seen, [(1, "first"), (2, "second")]);
}

/// A job that is given back was not tried; its next claim has another fence nevertheless.
pub async fn jobs_that_are_given_back_were_not_tried(kit: Kit) {
    let id = kit.enqueue(&[NewJob { max_attempts: 1, ..job("a") }]).await[0];
    let first = kit.claim_one().await;
    let at = kit.clock.now();
    assert!(kit.finish(first.hold, JobOutcome::Returned { at }).await);
    let second = kit.claim_one().await;
    assert_eq!((second.attempt, second.hold.id), (1, id));
    assert!(second.hold.fence > first.hold.fence);
    let later = JobOutcome::Returned { at: at + TimeDelta::seconds(9) };
    assert!(kit.finish(second.hold, later).await);
    assert!(kit.claim(1).await.is_empty());
    kit.advance(TimeDelta::seconds(9));
    kit.claim_one().await;
    assert!(kit.store.job(id).await.unwrap().unwrap().1.is_empty());
}

/// Who is not heard of loses his jobs, and can do nothing more to them.
pub async fn leases_end_and_fences_hold(kit: Kit) {
    let jobs = [NewJob { max_attempts: 2, ..job("a") }, NewJob { max_attempts: 1, ..job("b") }, job("c")];
    let ids = kit.enqueue(&jobs).await;
    let lost = kit.claim_of("dead", &["q"], 3).await;
    let beat = async |worker: &str, jobs: &[_]| {
        let (worker, queues) = (name(worker), [name("q")]);
        let beat = Heartbeat { worker: &worker, queues: &queues, concurrency: 4, lease: LEASE, jobs };
        kit.store.heartbeat(&beat, kit.clock.now()).await.unwrap()
    };
    kit.advance(TimeDelta::seconds(15));
    assert_eq!(beat("dead", &[(lost[2].hold, None)]).await, [Beat::Held]);
    assert_eq!(kit.store.take_back(kit.clock.now(), 10).await.unwrap(), TakenBack::default());
    kit.advance(TimeDelta::seconds(5));
    let taken = kit.store.take_back(kit.clock.now(), 10).await.unwrap();
    assert_eq!(taken, TakenBack { again: 1, dead: 1, cancelled: 0 });
    assert_eq!(kit.store.take_back(kit.clock.now(), 10).await.unwrap().total(), 0);
    assert_eq!(kit.state(ids[1]).await, JobState::Dead);
    assert_eq!(kit.state(ids[2]).await, JobState::Running, "it was heard of");
    let again = kit.claim_of("alive", &["q"], 9).await;
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].hold.id, again[0].attempt), (ids[0], 2));
    // The dead one comes back.
    let holds: Vec<_> = lost.iter().map(|job| (job.hold, Some(Progress::default()))).collect();
    assert_eq!(beat("dead", &holds).await, [Beat::Lost, Beat::Lost, Beat::Held]);
    for outcome in [JobOutcome::Done, kit.failed(0, "x"), JobOutcome::Cancelled] {
        assert!(!kit.finish(lost[0].hold, outcome.clone()).await);
        assert!(!kit.finish(lost[1].hold, outcome).await);
    }
    let mixed = [
        Finished { hold: lost[0].hold, outcome: JobOutcome::Done },
        Finished { hold: again[0].hold, outcome: JobOutcome::Done },
        Finished { hold: lost[2].hold, outcome: JobOutcome::Cancelled },
    ];
    assert_eq!(kit.store.finish(&mixed, kit.clock.now()).await.unwrap(), [false, true, true]);
    let (done, attempts) = kit.store.job(ids[0]).await.unwrap().unwrap();
    assert_eq!((done.state, done.attempt), (JobState::Done, 2));
    assert_eq!((attempts.len(), attempts[0].worker.as_str()), (1, "dead"));
    assert_eq!(kit.state(ids[2]).await, JobState::Cancelled);
}

/// Of a unique job there is one that is not finished, whoever makes it and whatever with it.
pub async fn unique_jobs_are_made_once(kit: Kit) {
    let now = kit.clock.now();
    let made = kit.store.enqueue(&[unique("a", "k"), job("b"), unique("c", "k")], now).await.unwrap();
    let [Enqueued::New(first), Enqueued::New(_), Enqueued::Existing(same)] = made[..] else {
        panic!("{made:?}")
    };
    assert_eq!(first, same);
    let again = [unique("d", "k"), unique("e", "other")];
    let made = kit.store.enqueue(&again, now).await.unwrap();
    assert!(matches!(made[..], [Enqueued::Existing(id), Enqueued::New(_)] if id == first), "{made:?}");
    let claimed = kit.claim_one().await;
    assert_eq!((claimed.hold.id, about(&claimed).as_str()), (first, "a"));
    let made = kit.store.enqueue(&[unique("f", "k")], now).await.unwrap();
    assert_eq!(made, [Enqueued::Existing(first)], "it runs");
    assert!(kit.finish(claimed.hold, JobOutcome::Done).await);
    let made = kit.store.enqueue(&[unique("g", "k")], now).await.unwrap();
    assert!(matches!(made[..], [Enqueued::New(id)] if id > first), "it is done: {made:?}");
}

/// A thousand at once make one.
pub async fn a_thousand_concurrent_enqueues_of_a_unique_job_make_one(kit: Kit) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..1000 {
        let (store, now) = (kit.store.clone(), kit.clock.now());
        tasks.spawn(async move {
            loop {
                match store.enqueue(&[unique(&n.to_string(), "k")], now).await {
                    Ok(made) => return made[0],
                    // No connection in time: a thousand wait for ten.
                    Err(cartwright_storage::StorageError::Unavailable(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    let made = tasks.join_all().await;
    let new: Vec<_> = made.iter().filter(|made| matches!(made, Enqueued::New(_))).collect();
    assert_eq!(new.len(), 1);
    assert_eq!(made.iter().map(|made| made.id()).collect::<HashSet<_>>().len(), 1);
    assert_eq!(kit.claim(1000).await.len(), 1);
}

/// Enqueues of several unique jobs, in whatever order, do not wait for each other in a circle.
pub async fn unique_jobs_cross_without_a_deadlock(kit: Kit) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (store, now) = (kit.store.clone(), kit.clock.now());
        tasks.spawn(async move {
            let mut jobs: Vec<NewJob> = (0..30).map(|k| unique("x", &format!("k{k}"))).collect();
            if n % 2 == 0 {
                jobs.reverse();
            }
            store.enqueue(&jobs, now).await.unwrap()
        });
    }
    let mut new: HashMap<_, u32> = HashMap::new();
    while let Some(made) = tasks.join_next().await {
        for made in made.unwrap() {
            *new.entry(made.id()).or_default() += u32::from(matches!(made, Enqueued::New(_)));
        }
    }
    assert_eq!((new.len(), new.values().all(|n| *n == 1)), (30, true), "{new:?}");
}

/// Each tick of a schedule is run by one of those who try, and never one from before.
pub async fn each_tick_runs_once(kit: Kit) {
    let start = kit.clock.now();
    let tick = move |n: i64| Tick {
        schedule: name("cron"),
        at: start + TimeDelta::minutes(n),
        job: Some(job(&n.to_string())),
    };
    assert_eq!(kit.store.last_ticks(&[&name("cron")]).await.unwrap(), [None]);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = kit.store.clone();
        tasks.spawn(async move {
            let mut won = 0;
            for n in 0..10 {
                won += u32::from(store.run_ticks(&[tick(n)], start).await.unwrap()[0]);
            }
            won
        });
    }
    let won: u32 = tasks.join_all().await.into_iter().sum();
    assert_eq!(kit.claim(100).await.len(), won as usize);
    assert!((1..=10).contains(&won), "{won}: who is behind runs nothing");
    assert_eq!(kit.store.run_ticks(&[tick(9)], start).await.unwrap(), [false]);
    let remember = Tick { job: None, schedule: name("second"), ..tick(3) };
    assert_eq!(kit.store.run_ticks(&[remember, tick(10)], start).await.unwrap(), [true, true]);
    let (cron, second) = (name("cron"), name("second"));
    assert_eq!(
        kit.store.last_ticks(&[&second, &name("none"), &cron]).await.unwrap(),
        [Some(tick(3).at), None, Some(tick(10).at)]
    );
    assert_eq!(kit.claim(100).await.len(), 1);
    assert_eq!(kit.store.run_ticks(&[], start).await.unwrap(), [false; 0]);
    // A tick whose job is still unfinished counts, and makes none.
    let slow = |n| Tick { job: Some(unique("slow", "slow")), ..tick(n) };
    assert_eq!(kit.store.run_ticks(&[slow(20)], start).await.unwrap(), [true]);
    assert_eq!(kit.store.run_ticks(&[slow(21)], start).await.unwrap(), [true]);
    assert_eq!(kit.claim(100).await.len(), 1);
}

/// Of a limited queue all workers together begin no more than its rate allows.
pub async fn a_rate_is_shared(kit: Kit) {
    let jobs: Vec<NewJob> = (0..100).map(|n| job(&n.to_string())).collect();
    kit.enqueue(&jobs).await;
    kit.enqueue(&[NewJob { queue: name("free"), ..job("free") }]).await;
    let (queue, rate) = (name("q"), Rate { per_second: 2.0, burst: 10 });
    kit.store.limit_queue(&queue, Some(rate), kit.clock.now()).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..4 {
        let (store, now) = (kit.store.clone(), kit.clock.now());
        tasks.spawn(async move {
            let (worker, queues) = (name(&format!("w{worker}")), [name("q"), name("free")]);
            let mut n = 0;
            for _ in 0..5 {
                let claim = Claim { worker: &worker, queues: &queues, limit: 4, lease: LEASE };
                n += store.claim(&claim, now).await.unwrap().len();
            }
            n
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), 11, "the bucket, and one that is free");
    kit.advance(TimeDelta::milliseconds(1499));
    assert_eq!(kit.claim(100).await.len(), 2);
    kit.advance(TimeDelta::milliseconds(1));
    assert_eq!(kit.claim(100).await.len(), 1, "half a token was left");
    kit.advance(TimeDelta::hours(1));
    assert_eq!(kit.claim(100).await.len(), 10, "no more than the bucket holds");
    kit.store.limit_queue(&queue, None, kit.clock.now()).await.unwrap();
    assert_eq!(kit.claim(100).await.len(), 77);
}

/// While there is always more to be claimed, a job that comes late and is to be done early is not left behind: one of a
/// high priority, one that was due long ago, one that was given back.
pub async fn what_comes_late_and_belongs_in_front_is_soon_claimed(kit: Kit) {
    let backlog: Vec<NewJob> = (0..400).map(|n| job(&n.to_string())).collect();
    kit.enqueue(&backlog).await;
    kit.advance(TimeDelta::minutes(2));
    let back = kit.claim(20).await[7].hold;
    kit.claim(20).await;
    let urgent = NewJob { priority: Priority::HIGHEST, ..job("urgent") };
    let old = NewJob { run_at: Some(kit.clock.now() - TimeDelta::days(1)), ..job("old") };
    let mut missing = kit.enqueue(&[urgent, old]).await;
    let long_ago = kit.clock.now() - TimeDelta::hours(1);
    assert!(kit.finish(back, JobOutcome::Returned { at: long_ago }).await);
    missing.push(back.id);
    let mut claimed = 0;
    while !missing.is_empty() {
        // New ones come all the time.
        kit.enqueue(&backlog[..5]).await;
        let jobs = kit.claim(5).await;
        claimed += jobs.len();
        missing.retain(|id| !jobs.iter().any(|job| job.hold.id == *id));
        assert!(claimed < 300, "{missing:?} are left behind");
    }
}
