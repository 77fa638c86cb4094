//! The versions of a cart as they come: server-sent events.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use bytes::Bytes;
use cartwright_cache::{Document, Subscription, Update};
use cartwright_domain::OwnerId;
use futures_util::stream;
use utoipa::ToSchema;

use crate::{
    AppState,
    headers::owner,
    problem::Problem,
    sse::{self, Pulse},
};

/// An event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Listener` writes")]
pub(crate) struct CartEvent {
    /// Always `cart`.
    #[schema(pattern = "^cart$", example = "cart")]
    event: String,
    /// The version of the cart.
    #[schema(pattern = "^[0-9]+$", example = "3")]
    id: String,
    /// A `Cart`.
    #[schema(content_media_type = "application/json")]
    data: String,
}

struct Listener {
    state: Data<AppState>,
    owner: OwnerId,
    heard: Subscription,
    sent: Option<u64>,
    first: Option<Document>,
    pulse: Pulse,
}

/// Every new version of the cart
///
/// Server-sent events: first the cart as it is, then each new version of it, whoever wrote it on whichever node.
/// Versions that follow each other quickly may be skipped; the last one never is.
#[utoipa::path(get, path = "/api/v1/carts/{user_id}/events", tag = "carts", operation_id = "cart_events",
    responses((status = 200, description = "Events `cart`, with the version as id and the cart as data",
        content_type = "text/event-stream", body = CartEvent)))]
pub(crate) async fn events(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let owner = owner(&request)?;
    let heard = state.carts.subscribe(&owner); // before the first read: nothing falls in between
    let first = state.carts.read(&owner).await?.document;
    let pulse = Pulse::new(state.clone());
    let listener = Listener { state, owner, heard, sent: None, first: Some(first), pulse };
    let stream = stream::unfold(listener, |mut listener| async move {
        let chunk = listener.next().await?;
        Some((Ok::<_, actix_web::Error>(chunk), listener))
    });
    Ok(sse::response().streaming(stream))
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
                alive = self.pulse.beat() => return alive.then(|| Bytes::from_static(b": ping\n\n")),
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
