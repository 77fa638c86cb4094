//! What people do with jobs.

use cartwright_domain::Clock;
use cartwright_storage::{
    AttemptEnd, Beat, Cancelling, Counted, Heartbeat, JobCount, JobFilter, JobId, JobOutcome, JobState,
    NewJob, Rate, Retried, TakenBack,
};
use chrono::TimeDelta;

use crate::{
    Kit,
    queue::{LEASE, about, job, name, unique},
};

/// What waits is cancelled, what runs is asked to stop, what has ended stays as it is.
pub async fn jobs_are_cancelled(kit: Kit) {
    let later = kit.clock.now() + TimeDelta::hours(1);
    let jobs = [job("runs"), job("waits"), NewJob { run_at: Some(later), ..unique("later", "k") }];
    let ids = kit.enqueue(&jobs).await;
    let running = kit.claim_one().await;
    let cancel = async |id| kit.store.cancel_job(id, kit.clock.now()).await.unwrap();
    assert_eq!(cancel(JobId(i64::MAX)).await, Cancelling::Unknown);
    for id in [ids[1], ids[2]] {
        assert_eq!(cancel(id).await, Cancelling::Cancelled);
        assert_eq!(cancel(id).await, Cancelling::Ended);
        assert_eq!(kit.state(id).await, JobState::Cancelled);
    }
    kit.enqueue(&[NewJob { run_at: Some(later), ..unique("again", "k") }]).await;
    let worker = name("w");
    assert!(kit.store.to_cancel(&worker).await.unwrap().is_empty());
    assert_eq!(cancel(ids[0]).await, Cancelling::Requested);
    assert_eq!(cancel(ids[0]).await, Cancelling::Requested);
    assert!(kit.record(ids[0]).await.cancel_requested);
    assert_eq!(kit.store.to_cancel(&worker).await.unwrap(), [running.hold]);
    assert!(kit.store.to_cancel(&name("other")).await.unwrap().is_empty());
    let beat = Heartbeat {
        worker: &worker,
        queues: &[name("q")],
        concurrency: 1,
        lease: LEASE,
        jobs: &[(running.hold, None)],
    };
    assert_eq!(kit.store.heartbeat(&beat, kit.clock.now()).await.unwrap(), [Beat::Cancel]);
    assert!(kit.finish(running.hold, JobOutcome::Cancelled).await);
    assert_eq!(kit.state(ids[0]).await, JobState::Cancelled);
    assert_eq!(cancel(ids[0]).await, Cancelling::Ended);
    assert!(kit.claim(9).await.is_empty());
}

/// A wish to cancel outlives the worker, and a failure that it did not hear of.
pub async fn a_wish_to_cancel_is_not_lost(kit: Kit) {
    let ids = kit.enqueue(&[job("fails"), job("lost"), job("done"), job("given back")]).await;
    let claimed = kit.claim(4).await;
    for id in &ids {
        assert_eq!(kit.store.cancel_job(*id, kit.clock.now()).await.unwrap(), Cancelling::Requested);
    }
    assert!(kit.finish(claimed[0].hold, kit.failed(0, "x")).await);
    assert!(kit.finish(claimed[2].hold, JobOutcome::Done).await);
    assert!(kit.finish(claimed[3].hold, JobOutcome::Returned { at: kit.clock.now() }).await);
    kit.advance(TimeDelta::seconds(20));
    let taken = kit.store.take_back(kit.clock.now(), 9).await.unwrap();
    assert_eq!(taken, TakenBack { cancelled: 1, ..TakenBack::default() });
    let states = [JobState::Cancelled, JobState::Cancelled, JobState::Done, JobState::Cancelled];
    for (id, state) in ids.into_iter().zip(states) {
        assert_eq!(kit.state(id).await, state);
    }
    assert!(kit.claim(9).await.is_empty());
}

async fn dead(kit: &Kit, new: NewJob) -> JobId {
    let id = kit.enqueue(&[new]).await[0];
    let claimed = kit.claim_of("w", &["q", "r"], 1).await.remove(0);
    assert_eq!(claimed.hold.id, id);
    assert!(kit.finish(claimed.hold, JobOutcome::Dead { error: "x".into() }).await);
    id
}

/// Dead letters are tried again, with all of their attempts before them, or removed.
pub async fn dead_letters_are_retried_and_purged(kit: Kit) {
    let retry = async |id| kit.store.retry_job(id, kit.clock.now()).await.unwrap();
    let id = dead(&kit, NewJob { max_attempts: 1, ..unique("a", "k") }).await;
    assert_eq!(kit.store.cancel_job(id, kit.clock.now()).await.unwrap(), Cancelling::Ended);
    let other = kit.enqueue(&[unique("b", "k")]).await[0];
    assert_eq!(retry(id).await, Retried::Duplicate(other));
    assert_eq!(retry(other).await, Retried::NotDead);
    assert_eq!(retry(JobId(i64::MAX)).await, Retried::Unknown);
    let claimed = kit.claim_one().await;
    assert!(kit.finish(claimed.hold, JobOutcome::Done).await);
    assert_eq!(retry(other).await, Retried::NotDead);
    kit.advance(TimeDelta::hours(1));
    assert_eq!(retry(id).await, Retried::Queued);
    assert_eq!(retry(id).await, Retried::NotDead);
    let again = kit.claim_one().await;
    assert_eq!((again.hold.id, again.attempt, about(&again).as_str()), (id, 1, "a"));
    assert!(kit.finish(again.hold, JobOutcome::Dead { error: "y".into() }).await);
    let errors: Vec<String> =
        kit.store.job(id).await.unwrap().unwrap().1.into_iter().map(|attempt| attempt.error).collect();
    assert_eq!(errors, ["x", "y"]);

    let r = dead(&kit, NewJob { queue: name("r"), ..job("r") }).await;
    for n in 0..3 {
        dead(&kit, job(&n.to_string())).await;
    }
    kit.enqueue(&[job("waits")]).await;
    assert_eq!(kit.store.purge_dead(Some(&name("q")), 3).await.unwrap(), 3);
    assert_eq!(kit.store.purge_dead(Some(&name("q")), 3).await.unwrap(), 1);
    assert_eq!(kit.state(r).await, JobState::Dead);
    assert_eq!(kit.store.purge_dead(None, 9).await.unwrap(), 1);
    assert!(kit.store.job(r).await.unwrap().is_none());
    assert_eq!(kit.claim(9).await.len(), 1);
}

/// Pages, latest first, of whatever is asked for.
pub async fn jobs_are_listed_by_pages(kit: Kit) {
    let of =
        |n: usize| NewJob { queue: name(["q", "r"][n % 2]), kind: name(["k", "l"][n / 2 % 2]), ..job("x") };
    let mut ids = kit.enqueue(&(0..20).map(of).collect::<Vec<_>>()).await;
    let claimed = kit.claim_of("w", &["q", "r"], 10).await;
    let ended = |n| match n {
        0..3 => Some(JobOutcome::Done),
        3..5 => Some(JobOutcome::Cancelled),
        5..8 => Some(JobOutcome::Dead { error: "x".into() }),
        _ => None,
    };
    for (n, job) in claimed.iter().enumerate() {
        if let Some(outcome) = ended(n) {
            assert!(kit.finish(job.hold, outcome).await);
        }
    }
    ids.reverse();
    let list = async |filter: JobFilter| -> Vec<JobId> {
        let mut all: Vec<JobId> = Vec::new();
        loop {
            let page = JobFilter { before: all.last().copied(), limit: 3, ..filter.clone() };
            let page = kit.store.list_jobs(&page).await.unwrap();
            assert!(page.len() <= 3);
            for record in &page {
                assert!(filter.state.is_none_or(|state| record.state == state));
                assert!(filter.queue.as_ref().is_none_or(|queue| record.queue == *queue));
                assert!(filter.kind.as_ref().is_none_or(|kind| record.kind == *kind));
            }
            all.extend(page.iter().map(|record| record.id));
            if page.is_empty() {
                return all;
            }
        }
    };
    assert_eq!(list(JobFilter::default()).await, ids);
    let mut by_state = Vec::new();
    for (state, n) in JobState::ALL.into_iter().zip([10, 2, 3, 3, 2]) {
        let found = list(JobFilter { state: Some(state), ..JobFilter::default() }).await;
        assert!(found.is_sorted_by(|a, b| a > b));
        assert_eq!(found.len(), n, "{state}");
        by_state.extend(found);
    }
    by_state.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(by_state, ids);
    let queue = Some(name("r"));
    assert_eq!(list(JobFilter { queue: queue.clone(), ..JobFilter::default() }).await.len(), 10);
    let kind = Some(name("l"));
    let filter = JobFilter { queue, kind, state: Some(JobState::Queued), ..JobFilter::default() };
    assert_eq!(list(filter).await.len(), 3);
}

/// A paused queue is left alone, whatever else is worked on.
pub async fn queues_are_paused(kit: Kit) {
    kit.enqueue(&[job("a"), NewJob { queue: name("r"), ..job("b") }]).await;
    kit.store.pause_queue(&name("q"), true).await.unwrap();
    kit.store.pause_queue(&name("q"), true).await.unwrap();
    let claimed = kit.claim_of("w", &["q", "r"], 9).await;
    assert_eq!(claimed.iter().map(about).collect::<Vec<_>>(), ["b"]);
    assert!(kit.claim(9).await.is_empty());
    kit.store.pause_queue(&name("q"), false).await.unwrap();
    assert_eq!(about(&kit.claim_one().await), "a");
}

/// Figures say what there is.
pub async fn queues_are_counted(kit: Kit) {
    assert_eq!(kit.store.queue_figures(kit.clock.now()).await.unwrap(), []);
    let rate = Rate { per_second: 0.5, burst: 3 };
    kit.store.limit_queue(&name("set"), Some(rate), kit.clock.now()).await.unwrap();
    kit.store.pause_queue(&name("set"), true).await.unwrap();
    let later = Some(kit.clock.now() + TimeDelta::hours(1));
    kit.enqueue(&[job("1"), job("2"), job("3"), job("4"), NewJob { run_at: later, ..job("5") }]).await;
    kit.enqueue(&[NewJob { queue: name("r"), ..job("6") }]).await;
    kit.advance(TimeDelta::seconds(4));
    let claimed = kit.claim(3).await;
    kit.advance(TimeDelta::seconds(2));
    assert!(kit.finish(claimed[0].hold, JobOutcome::Done).await);
    assert!(kit.finish(claimed[1].hold, JobOutcome::Dead { error: "x".into() }).await);
    let figures = kit.store.queue_figures(kit.clock.now()).await.unwrap();
    let names: Vec<&str> = figures.iter().map(|figures| figures.queue.as_str()).collect();
    assert_eq!(names, ["q", "r", "set"]);
    let q = &figures[0];
    assert_eq!((q.queued, q.due, q.running, q.dead, q.done_last_minute), (2, 1, 1, 1, 1));
    let seconds = |span: Option<std::time::Duration>| span.unwrap().as_secs_f64().round();
    assert_eq!((seconds(q.oldest_due), seconds(q.mean_run), seconds(q.mean_wait)), (6.0, 2.0, 4.0));
    assert_eq!((figures[1].due, figures[1].mean_run), (1, None));
    assert_eq!((figures[2].paused, figures[2].rate), (true, Some(rate)));
    kit.advance(TimeDelta::minutes(61));
    let figures = kit.store.queue_figures(kit.clock.now()).await.unwrap();
    assert_eq!((figures[0].due, figures[0].done_last_minute), (2, 0), "its time has come");
}

/// Workers are known while they are heard of, and until they are forgotten.
pub async fn workers_are_known(kit: Kit) {
    let beat = async |worker: &str, queues: &[&str]| {
        let queues: Vec<_> = queues.iter().map(|queue| name(queue)).collect();
        let worker = name(worker);
        let beat = Heartbeat { worker: &worker, queues: &queues, concurrency: 4, lease: LEASE, jobs: &[] };
        assert_eq!(kit.store.heartbeat(&beat, kit.clock.now()).await.unwrap(), []);
    };
    let start = kit.clock.now();
    beat("a", &["r", "q"]).await;
    beat("b", &["q"]).await;
    kit.enqueue(&[job("1"), job("2")]).await;
    assert_eq!(kit.claim_of("a", &["q"], 9).await.len(), 2);
    kit.advance(TimeDelta::seconds(5));
    beat("a", &["q", "r"]).await;
    let workers = kit.store.workers().await.unwrap();
    let [a, b] = &workers[..] else { panic!("{workers:?}") };
    assert_eq!((a.worker.as_str(), a.concurrency, a.running), ("a", 4, 2));
    assert_eq!(a.queues, ["q", "r"]);
    assert_eq!((a.started_at, a.seen_at), (start, kit.clock.now()));
    assert_eq!((b.running, b.seen_at, b.alive_until), (0, start, start + LEASE));
    kit.store.forget_workers(None, kit.clock.now()).await.unwrap();
    assert_eq!(kit.store.workers().await.unwrap().len(), 1, "b was not heard of");
    kit.store.forget_workers(Some(&name("a")), start).await.unwrap();
    assert!(kit.store.workers().await.unwrap().is_empty());
}

/// What is finished is removed after a while, oldest first; nothing else is.
pub async fn finished_jobs_are_cleaned(kit: Kit) {
    let ids = kit.enqueue(&[job("1"), job("2"), job("3"), job("dead"), job("waits")]).await;
    for n in 0..4 {
        let claimed = kit.claim_one().await;
        let end = if n < 3 { JobOutcome::Done } else { JobOutcome::Dead { error: "x".into() } };
        assert!(kit.finish(claimed.hold, end).await);
        kit.advance(TimeDelta::seconds(1));
    }
    assert_eq!(kit.store.clean_finished(kit.clock.now() - TimeDelta::seconds(2), 1).await.unwrap(), 1);
    assert!(kit.store.job(ids[0]).await.unwrap().is_none());
    assert_eq!(kit.store.clean_finished(kit.clock.now() - TimeDelta::seconds(2), 9).await.unwrap(), 1);
    assert_eq!(kit.state(ids[2]).await, JobState::Done);
    kit.advance(TimeDelta::days(9));
    assert_eq!(kit.store.clean_finished(kit.clock.now(), 9).await.unwrap(), 1);
    assert_eq!((kit.state(ids[3]).await, kit.state(ids[4]).await), (JobState::Dead, JobState::Queued));
}

/// What fails is found, latest failure first, until it is done or somebody has it tried anew.
pub async fn failing_jobs_are_found(kit: Kit) {
    assert!(kit.store.failing_jobs(None, 9).await.unwrap().is_empty());
    let r = NewJob { queue: name("r"), ..job("4") };
    let ids = kit.enqueue(&[job("1"), job("2"), job("3"), r, job("5")]).await;
    let claimed = kit.claim_of("w", &["q", "r"], 5).await;
    let hostile = "<b>\u{202e}\"\n\0".repeat(2_000);
    let outcomes = [
        kit.failed(0, "once"),
        JobOutcome::Dead { error: hostile },
        JobOutcome::Done,
        kit.failed(3600, "later"),
        JobOutcome::Returned { at: kit.clock.now() },
    ];
    let outcome = |id: JobId| outcomes[ids.iter().position(|known| *known == id).unwrap()].clone();
    for job in &claimed {
        kit.advance(TimeDelta::seconds(1));
        assert!(kit.finish(job.hold, outcome(job.hold.id)).await);
    }
    let failing = async |queue: Option<&str>, limit| -> Vec<(JobId, String)> {
        let found = kit.store.failing_jobs(queue.map(name).as_ref(), limit).await.unwrap();
        assert!(found.is_sorted_by(|a, b| a.1.ended_at >= b.1.ended_at));
        found.into_iter().map(|(job, attempt)| (job.id, attempt.error)).collect()
    };
    let found = failing(None, 9).await;
    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[3], ids[1], ids[0]]);
    assert_eq!((found[0].1.as_str(), found[2].1.as_str()), ("later", "once"));
    assert!(found[1].1.starts_with("<b>\u{202e}\"\n"), "{}", found[1].1);
    assert_eq!(failing(None, 1).await.len(), 1);
    assert_eq!(failing(Some("r"), 9).await, [(ids[3], "later".to_owned())]);
    // The same one again.
    let again = kit.claim_one().await;
    assert_eq!(again.hold.id, ids[0]);
    kit.advance(TimeDelta::seconds(1));
    assert!(kit.finish(again.hold, kit.failed(3600, "twice")).await);
    assert_eq!(failing(None, 1).await, [(ids[0], "twice".to_owned())]);
    assert_eq!(kit.store.retry_job(ids[1], kit.clock.now()).await.unwrap(), Retried::Queued);
    assert_eq!(failing(None, 9).await.len(), 2, "it is tried anew");
    // Its worker is heard of no more.
    let lost = kit.claim(9).await;
    kit.advance(TimeDelta::minutes(1));
    assert_eq!(kit.store.take_back(kit.clock.now(), 9).await.unwrap().again, lost.len() as u64);
    assert_eq!(failing(None, 1).await[0].1, cartwright_storage::LEASE_LOST);
}

/// All dead letters of a queue are tried again, in portions; of those with one key one.
pub async fn all_dead_letters_are_retried(kit: Kit) {
    let mut ids = Vec::new();
    for n in 0..7 {
        ids.push(dead(&kit, job(&n.to_string())).await);
    }
    for n in 0..2 {
        ids.push(dead(&kit, unique(&n.to_string(), "two")).await);
    }
    ids.push(dead(&kit, unique("taken", "taken")).await);
    let r = dead(&kit, NewJob { queue: name("r"), ..job("r") }).await;
    let waits = kit.enqueue(&[unique("waits", "taken")]).await[0];
    let (mut after, mut retried, mut duplicates, mut portions) = (JobId(0), 0, 0, 0);
    loop {
        let done = kit.store.retry_dead(Some(&name("q")), after, 3, kit.clock.now()).await.unwrap();
        (retried, duplicates) = (retried + done.retried, duplicates + done.duplicates);
        let Some(last) = done.last else { break };
        assert!(last > after);
        (after, portions) = (last, portions + 1);
    }
    assert_eq!((retried, duplicates, portions), (8, 2, 4));
    assert_eq!((kit.state(r).await, kit.state(waits).await), (JobState::Dead, JobState::Queued));
    for (n, id) in ids.iter().enumerate() {
        let record = kit.record(*id).await;
        let state = if n < 8 { JobState::Queued } else { JobState::Dead };
        assert_eq!((record.state, record.attempt), (state, if n < 8 { 0 } else { 1 }), "{n}");
    }
    let done = kit.store.retry_dead(None, JobId(0), 99, kit.clock.now()).await.unwrap();
    assert_eq!((done.retried, done.duplicates, done.last), (1, 2, Some(r)));
    assert_eq!(kit.claim_of("w", &["q", "r"], 99).await.len(), 10);
}

/// What workers count is added up, and forgotten after a while.
pub async fn counts_are_added_up(kit: Kit) {
    let slot = cartwright_storage::slot_of(kit.clock.now());
    let count = |seconds, queue: &str, what, n| JobCount {
        slot: slot + TimeDelta::seconds(seconds),
        queue: name(queue),
        what,
        n,
    };
    let done = Counted::Ended(AttemptEnd::Done);
    let old = slot - TimeDelta::hours(1);
    kit.store.add_counts(&[], old).await.unwrap();
    let all = [
        count(0, "q", done, 3),
        count(0, "q", Counted::Took(9), 2),
        count(0, "r", done, 1),
        count(10, "q", done, 5),
    ];
    // Many at once, in other orders.
    let reversed: Vec<JobCount> = all.iter().rev().cloned().collect();
    let add = async |counts: &[JobCount]| kit.store.add_counts(counts, old).await.unwrap();
    tokio::join!(add(&all), add(&reversed), add(&all[1..]), add(&reversed[1..]));
    let counted = async |since| {
        let mut found = kit.store.counts_since(since).await.unwrap();
        found.sort_by_key(|count| (count.slot, count.queue.clone(), count.what));
        found
    };
    let all = [
        count(0, "q", done, 9),
        count(0, "q", Counted::Took(9), 8),
        count(0, "r", done, 4),
        count(10, "q", done, 15),
    ];
    assert_eq!(counted(slot).await, all);
    assert_eq!(counted(slot + TimeDelta::seconds(10)).await, all[3..]);
    kit.store.add_counts(&[], slot + TimeDelta::seconds(10)).await.unwrap();
    assert_eq!(counted(old).await, all[3..], "forgotten");
}
