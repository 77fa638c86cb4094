//! Documents that clients keep in the cache.

use std::sync::Arc;

use bytes::Bytes;
use cartwright_catalog::{CatalogService, CatalogSettings, Parts, Shared};
use cartwright_domain::{ManualClock, ProductId};
use cartwright_edge::Purger;
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
use chrono::{DateTime, TimeDelta};
use tempfile::TempDir;

use crate::kit::{eventually, id, make, nodes, shown};

async fn read(catalog: &CatalogService, name: &ProductId) -> Option<Bytes> {
    catalog.document(name).await.unwrap().value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_on_every_node_with_and_without_redis() {
    let nodes = nodes().await;
    let (one, other, name) = (&nodes.one.catalog, &nodes.other.catalog, id("1"));
    make(one, "1", None).await;
    assert_eq!(read(other, &name).await, None);
    let mut written = 0;
    let mut write_and_see = async |writer: &CatalogService, reader: &CatalogService| {
        written += 1;
        let document = Bytes::from(written.to_string());
        writer.put_document(name.clone(), document.clone()).await.unwrap();
        assert_eq!(read(writer, &name).await.as_ref(), Some(&document), "whoever wrote it sees it");
        eventually("the other sees it", async || read(reader, &name).await.as_ref() == Some(&document)).await;
    };
    for _ in 0..5 {
        write_and_see(one, other).await;
        write_and_see(other, one).await;
    }
    nodes.redis.primary.kill();
    for _ in 0..3 {
        write_and_see(one, other).await;
        write_and_see(other, one).await;
    }
    nodes.redis.primary.restart();
    eventually("both hear again", async || one.node().hears() && other.node().hears()).await;
    write_and_see(other, one).await;
    assert_eq!(shown(one, "1").await, 250, "the product of the same id is something else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_kept_for_a_day() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let (store, clock) = (Arc::new(store), Arc::new(ManualClock::new(DateTime::UNIX_EPOCH)));
    // A node that has just been started knows only what is kept.
    let start = || {
        CatalogService::start(Parts {
            store: Arc::clone(&store) as _,
            shared: Shared::Alone,
            edge: Purger::nobody(),
            clock: Arc::clone(&clock) as _,
            settings: CatalogSettings::default(),
        })
    };
    let until = start().put_document(id("1"), Bytes::from_static(b"{}")).await.unwrap();
    assert_eq!(until, DateTime::UNIX_EPOCH + TimeDelta::hours(24));
    clock.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    assert_eq!(read(&start(), &id("1")).await, Some(Bytes::from_static(b"{}")));
    clock.advance(TimeDelta::seconds(2));
    assert_eq!(read(&start(), &id("1")).await, None);
}
