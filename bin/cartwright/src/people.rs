//! Sessions, profiles, and people: put together.

use std::sync::Arc;

use async_trait::async_trait;
use cartwright_cache_redis::RedisSessionStore;
use cartwright_catalog::CatalogService;
use cartwright_domain::{OwnerId, ProductId, SystemClock};
use cartwright_http::People;
use cartwright_identity::{
    people::{PeopleParts, PeopleService, RestockListener},
    profiles::{ProfileParts, ProfileService},
    sessions::{SessionListener, SessionParts, SessionService},
};
use cartwright_storage::SessionStore;

use crate::{
    config::{SessionPlace, Settings},
    wiring::{AnyStore, Started, redis_options},
};

/// Recommendations that are looked up when somebody logs in: as many as are asked for when nobody says how many.
const RECOMMENDED: u32 = 10;

/// What the catalogue does for people.
struct Shelves(CatalogService);

#[async_trait]
impl SessionListener for Shelves {
    /// What he will be shown is at hand when he asks.
    async fn started(&self, owner: OwnerId) {
        if let Err(error) = self.0.recommendations(&owner, RECOMMENDED).await {
            tracing::debug!(%error, "recommendations were not warmed");
        }
    }
}

#[async_trait]
impl RestockListener for Shelves {
    async fn restocked(&self, products: Vec<ProductId>) {
        if let Err(error) = self.0.stock_turned(products).await {
            tracing::warn!(%error, "shoppers see later than usual what is back in stock");
        }
    }
}

/// Starts the services on the current runtime.
pub(crate) fn start(
    settings: &Settings,
    store: &AnyStore,
    started: &Started,
    catalog: &CatalogService,
) -> anyhow::Result<People> {
    let shelves = Arc::new(Shelves(catalog.clone()));
    let kept: Arc<dyn SessionStore> = match (settings.sessions.store, redis_options(settings)?) {
        (SessionPlace::Auto, Some(options)) => {
            let redis = RedisSessionStore::start(&options)?;
            Arc::new(redis.ends_on(settings.sessions.ends_on_replicas))
        }
        _ => store.shop(),
    };
    let sessions = SessionService::start(SessionParts {
        store: kept,
        listener: Arc::clone(&shelves) as Arc<dyn SessionListener>,
        clock: Arc::new(SystemClock),
        policy: settings.sessions.policy(),
    });
    let profiles = ProfileService::start(ProfileParts {
        store: store.shop(),
        cache: started.profiles.clone(),
        clock: Arc::new(SystemClock),
        waiting: settings.carts.waiting,
    });
    let people = PeopleService::start(PeopleParts {
        store: store.shop(),
        carts: started.cache.clone(),
        histories: started.histories.clone(),
        profiles: started.profiles.clone(),
        sessions: sessions.clone(),
        events: Arc::clone(&started.events),
        stock: shelves,
        clock: Arc::new(SystemClock),
    });
    Ok(People { sessions, profiles, people })
}

/// Finishes what was accepted.
pub(crate) async fn finish(people: &People) {
    people.people.shutdown().await;
    people.profiles.shutdown().await;
    people.sessions.shutdown().await;
}
