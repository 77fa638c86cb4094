//! An edge that is down, slow, or one of two.

use std::time::{Duration, Instant};

use cartwright_edge::{Pace, Purge, PurgeError, Purger, SurrogateKey};
use cartwright_testkit::{eventually, ports};

use crate::{PATIENCE, client::get, edge, origin::Origin, varnish};

const LAPTOP: &str = "/api/v1/products/1";

fn laptop() -> SurrogateKey {
    SurrogateKey::of("product", "1")
}

/// Notices soon that nobody answers, and tries often.
const HASTY: Pace = Pace {
    window: Duration::from_millis(5),
    patience: Duration::from_millis(300),
    pause: Duration::from_millis(10),
    longest_pause: Duration::from_millis(100),
    again_after: None,
    ..Pace::VARNISH
};

#[tokio::test(flavor = "multi_thread")]
async fn a_varnish_that_did_not_answer_for_a_while_is_told_when_it_does() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    let purger = Purger::builder().edge("varnish", edge(&varnish), HASTY).start();
    origin.put_keyed(LAPTOP, &[laptop()], "old");
    get(&varnish, LAPTOP).await;
    assert!(get(&varnish, LAPTOP).await.is_hit());

    varnish.pause();
    origin.put_keyed(LAPTOP, &[laptop()], "new");
    purger.changed([laptop()]);
    eventually(PATIENCE, async || purger.figures()[0].failed > 1).await;
    let figures = &purger.figures()[0];
    assert_eq!((figures.pending, figures.answers), (1, false));
    assert!(figures.lag > Duration::from_millis(300), "{figures:?}");
    varnish.resume();
    eventually(PATIENCE, async || purger.figures()[0].pending == 0).await;
    assert!(purger.figures()[0].answers);
    assert_eq!(get(&varnish, LAPTOP).await.body, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_varnish_that_died_does_not_hold_up_the_other() {
    let origin = Origin::start().await;
    let (one, other) = (varnish(&origin), varnish(&origin));
    let purger = Purger::builder().edge("one", edge(&one), HASTY).edge("other", edge(&other), HASTY).start();
    origin.put_keyed(LAPTOP, &[laptop()], "0");
    for varnish in [&one, &other] {
        get(varnish, LAPTOP).await;
        assert!(get(varnish, LAPTOP).await.is_hit());
    }
    // Both are told.
    origin.put_keyed(LAPTOP, &[laptop()], "1");
    purger.changed([laptop()]);
    eventually(PATIENCE, async || purger.figures().iter().all(|figures| figures.purges == 1)).await;
    assert_eq!(get(&one, LAPTOP).await.body, "1");
    assert_eq!(get(&other, LAPTOP).await.body, "1");

    one.kill();
    for version in ["2", "3"] {
        origin.put_keyed(LAPTOP, &[laptop()], version);
        purger.changed([laptop()]);
        eventually(PATIENCE, async || get(&other, LAPTOP).await.body == version).await;
    }
    eventually(PATIENCE, async || purger.figures()[0].failed > 0).await;
    assert_eq!(purger.figures()[0].pending, 1);
    assert!(purger.figures()[1].answers);

    one.restart();
    eventually(PATIENCE, async || purger.figures()[0].pending == 0).await;
    assert_eq!(get(&one, LAPTOP).await.body, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_tells_what_was_accepted_and_ends_in_time_when_it_cannot() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    origin.put_keyed(LAPTOP, &[laptop()], "old");
    get(&varnish, LAPTOP).await;
    assert!(get(&varnish, LAPTOP).await.is_hit());
    // Nobody waits for company at the end.
    let pace = Pace { window: Duration::from_secs(600), ..Pace::VARNISH };
    let purger = Purger::builder().edge("varnish", edge(&varnish), pace).start();
    purger.changed([laptop()]);
    assert_eq!(purger.shutdown(PATIENCE).await, 0);
    assert!(!get(&varnish, LAPTOP).await.is_hit());
    assert_eq!(purger.figures()[0].purges, 2);

    varnish.pause();
    let purger = Purger::builder().edge("varnish", edge(&varnish), Pace::VARNISH).start();
    purger.changed([laptop()]);
    let begun = Instant::now();
    assert_eq!(purger.shutdown(Duration::from_millis(300)).await, 1);
    assert!(begun.elapsed() < PATIENCE / 2);
    varnish.resume();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_varnish_is_an_error() {
    let nobody = cartwright_edge::Varnish::new(&format!("http://127.0.0.1:{}", ports::free_port())).unwrap();
    assert!(matches!(nobody.purge(&[laptop()]).await, Err(PurgeError::Unreachable(_))));
    let nowhere = cartwright_edge::Varnish::new("http://no-such-host.invalid:6081").unwrap();
    assert!(matches!(nowhere.purge_everything().await, Err(PurgeError::Unreachable(_))));
    // An origin that knows nothing of bans.
    let origin = Origin::start().await;
    let stranger = cartwright_edge::Varnish::new(&format!("http://127.0.0.1:{}", origin.port())).unwrap();
    let refused = stranger.purge(&[laptop()]).await.unwrap_err();
    assert_eq!(refused.to_string(), "the edge did not purge: 404 Not Found");
    assert!(matches!(refused, PurgeError::Refused(_)));
}

/// Whatever the reason that keys cannot be purged, their answers go.
#[tokio::test(flavor = "multi_thread")]
async fn a_varnish_that_cannot_cope_with_a_list_purges_everything() {
    let origin = Origin::start().await;
    let shipped = crate::configuration(&origin);
    let strict =
        "        if (req.http.Surrogate-Key ~ \"product\") { return (fail); }\n        call ban_keys;";
    let varnish =
        cartwright_testkit::Varnish::start(&shipped.replace("        call ban_keys;", strict)).unwrap();
    let purger = Purger::builder().edge("varnish", edge(&varnish), HASTY).start();
    origin.put_keyed(LAPTOP, &[laptop()], "laptop");
    get(&varnish, LAPTOP).await;
    assert!(get(&varnish, LAPTOP).await.is_hit());
    purger.changed([laptop()]);
    eventually(PATIENCE, async || purger.figures()[0].everything == 1).await;
    assert!(!get(&varnish, LAPTOP).await.is_hit());
    assert_eq!(purger.figures()[0].failed, 1);
}
