//! Background jobs, as an operator's scripts see them.

use std::time::Duration;

use actix_web::http::Method;
use cartwright_domain::{Clock, SystemClock};
use cartwright_storage::{Claim, Finished, Heartbeat, JobName, JobOutcome, NewJob, Payload, UniqueKey};

use crate::kit::{Shop, request};

fn name(text: &str) -> JobName {
    JobName::new(text).unwrap()
}

fn job(kind: &str) -> NewJob {
    NewJob::new(name("mail"), name(kind), Payload::from_json(r#"{"to": "ana"}"#.to_owned()).unwrap())
}

async fn put(shop: &Shop, jobs: &[NewJob]) -> Vec<String> {
    let made = shop.store.enqueue(jobs, SystemClock.now()).await.unwrap();
    made.into_iter().map(|made| made.id().to_string()).collect()
}

/// Has the next jobs claimed, and ended like this.
async fn end(shop: &Shop, outcomes: &[JobOutcome]) {
    let queues = [name("mail")];
    let lease = Duration::from_secs(60);
    let limit = u32::try_from(outcomes.len()).unwrap();
    let claim = Claim { worker: &name("w"), queues: &queues, limit, lease };
    let claimed = shop.store.claim(&claim, SystemClock.now()).await.unwrap();
    let finished: Vec<Finished> = (claimed.iter().zip(outcomes))
        .map(|(job, outcome)| Finished { hold: job.hold, outcome: outcome.clone() })
        .collect();
    assert_eq!(shop.store.finish(&finished, SystemClock.now()).await.unwrap().len(), outcomes.len());
}

fn dead() -> JobOutcome {
    JobOutcome::Dead { error: "nobody at home".to_owned() }
}

async fn post(shop: &Shop, uri: &str) -> crate::kit::Answer {
    shop.send(request(Method::POST, uri)).await
}

#[actix_web::test]
async fn jobs_are_listed_and_shown() {
    let shop = Shop::open();
    assert_eq!(shop.get("/api/v1/jobs").await.body, r#"{"items":[],"next_cursor":null}"#);
    let ids = put(&shop, &[job("a"), job("b"), job("a"), job("b"), job("a")]).await;
    end(&shop, &[JobOutcome::Done, dead()]).await;
    let mut seen = Vec::new();
    let mut uri = "/api/v1/jobs?limit=2".to_owned();
    loop {
        let page = shop.get(&uri).await;
        assert_eq!((page.status.as_u16(), page.header("cache-control")), (200, "no-store"));
        let page = page.json();
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        uri = format!("/api/v1/jobs?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ids.iter().rev().cloned().collect::<Vec<_>>());
    let count = async |filter: &str| {
        shop.get(&format!("/api/v1/jobs?{filter}")).await.json()["items"].as_array().unwrap().len()
    };
    for (filter, n) in [
        ("state=queued", 3),
        ("state=done", 1),
        ("kind=a", 3),
        ("queue=other", 0),
        ("state=queued&kind=a", 2),
    ] {
        assert_eq!(count(filter).await, n, "{filter}");
    }
    let shown = shop.get(&format!("/api/v1/jobs/{}", ids[1])).await.json();
    assert_eq!((shown["state"].as_str(), shown["payload"]["to"].as_str()), (Some("dead"), Some("ana")));
    assert_eq!(shown["attempts"][0]["error"], "nobody at home");
    assert_eq!((shown["worker"].as_str(), shown["attempt"].as_u64()), (Some("w"), Some(1)));
    shop.get("/api/v1/jobs/999999").await.problem(404, "job_not_found");
    shop.get("/api/v1/jobs/none").await.points_to("/path/job_id", "not_an_integer");
    shop.get("/api/v1/jobs?state=lost").await.points_to("/query/state", "unknown");
    shop.get("/api/v1/jobs?queue=a%20b").await.points_to("/query/queue", "invalid_name");
    shop.get("/api/v1/jobs?cursor=x").await.points_to("/query/cursor", "invalid_cursor");
}

#[actix_web::test]
async fn jobs_are_cancelled_retried_and_purged() {
    let shop = Shop::open();
    let key = UniqueKey::new("k").unwrap();
    let ids = put(&shop, &[NewJob { unique_key: Some(key.clone()), ..job("a") }, job("b")]).await;
    end(&shop, &[dead(), dead()]).await;
    let [first, second] = &ids[..] else { panic!("{ids:?}") };
    post(&shop, &format!("/api/v1/jobs/{first}/cancel")).await.problem(409, "job_ended");
    let other = put(&shop, &[NewJob { unique_key: Some(key), ..job("a") }]).await.remove(0);
    let refused = post(&shop, &format!("/api/v1/jobs/{first}/retry")).await.problem(409, "job_duplicate");
    assert!(refused["detail"].as_str().unwrap().contains(&other), "{refused}");
    post(&shop, &format!("/api/v1/jobs/{other}/retry")).await.problem(409, "job_not_dead");
    let cancelled = post(&shop, &format!("/api/v1/jobs/{other}/cancel")).await;
    assert_eq!(cancelled.json()["outcome"], "cancelled");
    let retried = post(&shop, &format!("/api/v1/jobs/{first}/retry")).await;
    assert_eq!((retried.status.as_u16(), retried.json()["outcome"].as_str()), (200, Some("queued")));
    let queues = [name("mail")];
    let claim = Claim { worker: &name("w"), queues: &queues, limit: 1, lease: Duration::from_secs(60) };
    assert_eq!(shop.store.claim(&claim, SystemClock.now()).await.unwrap().len(), 1);
    let told = post(&shop, &format!("/api/v1/jobs/{first}/cancel")).await;
    assert_eq!(told.json()["outcome"], "requested");
    assert_eq!(shop.get(&format!("/api/v1/jobs/{first}")).await.json()["cancel_requested"], true);
    for action in ["cancel", "retry"] {
        post(&shop, &format!("/api/v1/jobs/999999/{action}")).await.problem(404, "job_not_found");
    }
    shop.delete("/api/v1/jobs").await.points_to("/query/state", "missing");
    shop.delete("/api/v1/jobs?state=done").await.points_to("/query/state", "unknown");
    assert_eq!(shop.delete("/api/v1/jobs?state=dead&queue=other").await.json()["removed"], 0);
    assert_eq!(shop.delete("/api/v1/jobs?state=dead&queue=mail").await.json()["removed"], 1);
    shop.get(&format!("/api/v1/jobs/{second}")).await.problem(404, "job_not_found");
}

#[actix_web::test]
async fn queues_are_shown_and_paused_and_workers_are_listed() {
    let shop = Shop::open();
    put(&shop, &[job("a"), job("b")]).await;
    let paused = post(&shop, "/api/v1/jobs/queues/mail/pause").await;
    assert_eq!(paused.body, r#"{"queue":"mail","paused":true}"#);
    end(&shop, &[]).await;
    let queues = shop.get("/api/v1/jobs/queues").await.json();
    let mail = &queues["items"][0];
    assert_eq!((mail["queue"].as_str(), mail["paused"].as_bool()), (Some("mail"), Some(true)));
    assert_eq!((mail["queued"].as_u64(), mail["dead"].as_u64()), (Some(2), Some(0)));
    assert!(mail["oldest_due_seconds"].as_f64().unwrap() >= 0.0);
    let resumed = post(&shop, "/api/v1/jobs/queues/mail/resume").await;
    assert_eq!(resumed.json()["paused"], false);
    post(&shop, "/api/v1/jobs/queues/a%20b/pause").await.points_to("/path/queue", "invalid_name");
    assert_eq!(shop.get("/api/v1/jobs/workers").await.body, r#"{"items":[]}"#);
    let queues = [name("mail")];
    let beat = Heartbeat {
        worker: &name("w"),
        queues: &queues,
        concurrency: 3,
        lease: Duration::from_secs(60),
        jobs: &[],
    };
    shop.store.heartbeat(&beat, SystemClock.now()).await.unwrap();
    let workers = shop.get("/api/v1/jobs/workers").await.json();
    let worker = &workers["items"][0];
    assert_eq!((worker["worker"].as_str(), worker["alive"].as_bool()), (Some("w"), Some(true)));
    assert_eq!((worker["queues"][0].as_str(), worker["concurrency"].as_u64()), (Some("mail"), Some(3)));
}
