//! What is purged goes, and nothing else.

use std::time::{Duration, Instant};

use cartwright_edge::{Pace, Purge, Purger, SurrogateKey, surrogate_keys};
use cartwright_testkit::{eventually, eventually_some};

use crate::{PATIENCE, client::get, edge, origin::Origin, purger, varnish};

fn product(id: impl std::fmt::Display) -> SurrogateKey {
    SurrogateKey::of("product", &id.to_string())
}

const LAPTOP: &str = "/api/v1/products/1";
const LISTING: &str = "/api/v1/products?category=Books";
const MOUSE: &str = "/api/v1/products/2";

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_seen_within_a_second() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    let purger = purger(&varnish);
    origin.put_keyed(LAPTOP, &[product(1)], "old");
    assert!(!get(&varnish, LAPTOP).await.is_hit());
    let kept = get(&varnish, LAPTOP).await;
    assert!(kept.is_hit());
    assert_eq!((kept.body.as_str(), origin.asked(LAPTOP)), ("old", 1));
    assert_eq!(kept.header("surrogate-key"), None);

    origin.put_keyed(LAPTOP, &[product(1)], "new");
    let changed = Instant::now();
    purger.changed([product(1)]);
    let took = eventually_some(PATIENCE, async || {
        (get(&varnish, LAPTOP).await.body == "new").then(|| changed.elapsed())
    });
    let took = took.await;
    assert!(took < Duration::from_secs(1), "{took:?}");

    // Once more after a second, and no third time.
    eventually(PATIENCE, async || purger.figures()[0].purged == 2).await;
    assert_eq!(purger.shutdown(PATIENCE).await, 0);
    let figures = &purger.figures()[0];
    assert_eq!((figures.purges, figures.purged, figures.failed, figures.pending), (2, 2, 0, 0));
    assert!(figures.answers && figures.lag.is_zero());
    get(&varnish, LAPTOP).await;
    assert!(get(&varnish, LAPTOP).await.is_hit());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_goes_with_any_of_its_keys_and_others_stay() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    let edge = edge(&varnish);
    let books = SurrogateKey::of("category", "Books");
    origin.put_keyed(LISTING, &[product(1), product(17), books.clone()], "listing");
    origin.put_keyed(MOUSE, &[product(2)], "mouse");
    for key in [product(1), product(17), books] {
        for path in [LISTING, MOUSE] {
            get(&varnish, path).await;
            assert!(get(&varnish, path).await.is_hit());
        }
        edge.purge(&[key]).await.unwrap();
        assert!(!get(&varnish, LISTING).await.is_hit());
        assert!(get(&varnish, MOUSE).await.is_hit());
    }
    // A header may have several lines.
    let lines =
        "Cache-Control: s-maxage=3600\nSurrogate-Key: product:1\nSurrogate-Key: product:2 product:3\n";
    origin.put(LAPTOP, lines, "laptop");
    get(&varnish, LAPTOP).await;
    assert!(get(&varnish, LAPTOP).await.is_hit());
    edge.purge(&[product(3)]).await.unwrap();
    assert!(!get(&varnish, LAPTOP).await.is_hit());
    // Parts of keys are other keys.
    get(&varnish, LISTING).await;
    for other in ["product:7", "product:170", "product", "roduct:17", "Books", "category:Book", "17"] {
        edge.purge(&[SurrogateKey::new(other)]).await.unwrap();
    }
    assert!(get(&varnish, LISTING).await.is_hit());
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_purge_their_own_objects_only() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    let edge = edge(&varnish);
    let long = "x".repeat(3000);
    let texts = [
        "quote\"d",
        "it's",
        "two\r\nX-Evil: lines",
        "a b",
        ".*",
        ".",
        "(a|b)",
        "a|b",
        "[a-z]+",
        "^",
        "$",
        "a$",
        "\\",
        "\\s",
        "{1,9}",
        "Käse & Wein",
        "日本語",
        "\u{202e}txet",
        "\u{0}",
        "\t",
        "%",
        "%20",
        "%25",
        "*",
        "",
        "\" || obj.status == 200 || obj.http.x ~ \"",
        "&& obj.status != 0",
        "a,b",
        "a;b",
        "product:1",
        &long,
        &format!("{long}y"),
    ];
    let key = |text: &str| SurrogateKey::of("category", text);
    let path = |n: usize| format!("/api/v1/categories/{n}/products");
    for (n, text) in texts.iter().enumerate() {
        origin.put_keyed(&path(n), &[SurrogateKey::new("common"), key(text), product(n)], text);
        assert_eq!(get(&varnish, &path(n)).await.body, *text);
    }
    for (n, text) in texts.iter().enumerate() {
        edge.purge(&[key(text)]).await.unwrap();
        for (other, its) in texts.iter().enumerate() {
            let hit = get(&varnish, &path(other)).await.is_hit();
            assert_eq!(hit, other != n, "{its:?} after {text:?} was purged");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_keys_at_once() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    let pace = Pace { again_after: None, ..Pace::VARNISH };
    let purger = Purger::builder().edge("varnish", edge(&varnish), pace).start();
    // As many keys as a header may have, those that are purged at the very end of the header and of the list.
    let filler = |n: usize| (0..255).map(move |i| product(10_000 + n * 1000 + i));
    let path = |n: usize| format!("/api/v1/products?page={n}");
    let listings = 40;
    for n in 0..=listings {
        let last = if n < listings { product(n * 100 + 99) } else { product(77_777) };
        let keys: Vec<_> = filler(n).chain([last]).collect();
        assert_eq!(surrogate_keys(&keys).split(' ').count(), 256);
        origin.put_keyed(&path(n), &keys, "listing");
        get(&varnish, &path(n)).await;
        assert!(get(&varnish, &path(n)).await.is_hit());
    }
    // And one that depends on more than can be said.
    let keys: Vec<_> = (0..500).map(|n| product(2_000_000 + n)).collect();
    origin.put_keyed(MOUSE, &keys, "many");
    get(&varnish, MOUSE).await;
    assert!(get(&varnish, MOUSE).await.is_hit());

    let changed = Instant::now();
    purger.changed((0..5000).map(product));
    eventually(PATIENCE, async || purger.figures()[0].pending == 0).await;
    println!("5000 keys were purged in {:?}", changed.elapsed());
    let figures = &purger.figures()[0];
    assert_eq!((figures.purged, figures.everything, figures.failed), (5000, 0, 0));
    for n in 0..listings {
        assert!(!get(&varnish, &path(n)).await.is_hit(), "listing {n}");
    }
    assert!(get(&varnish, &path(listings)).await.is_hit());
    assert!(!get(&varnish, MOUSE).await.is_hit());
}

/// The most alternatives that fit into one expression, against the most places where they could match: Varnish gives up
/// on an expression that takes too many steps, and keeps the object.
#[tokio::test(flavor = "multi_thread")]
async fn short_keys_do_not_exhaust_the_expression() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    let letters = || ('a'..='z').chain('A'..='Z');
    let short = |first: char| letters().map(move |second| SurrogateKey::new(format!("{first}{second}")));
    let depends: Vec<_> = letters().take(4).flat_map(short).chain([SurrogateKey::new("-")]).collect();
    origin.put_keyed(LAPTOP, &depends, "laptop");
    let changed: Vec<_> = letters().skip(4).flat_map(short).chain([SurrogateKey::new("-")]).collect();
    get(&varnish, LAPTOP).await;
    assert!(get(&varnish, LAPTOP).await.is_hit());
    edge(&varnish).purge(&changed[..changed.len() - 1]).await.unwrap();
    assert!(get(&varnish, LAPTOP).await.is_hit());
    edge(&varnish).purge(&changed[changed.len() - 1300..]).await.unwrap();
    assert!(!get(&varnish, LAPTOP).await.is_hit());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_can_be_remembered_purges_everything_that_has_keys() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    let pace = Pace { waiting: 100, ..Pace::VARNISH };
    let purger = Purger::builder().edge("varnish", edge(&varnish), pace).start();
    origin.put_keyed(MOUSE, &[product("unrelated")], "mouse");
    origin.put(LAPTOP, "Cache-Control: s-maxage=60\n", "no keys");
    for path in [MOUSE, LAPTOP] {
        get(&varnish, path).await;
        assert!(get(&varnish, path).await.is_hit());
    }
    purger.changed((0..1000).map(product));
    eventually(PATIENCE, async || purger.figures()[0].everything > 0).await;
    assert!(!get(&varnish, MOUSE).await.is_hit());
    assert!(get(&varnish, LAPTOP).await.is_hit());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_before_the_change_that_comes_after_the_purge_goes_too() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    // Enough for a busy machine to get from the first purge to the answer that it missed.
    let pace = Pace { again_after: Some(Duration::from_secs(3)), ..Pace::VARNISH };
    let purger = Purger::builder().edge("varnish", edge(&varnish), pace).start();
    origin.put_keyed(LAPTOP, &[product(1)], "old");
    let gate = origin.hold(LAPTOP);
    let reader = get(&varnish, LAPTOP);
    let change = async {
        eventually(PATIENCE, async || origin.asked(LAPTOP) == 1).await;
        origin.put_keyed(LAPTOP, &[product(1)], "new");
        origin.release(LAPTOP);
        purger.changed([product(1)]);
        eventually(PATIENCE, async || purger.figures()[0].purges == 1).await;
        gate.add_permits(1);
    };
    let (read, ()) = tokio::join!(reader, change);
    assert_eq!(read.body, "old");
    // It was kept, for the ban came before it.
    assert_eq!(get(&varnish, LAPTOP).await.body, "old");
    eventually(PATIENCE, async || purger.figures()[0].purges == 2).await;
    assert_eq!(get(&varnish, LAPTOP).await.body, "new");
}
