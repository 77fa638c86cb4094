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

#[actix_web::test]
async fn queues_are_limited() {
    let shop = Shop::open();
    let uri = "/api/v1/jobs/queues/mail/rate";
    let put = async |body: &str| shop.json(Method::PUT, uri, body).await;
    let set = put(r#"{"per_second": 2.5}"#).await;
    assert_eq!(set.body, r#"{"queue":"mail","rate_per_second":2.5,"burst":3}"#);
    let set = put(r#"{"per_second": 0.1, "burst": null}"#).await.json();
    assert_eq!((set["rate_per_second"].as_f64(), set["burst"].as_u64()), (Some(0.1), Some(1)));
    put(r#"{"per_second": 50, "burst": 100}"#).await;
    let queues = shop.get("/api/v1/jobs/queues").await.json();
    let mail = &queues["items"][0];
    assert_eq!((mail["rate_per_second"].as_f64(), mail["burst"].as_u64()), (Some(50.0), Some(100)));
    for (body, pointer, code) in [
        ("{}", "/per_second", "missing"),
        (r#"{"per_second": null}"#, "/per_second", "not_a_number"),
        (r#"{"per_second": "5"}"#, "/per_second", "not_a_number"),
        (r#"{"per_second": 0}"#, "/per_second", "out_of_range"),
        (r#"{"per_second": -1}"#, "/per_second", "out_of_range"),
        (r#"{"per_second": 1000001}"#, "/per_second", "out_of_range"),
        (r#"{"per_second": 1e999}"#, "/per_second", "not_a_number"),
        (r#"{"per_second": 5, "burst": 0}"#, "/burst", "out_of_range"),
        (r#"{"per_second": 5, "burst": 99999999999999999999}"#, "/burst", "out_of_range"),
        (r#"{"per_second": 5, "burst": 1.5}"#, "/burst", "not_an_integer"),
        (r#"{"per_second": 5, "rate": 1}"#, "/rate", "unknown_field"),
        ("[]", "", "not_an_object"),
    ] {
        put(body).await.points_to(pointer, code);
    }
    put("{").await.problem(400, "malformed_json");
    shop.json(Method::PUT, "/api/v1/jobs/queues/a%20b/rate", r#"{"per_second": 5}"#)
        .await
        .points_to("/path/queue", "invalid_name");
    let queues = shop.get("/api/v1/jobs/queues").await.json();
    assert_eq!(queues["items"][0]["rate_per_second"], 50.0, "what was refused changed nothing");
    let gone = shop.delete(uri).await;
    assert_eq!(gone.body, r#"{"queue":"mail","rate_per_second":null,"burst":null}"#);
    assert!(shop.get("/api/v1/jobs/queues").await.json()["items"][0]["rate_per_second"].is_null());
}

#[actix_web::test]
async fn all_dead_letters_are_retried_and_failures_are_shown() {
    let shop = Shop::open();
    let nothing = shop.get("/api/v1/jobs/failures").await;
    assert_eq!(nothing.body, r#"{"items":[]}"#);
    let ids = put(&shop, &[job("a"), job("b"), job("c")]).await;
    let later =
        JobOutcome::Retry { at: SystemClock.now() + chrono::TimeDelta::hours(1), error: "<b>".into() };
    end(&shop, &[dead(), dead(), later]).await;
    let failures = shop.get("/api/v1/jobs/failures?queue=mail").await.json();
    let failures = failures["items"].as_array().unwrap();
    assert_eq!(failures.len(), 3);
    let last = failures.iter().find(|job| job["id"] == ids[2].as_str()).unwrap();
    assert_eq!((last["state"].as_str(), last["error"].as_str()), (Some("queued"), Some("<b>")));
    assert!(last["failed_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(shop.get("/api/v1/jobs/failures?limit=1").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(shop.get("/api/v1/jobs/failures?queue=other").await.body, r#"{"items":[]}"#);
    shop.get("/api/v1/jobs/failures?limit=0").await.points_to("/query/limit", "out_of_range");
    shop.get("/api/v1/jobs/failures?queue=a%20b").await.points_to("/query/queue", "invalid_name");

    post(&shop, "/api/v1/jobs/retry").await.points_to("/query/state", "missing");
    post(&shop, "/api/v1/jobs/retry?state=queued").await.points_to("/query/state", "unknown");
    let none = post(&shop, "/api/v1/jobs/retry?state=dead&queue=other").await;
    assert_eq!(none.body, r#"{"retried":0,"duplicates":0}"#);
    let retried = post(&shop, "/api/v1/jobs/retry?state=dead&queue=mail").await;
    assert_eq!(retried.body, r#"{"retried":2,"duplicates":0}"#);
    assert_eq!(shop.get("/api/v1/jobs/failures").await.json()["items"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn the_overview_adds_up() {
    let shop = Shop::open();
    let stage = crate::stage::Stage(std::sync::Arc::clone(&shop.store));
    let empty = shop.get("/api/v1/jobs/overview").await.json();
    assert_eq!(
        (empty["queues"].as_array().unwrap().len(), empty["slots"].as_array().unwrap().len()),
        (0, 60)
    );
    assert!(empty["totals"]["wait_seconds"].is_null());
    stage.set().await;
    // Whoever changes something sees it at once; others do within a second.
    post(&shop, "/api/v1/jobs/queues/orders/pause").await;
    let overview = shop.get("/api/v1/jobs/overview").await.json();
    let names: Vec<&str> =
        overview["queues"].as_array().unwrap().iter().map(|queue| queue["queue"].as_str().unwrap()).collect();
    assert_eq!(names, ["exports", "mail", "maintenance", "orders", "webhooks"]);
    let totals = &overview["totals"];
    for (total, wanted) in [("due", 19), ("scheduled", 15), ("running", 4), ("dead", 3), ("workers", 2)] {
        assert_eq!(totals[total], wanted, "{total}: {totals}");
    }
    assert!(totals["done_per_second"].as_f64().unwrap() > 10.0, "{totals}");
    assert!(totals["run_seconds"]["p95"].as_f64().unwrap() > totals["run_seconds"]["p50"].as_f64().unwrap());
    let orders = &overview["queues"][3];
    assert_eq!((orders["paused"].as_bool(), orders["workers"].as_u64()), (Some(true), Some(1)));
    assert_eq!(orders["done"].as_array().unwrap().len(), 60);
    let worker = &overview["workers"][0];
    assert_eq!((worker["alive"].as_bool(), worker["jobs"].as_array().unwrap().len()), (Some(true), 3));
    assert_eq!(overview["failing"].as_array().unwrap().len(), 5);
    let at = overview["at"].clone();
    assert_eq!(shop.get("/api/v1/jobs/overview").await.json()["at"], at, "it is good for a second");
}

/// Operators only; and not by way of a page of somebody else's.
#[actix_web::test]
async fn jobs_are_no_business_of_shoppers_and_of_other_sites() {
    let shop = Shop::open();
    let of_jobs =
        cartwright_http::addresses().into_iter().filter(|(path, _)| path.starts_with("/api/v1/jobs"));
    let mut checked = 0;
    for (path, allow) in of_jobs {
        let uri = path.replace("{job_id}", "1").replace("{queue}", "mail");
        for method in allow.split(", ") {
            let method: Method = method.parse().unwrap();
            let ask = |name: &'static str, value: &'static str| {
                request(method.clone(), &uri).insert_header((name, value))
            };
            let refused = shop.send(ask("x-user-id", "ana")).await;
            assert_eq!(refused.status, 403, "{method} {path}: {refused:?}");
            if method != Method::HEAD {
                refused.problem(403, "operators_only");
                shop.send(ask("x-user-id", "no id")).await.points_to("/header/X-User-ID", "invalid_id");
            }
            let elsewhere = shop.send(ask("sec-fetch-site", "cross-site")).await;
            if matches!(method, Method::GET | Method::HEAD) {
                assert_ne!(elsewhere.status, 403, "{method} {path}");
            } else {
                elsewhere.problem(403, "cross_site");
                assert_ne!(
                    shop.send(ask("sec-fetch-site", "same-origin")).await.status,
                    403,
                    "{method} {path}"
                );
            }
            checked += 1;
        }
    }
    assert!(checked >= 20, "{checked}");
    let origins = vec!["https://desk.example".to_owned()];
    let shop = Shop::with(cartwright_http::HttpSettings { cors_origins: origins, ..Default::default() });
    let from = |origin: &'static str| {
        let pause = request(Method::POST, "/api/v1/jobs/queues/mail/pause");
        pause.insert_header(("sec-fetch-site", "cross-site")).insert_header(("origin", origin))
    };
    assert_eq!(shop.send(from("https://desk.example")).await.status, 200);
    shop.send(from("https://other.example")).await.problem(403, "cross_site");
}

#[actix_web::test]
async fn the_page_brings_all_it_needs() {
    let shop = Shop::open();
    let page = shop.get("/jobs").await;
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    let mut files = 0;
    for part in page.body.split(['"', '\'']).filter(|part| part.starts_with("/jobs/")) {
        assert_eq!(shop.get(part).await.status, 200, "{part}");
        files += 1;
    }
    assert_eq!(files, 3);
    let mut todo = vec!["main.js".to_owned()];
    let mut seen: Vec<String> = Vec::new();
    while let Some(file) = todo.pop().filter(|_| seen.len() < 50) {
        let script = shop.get(&format!("/jobs/{file}")).await;
        assert_eq!(
            (script.status.as_u16(), script.header("x-content-type-options")),
            (200, "nosniff"),
            "{file}"
        );
        assert!(script.header("content-type").starts_with("text/javascript"), "{file}");
        for forbidden in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write", "https://"]
        {
            assert!(!script.body.contains(forbidden), "{file} has {forbidden}");
        }
        let imports = script.body.lines().filter(|line| line.starts_with("import "));
        let names = imports.map(|line| line.split("\"./").nth(1).unwrap().trim_end_matches("\";").to_owned());
        todo.extend(names.filter(|name| !seen.contains(name)));
        seen.push(file);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 8, "{seen:?}");
    shop.get("/jobs/../Cargo.toml").await.problem(404, "not_found");
    shop.get("/jobs/none.js").await.problem(404, "not_found");
    let packed = request(Method::GET, "/jobs").insert_header(("accept-encoding", "gzip"));
    assert_eq!(shop.send(packed).await.header("content-encoding"), "gzip");
}
