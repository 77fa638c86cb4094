//! The page at `/jobs`, in a real browser, with a real worker behind it.
//!
//! With `CARTWRIGHT_SCREENSHOTS` set to a folder, pictures of it are put there.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{HttpServer, dev::ServerHandle};
use cartwright_http::{Access, AppState, create_app};
use cartwright_jobs::{Job, JobContext, JobFailure, Policy, Registry, Worker, WorkerSettings};
use cartwright_storage::{JobId, JobState};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    devtools::Page,
    kit::Shop,
    stage::{Stage, name},
    tokens::Mint,
};

/// Markup that would run, marks that turn text around, and more than anybody reads.
fn hostile() -> String {
    let tricks =
        "<script>window.hacked = 1</script><img src=x onerror=\"window.hacked = 1\">\u{202e}\u{2066}\u{0007}";
    format!("{tricks}{}", "long ".repeat(20_000))
}

#[derive(Serialize, Deserialize)]
struct Mail {
    to: String,
}

impl Job for Mail {
    const KIND: &'static str = "mail.send";
    const QUEUE: &'static str = "mail";

    fn policy() -> Policy {
        Policy { max_attempts: 1, ..Policy::default() }
    }
}

/// Goes on until it is told to stop.
#[derive(Serialize, Deserialize)]
struct Endless {}

impl Job for Endless {
    const KIND: &'static str = "endless";
    const QUEUE: &'static str = "endless";
}

/// A server on a port of its own.
struct Served {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Served {
    fn start(state: AppState, address: SocketAddr) -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || create_app(state.clone()));
                let server = server.workers(1).disable_signals().shutdown_timeout(1).bind(address).unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                tell.send(Self { address, handle: server.handle() }).unwrap();
                server.await.unwrap();
            });
        });
        told.recv().unwrap()
    }

    fn url(&self, query: &str) -> String {
        format!("http://{}/jobs{query}", self.address)
    }
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A worker to whom nobody can be written as long as the post is closed.
fn worker(shop: &Shop, closed: &Arc<AtomicBool>) -> Worker {
    let closed = Arc::clone(closed);
    let send = move |mail: Mail, _: JobContext| {
        let closed = closed.load(Ordering::Relaxed);
        async move {
            if closed { Err(JobFailure::fatal(format!("the post is closed: {}", mail.to))) } else { Ok(()) }
        }
    };
    let endless = async |_: Endless, context: JobContext| {
        context.progress(40, hostile());
        context.stopped().await;
        Err::<(), JobFailure>("stopped".into())
    };
    let registry = Registry::new().on(send).unwrap().on(endless).unwrap();
    let settings = WorkerSettings { poll: Duration::from_millis(50), ..WorkerSettings::default() };
    Worker::builder(shop.state.jobs.clone(), registry).settings(settings).start()
}

async fn reaches(shop: &Shop, id: JobId, state: JobState) {
    cartwright_testkit::eventually(Duration::from_secs(20), async || {
        let (job, _) = shop.store.job(id).await.unwrap().unwrap();
        job.state == state
    })
    .await;
}

async fn dead_mail(shop: &Shop, to: &str) -> JobId {
    let id = shop.state.jobs.enqueue(&Mail { to: to.to_owned() }).await.unwrap().id();
    reaches(shop, id, JobState::Dead).await;
    id
}

async fn assert_no_complaints(page: &mut Page) {
    let complaints = page.complaints().await;
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// Nothing is wider than the window.
async fn assert_fits(page: &mut Page, width: u32, what: &str) {
    let wide = page.value("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth, ...[...document.querySelectorAll('dialog[open]')].map((dialog) => dialog.scrollWidth))").await;
    let cut = format!(
        "[...document.querySelectorAll('main *, .top *, dialog[open] *')].filter((it) => it.checkVisibility() \
        && !it.closest('pre, svg') && it.getBoundingClientRect().right > {width} + 1) \
        .slice(0, 4).map((it) => it.outerHTML.slice(0, 150))"
    );
    assert_eq!(page.value(&cut).await, json!([]), "{what}");
    let widest = page.value("[...document.querySelectorAll('*')].sort((a, b) => b.getBoundingClientRect().right - a.getBoundingClientRect().right) \
        .slice(0, 3).map((it) => `${it.getBoundingClientRect().right} ${it.outerHTML.slice(0, 150)}`)").await;
    assert!(wide.as_u64().unwrap() <= u64::from(width), "{what}: {wide} of {width}: {widest}");
}

#[actix_web::test]
async fn a_dead_job_is_found_by_keyboard_retried_and_seen_done() {
    let shop = Shop::open();
    let served = Served::start(shop.state.clone(), anywhere());
    let mut page = Page::open().await;
    page.go(&served.url("")).await;
    page.until("document.body.innerText.includes('No queue has jobs')").await;
    page.until("document.body.innerText.includes('No worker has been heard of')").await;
    page.until("document.body.innerText.includes('Nothing fails')").await;

    let closed = Arc::new(AtomicBool::new(true));
    let worker = worker(&shop, &closed);
    let id = dead_mail(&shop, "ana").await;
    page.until(&format!("!!document.querySelector('#failing [data-act=job][data-id=\"{id}\"]')")).await;
    page.tab_to(&format!("it.closest('#failing') && it.dataset.act === 'job' && it.dataset.id === '{id}'"))
        .await;
    let outline = page.value("getComputedStyle(document.activeElement).outlineStyle").await;
    assert_eq!(outline, "solid", "the focus is seen");
    page.press("Enter").await;
    page.until(&format!("document.querySelector('#job').open && document.querySelector('#job-title').textContent === 'Job {id}'")).await;
    page.until("document.querySelector('#job-body pre')?.textContent.includes('\"ana\"')").await;
    assert_eq!(page.value("document.querySelector('#job').contains(document.activeElement)").await, true);
    assert!(page.value("location.search").await.as_str().unwrap().contains(&format!("job={id}")));
    page.press("Escape").await;
    page.until("!document.querySelector('#job').open && document.activeElement.dataset.act === 'job'").await;

    page.press("Enter").await;
    page.until("!!document.querySelector('#job-body [data-act=retry]')").await;
    page.tab_to("it.closest('#job-body') && it.dataset.act === 'retry'").await;
    closed.store(false, Ordering::Relaxed);
    page.press("Enter").await;
    page.until("document.querySelector('#job-body .state')?.textContent === 'Done'").await;
    page.until("document.querySelector('#toast').textContent.includes('waits for its next attempt')").await;
    reaches(&shop, id, JobState::Done).await;
    assert_eq!(
        page.value("document.querySelector('#job').contains(document.activeElement)").await,
        true,
        "not lost"
    );
    page.press("Escape").await;
    page.until("document.querySelector('#failing-body').innerText.includes('Nothing fails')").await;
    assert_no_complaints(&mut page).await;

    // Tab goes through the whole page and out of it.
    page.value("document.activeElement.blur()").await;
    page.tab_to("it.classList.contains('skip')").await;
    page.tab_to("it.closest('#jobs')").await;
    page.tab_to("it.classList.contains('skip')").await;
    worker.shutdown().await;
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn queues_are_paused_limited_and_cleared_by_keyboard() {
    let shop = Shop::open();
    let served = Served::start(shop.state.clone(), anywhere());
    let closed = Arc::new(AtomicBool::new(true));
    let worker = worker(&shop, &closed);
    for to in ["ana", "bob", "eva"] {
        dead_mail(&shop, to).await;
    }
    let mut page = Page::open().await;
    page.go(&served.url("?queue=mail")).await;
    let figures = async || {
        let all = shop.store.queue_figures(shop.state.jobs.clock().now()).await.unwrap();
        all.into_iter().find(|figures| figures.queue == name("mail")).unwrap()
    };
    page.until("!!document.querySelector('[data-act=pause][data-queue=mail]')").await;
    page.tab_to("it.dataset.act === 'pause' && it.dataset.queue === 'mail'").await;
    page.press("Enter").await;
    page.until("!!document.querySelector('[data-act=resume][data-queue=mail]')").await;
    assert!(figures().await.paused);
    // It is the same button, and still has the focus.
    assert_eq!(page.value("document.activeElement.dataset.act").await, "resume");
    page.press(" ").await;
    page.until("document.activeElement.dataset.act === 'pause'").await;
    assert!(!figures().await.paused);

    page.press("Shift+Tab").await;
    assert_eq!(page.value("document.activeElement.dataset.act").await, "rate");
    page.press("Enter").await;
    page.until("document.querySelector('#rate').open && document.activeElement.id === 'rate-per-second'")
        .await;
    page.type_text("0").await;
    page.press("Enter").await;
    page.until("document.querySelector('#rate-wrong').textContent.includes('above 0')").await;
    page.value("document.querySelector('#rate-per-second').select()").await;
    page.type_text("2.5").await;
    page.press("Enter").await;
    page.until("document.querySelector('[data-act=rate][data-queue=mail]').textContent === '2.5/s'").await;
    let rate = figures().await.rate.unwrap();
    assert_eq!((rate.per_second, rate.burst), (2.5, 3));

    // Dead letters are not deleted before somebody has said so.
    page.tab_to("it.closest('#states') && it.textContent.startsWith('Dead')").await;
    page.press("Enter").await;
    page.until("!!document.querySelector('[data-act=purge]')").await;
    for (keys, left) in [(&["Enter"][..], 3), (&["Escape"], 3), (&["Tab", "Enter"], 0)] {
        page.tab_to("it.dataset.act === 'purge'").await;
        page.press("Enter").await;
        page.until("document.querySelector('#ask').open").await;
        assert!(
            page.value("document.querySelector('#ask').innerText")
                .await
                .as_str()
                .unwrap()
                .contains("Delete 3 dead letters of mail?")
        );
        assert_eq!(page.value("document.activeElement.id").await, "ask-no", "what harms nobody comes first");
        for key in keys {
            page.press(key).await;
        }
        page.until("!document.querySelector('#ask').open").await;
        if left == 0 {
            page.until("document.querySelector('#toast').textContent.includes('3 dead letters are deleted')")
                .await;
        }
        assert_eq!(figures().await.dead, left, "{keys:?}");
    }
    page.until("document.querySelector('#jobs-body').innerText.includes('No dead letters')").await;

    // All at once.
    page.value("document.querySelector('[data-act=rate][data-queue=mail]').click()").await;
    page.value("document.querySelector('#rate-none').click()").await;
    page.until("document.querySelector('[data-act=rate][data-queue=mail]').textContent === 'None'").await;
    dead_mail(&shop, "ana").await;
    dead_mail(&shop, "bob").await;
    closed.store(false, Ordering::Relaxed);
    page.until("!!document.querySelector('[data-act=retry-all]')").await;
    page.value("document.querySelector('[data-act=retry-all]').click()").await;
    page.value("document.querySelector('#ask-yes').click()").await;
    page.until("document.querySelector('#toast').textContent.includes('2 jobs wait again')").await;
    cartwright_testkit::eventually(Duration::from_secs(20), async || figures().await.done_last_minute == 2)
        .await;

    // What runs is cancelled, when somebody has said so.
    let endless = shop.state.jobs.enqueue(&Endless {}).await.unwrap().id();
    page.go(&served.url(&format!("?job={endless}"))).await;
    page.until("document.querySelector('#job-body progress')?.value === 40").await;
    page.tab_to("it.closest('#job-body') && it.dataset.act === 'cancel'").await;
    page.press("Enter").await;
    page.until("document.querySelector('#ask').open").await;
    page.press("Tab").await;
    page.press("Enter").await;
    page.until("document.querySelector('#job-body .state')?.textContent === 'Cancelled'").await;
    reaches(&shop, endless, JobState::Cancelled).await;
    assert_no_complaints(&mut page).await;
    worker.shutdown().await;
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn hostile_text_is_shown_and_a_lost_connection_comes_back() {
    let shop = Shop::open();
    let served = Served::start(shop.state.clone(), anywhere());
    let worker = worker(&shop, &Arc::new(AtomicBool::new(true)));
    let id = dead_mail(&shop, &hostile()).await;
    let endless = shop.state.jobs.enqueue(&Endless {}).await.unwrap().id();
    let mut page = Page::open().await;
    for query in [format!("?job={id}"), format!("?job={endless}")] {
        page.go(&served.url(&query)).await;
        page.until("document.querySelector('#job-body')?.innerText.includes('<script>window.hacked')").await;
        page.until("document.querySelector('#failing-body').textContent.includes('<img src=x onerror=')")
            .await;
        for (expression, wanted) in [
            ("typeof window.hacked", json!("undefined")),
            (
                "document.querySelectorAll('main script, main img, dialog script, dialog img, [onerror]').length",
                json!(0),
            ),
            ("document.querySelector('#job-body').textContent.includes('\\u202e')", json!(false)),
            (
                "[...document.querySelectorAll('#job-body .hidden-char')].some((it) => it.textContent === '\\\\u202e')",
                json!(true),
            ),
        ] {
            assert_eq!(page.value(expression).await, wanted, "{expression}");
        }
        for (width, phone) in [(1280, false), (360, true)] {
            page.size(width, 800, 1.0, phone).await;
            assert_fits(&mut page, width, &format!("{query} at {width}")).await;
        }
    }
    assert_no_complaints(&mut page).await;

    let Served { address, handle } = served;
    page.go(&format!("http://{address}/jobs?state=dead")).await;
    page.until("document.querySelector('#link-text').textContent === 'Connected'").await;
    handle.stop(false).await;
    page.until("!document.querySelector('#lost').hidden && document.querySelector('#lost').textContent.includes('cannot be reached')").await;
    page.until("document.querySelector('#jobs-body').innerText.includes('mail.send')").await;
    let again = Served::start(shop.state.clone(), address);
    page.until("document.querySelector('#lost').hidden && document.querySelector('#link-text').textContent === 'Connected'").await;
    page.until("document.querySelector('#toast').textContent === 'Connected again.'").await;

    // What the API refuses is said in its own words.
    page.complaints().await;
    page.go(&again.url("?job=999999&queue=no%20name")).await;
    page.until("document.querySelector('#lost').textContent.includes('/query/queue')").await;
    page.go(&again.url("?job=999999")).await;
    page.until("document.querySelector('#job-body').innerText.includes('There is no job with this id')")
        .await;
    worker.shutdown().await;
    again.handle.stop(false).await;
}

/// Where pictures are wanted, if they are.
fn pictures() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("CARTWRIGHT_SCREENSHOTS")?);
    std::fs::create_dir_all(&folder).unwrap();
    Some(folder)
}

async fn keep(page: &mut Page, picture: &str) {
    if let Some(folder) = pictures() {
        std::fs::write(folder.join(format!("{picture}.png")), page.picture().await).unwrap();
    }
}

/// On a desk and on a phone, by day and by night.
#[actix_web::test]
async fn it_fits_every_window() {
    let shop = Shop::open();
    let stage = Stage(Arc::clone(&shop.store));
    stage.set().await;
    let served = Served::start(shop.state.clone(), anywhere());
    let mut page = Page::open().await;
    let dead = shop.get("/api/v1/jobs?state=dead&queue=webhooks").await.json();
    let dead = dead["items"][0]["id"].as_str().unwrap().to_owned();
    for (width, height, scale, phone) in
        [(1440, 1180, 1.0, false), (1024, 800, 1.0, false), (768, 900, 1.0, false), (360, 740, 2.0, true)]
    {
        page.size(width, height, scale, phone).await;
        for scheme in if matches!(width, 1440 | 360) { &["light", "dark"][..] } else { &["light"] } {
            page.scheme(scheme).await;
            for (view, query) in [
                ("overview", String::new()),
                ("dead", "?state=dead#jobs".to_owned()),
                ("job", format!("?job={dead}")),
            ] {
                page.go(&served.url(&query)).await;
                page.until("document.querySelector('main').ariaBusy === 'false' && document.querySelectorAll('#queues-body tbody tr').length === 5").await;
                if view == "job" {
                    page.until("document.querySelector('#job-body pre')?.textContent.includes('partner')")
                        .await;
                } else {
                    page.until("document.querySelectorAll('#jobs-body tbody tr').length >= 3").await;
                }
                assert_fits(&mut page, width, &format!("{view} at {width}")).await;
                keep(&mut page, &format!("jobs-{view}-{scheme}-{width}")).await;
            }
        }
    }
    assert_no_complaints(&mut page).await;
    served.handle.stop(false).await;
}

/// Where callers have tokens, the page asks for one, and keeps it as long as the tab is open.
#[actix_web::test]
async fn an_operator_says_who_he_is_with_a_token() {
    let mint = Mint::new();
    let shop = Shop::with_access(Access::Tokens(mint.verifier().await));
    let served = Served::start(shop.state.clone(), anywhere());
    let mut page = Page::open().await;
    let asked = "document.querySelector('#sign-in').open";
    let connected = "document.querySelector('#link-text').textContent === 'Connected'";
    page.go(&served.url("")).await;
    page.until(asked).await;
    assert_eq!(page.value("document.activeElement.id").await, "token");
    assert_eq!(page.value("document.activeElement.type").await, "password");
    // Whoever does not want to is not asked again and again, but may.
    page.press("Escape").await;
    page.until(&format!(
        "!{asked} && document.querySelector('#lost').textContent.includes('Say who you are')"
    ))
    .await;
    page.tab_to("it.dataset.act === 'sign-in'").await;
    page.press("Enter").await;

    for bad in ["a.b.c", &format!("{}x", mint.token("olga", "admin"))] {
        page.until(asked).await;
        page.type_text(bad).await;
        page.press("Enter").await;
        page.until("document.querySelector('#lost').textContent.includes('The token is not good here')")
            .await;
    }
    page.until(asked).await;
    page.type_text("clé").await;
    page.press("Enter").await;
    assert_eq!(page.value(asked).await, true, "that cannot be sent");
    page.value("document.querySelector('#token').value = ''").await;
    // Ana is somebody, but no operator.
    page.type_text(&mint.token("ana", "")).await;
    page.press("Enter").await;
    page.until("document.querySelector('#lost').textContent.includes('for those who run the shop')").await;
    page.tab_to("it.dataset.act === 'sign-in'").await;
    page.press("Enter").await;
    page.until(asked).await;
    let token = mint.token("olga", "admin");
    page.type_text(&format!(" {token} ")).await;
    page.press("Enter").await;
    page.until(connected).await;
    assert_eq!(page.value("document.querySelector('#token').value").await, "");
    let all = page.value("document.documentElement.outerHTML + location.href + document.cookie").await;
    assert!(!all.as_str().unwrap().contains(&token), "it is nowhere to be seen");

    page.go(&served.url("?state=dead")).await;
    page.until(connected).await;
    assert_eq!(page.value(asked).await, false, "he has said it");
    served.handle.stop(false).await;
}
