//! The versions of a cart as they come: server-sent events.

use std::{sync::atomic::Ordering, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use bytes::Bytes;
use cartwright_cache::{Document, Subscription, Update};
use cartwright_domain::OwnerId;
use futures_util::stream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::{AppState, headers::owner, problem::Problem};

/// Keeps proxies from closing a quiet connection.
const PING: Duration = Duration::from_secs(15);
/// How soon a stream notices that the server is about to stop.
const LOOK: Duration = Duration::from_secs(1);

struct Listener {
    state: Data<AppState>,
    owner: OwnerId,
    heard: Subscription,
    sent: Option<u64>,
    first: Option<Document>,
    look: Interval,
    pinged: Instant,
}

/// Every new version of the cart
///
/// Server-sent events: first the cart as it is, then each new version of it, whoever wrote it on whichever node.
/// Versions that follow each other quickly may be skipped; the last one never is.
#[utoipa::path(get, path = "/api/v1/carts/{user_id}/events", tag = "carts", operation_id = "cart_events",
    responses((status = 200, description = "Events `cart`, with the version as id and the cart as data",
        content_type = "text/event-stream", body = String)))]
pub(crate) async fn events(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let owner = owner(&request)?;
    let heard = state.carts.subscribe(&owner); // before the first read: nothing falls in between
    let first = state.carts.read(&owner).await?.document;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener =
        Listener { state, owner, heard, sent: None, first: Some(first), look, pinged: Instant::now() };
    let stream = stream::unfold(listener, |mut listener| async move {
        let chunk = listener.next().await?;
        Some((Ok::<_, actix_web::Error>(chunk), listener))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream))
}

impl Listener {
    /// What to send next. `None`: the stream ends, and the client comes back to a node that works.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(document) = self.first.take() {
            return Some(self.event(&document));
        }
        loop {
            tokio::select! {
                update = self.heard.next() => {
                    let old = matches!(update, Update::Version(version) if Some(version) <= self.sent);
                    if old {
                        continue;
                    }
                    let document = self.state.carts.read(&self.owner).await.ok()?.document;
                    if Some(document.version) > self.sent {
                        return Some(self.event(&document));
                    }
                }
                _ = self.look.tick() => {
                    if self.state.draining.load(Ordering::Relaxed) {
                        return None;
                    }
                    if self.pinged.elapsed() >= PING {
                        self.pinged = Instant::now();
                        return Some(Bytes::from_static(b": ping\n\n"));
                    }
                }
            }
        }
    }

    /// The document is one line of JSON, as an event needs it.
    fn event(&mut self, document: &Document) -> Bytes {
        self.sent = Some(document.version);
        let head = format!("event: cart\nid: {}\ndata: ", document.version);
        Bytes::from([head.as_bytes(), &document.body, b"\n\n"].concat())
    }
}
