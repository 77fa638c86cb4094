//! The purger before an edge that does as it is told, on a clock that jumps.

use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use cartwright_edge::{Pace, Purge, PurgeError, Purger, SurrogateKey};
use tokio::time::{Instant, sleep};

/// Remembers what it was told, unless it is to fail.
#[derive(Debug, Default)]
struct Told {
    purges: Mutex<Vec<Vec<String>>>,
    hangs: AtomicBool,
    refuses: AtomicBool,
    rejects: AtomicBool,
    panics: AtomicBool,
}

impl Told {
    async fn told(&self, keys: Vec<String>) -> Result<(), PurgeError> {
        if self.hangs.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.refuses.load(SeqCst) {
            return Err(PurgeError::Refused("not now".to_owned()));
        }
        self.purges.lock().unwrap().push(keys);
        Ok(())
    }

    fn purges(&self) -> Vec<Vec<String>> {
        self.purges.lock().unwrap().clone()
    }
}

#[async_trait]
impl Purge for Told {
    async fn purge(&self, keys: &[SurrogateKey]) -> Result<(), PurgeError> {
        assert!(!self.panics.load(SeqCst), "as it was told");
        if self.rejects.load(SeqCst) {
            return Err(PurgeError::Rejected("what is this".to_owned()));
        }
        self.told(keys.iter().map(ToString::to_string).collect()).await
    }

    async fn purge_everything(&self) -> Result<(), PurgeError> {
        self.told(vec!["everything".to_owned()]).await
    }
}

const ONCE: Pace = Pace { again_after: None, ..Pace::VARNISH };

fn start(pace: Pace) -> (Arc<Told>, Purger) {
    let told = Arc::new(Told::default());
    let purger = Purger::builder().edge("told", Arc::clone(&told) as Arc<dyn Purge>, pace).start();
    (told, purger)
}

fn key(n: u32) -> SurrogateKey {
    SurrogateKey::new(n.to_string())
}

#[tokio::test(start_paused = true)]
async fn changes_of_a_moment_are_one_purge() {
    let (told, purger) = start(ONCE);
    for n in [3, 1, 3, 2] {
        purger.changed([key(n)]);
        sleep(Duration::from_millis(10)).await;
    }
    assert!(told.purges().is_empty());
    sleep(ONCE.window).await;
    assert_eq!(told.purges(), [["3", "1", "2"]]);
    purger.changed([key(1)]);
    sleep(ONCE.window * 2).await;
    assert_eq!(told.purges().len(), 2);
    assert_eq!(purger.shutdown(Duration::from_secs(1)).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_pile_goes_in_batches_without_pauses_between() {
    let (told, purger) = start(Pace { batch: 10, ..ONCE });
    purger.changed((0..35).map(key));
    sleep(ONCE.window + Duration::from_millis(1)).await;
    assert_eq!(told.purges().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10, 5]);
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_an_edge_that_hangs() {
    let (told, purger) = start(Pace { waiting: 1000, ..ONCE });
    told.hangs.store(true, SeqCst);
    let begun = Instant::now();
    for n in 0..100_000 {
        purger.changed([key(n)]);
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(purger.figures()[0].pending, 1);
    sleep(Duration::from_secs(60)).await;
    let figures = &purger.figures()[0];
    assert!(figures.failed >= 5 && !figures.answers && figures.lag >= Duration::from_secs(60), "{figures:?}");
    told.hangs.store(false, SeqCst);
    sleep(ONCE.patience + ONCE.longest_pause).await;
    assert_eq!(told.purges(), [["everything"]]);
    assert!(purger.figures()[0].lag.is_zero());
}

#[tokio::test(start_paused = true)]
async fn shutdown_has_a_bound() {
    let (told, purger) = start(ONCE);
    told.hangs.store(true, SeqCst);
    purger.changed([key(1), key(2)]);
    sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    assert_eq!(purger.shutdown(Duration::from_secs(2)).await, 2);
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    // Whoever still has one may use it.
    purger.changed([key(3)]);
    purger.everything_changed();
    assert_eq!(purger.shutdown(Duration::from_secs(2)).await, 3);
}

#[tokio::test(start_paused = true)]
async fn shutdown_tries_again_while_there_is_time() {
    let (told, purger) = start(ONCE);
    told.refuses.store(true, SeqCst);
    purger.changed([key(1)]);
    sleep(Duration::from_secs(60)).await;
    let mended = async {
        sleep(Duration::from_secs(1)).await;
        told.refuses.store(false, SeqCst);
    };
    let (left, ()) = tokio::join!(purger.shutdown(Duration::from_secs(2)), mended);
    assert_eq!((left, told.purges().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_an_edge_cannot_purge_by_keys_it_purges_with_everything() {
    let (told, purger) = start(ONCE);
    told.rejects.store(true, SeqCst);
    purger.changed([key(1)]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(told.purges(), [["everything"]]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_neither_the_lane_nor_the_change() {
    let (told, purger) = start(ONCE);
    told.panics.store(true, SeqCst);
    purger.changed([key(1)]);
    sleep(Duration::from_secs(1)).await;
    told.panics.store(false, SeqCst);
    purger.changed([key(2)]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(told.purges(), [["everything"], ["2"]]);
    assert_eq!(purger.figures()[0].failed, 1);
}

#[tokio::test(start_paused = true)]
async fn without_an_edge_nothing_happens() {
    let purger = Purger::nobody();
    purger.changed([key(1)]);
    purger.everything_changed();
    assert!(purger.figures().is_empty());
    assert_eq!(purger.shutdown(Duration::ZERO).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_said_once_and_so_is_its_end() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _logs = tracing::subscriber::set_default(subscriber);
    let (told, purger) = start(ONCE);
    for _ in 0..2 {
        told.refuses.store(true, SeqCst);
        purger.changed([key(1)]);
        sleep(Duration::from_secs(60)).await;
        assert!(purger.figures()[0].failed > 5);
        told.refuses.store(false, SeqCst);
        sleep(ONCE.longest_pause).await;
        assert!(purger.figures()[0].answers);
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("WARN").count(), 2, "{log}");
    assert_eq!(log.matches("INFO").count(), 2, "{log}");
    assert!(log.contains("the edge did not purge: not now") && log.contains("edge=\"told\""), "{log}");
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
