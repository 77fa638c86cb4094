//! Events as they come: server-sent events.

use std::{sync::atomic::Ordering, time::Duration};

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY},
    web::Data,
};
use bytes::Bytes;
use cartwright_events::{Filter, Heard, Listener};
use futures_util::stream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::{AppState, answer::Answer};

/// Keeps proxies from closing a quiet connection.
const PING: Duration = Duration::from_secs(15);
/// How soon a stream notices that the server is about to stop.
const LOOK: Duration = Duration::from_secs(1);

struct Stream {
    state: Data<AppState>,
    listener: Listener,
    look: Interval,
    pinged: Instant,
    greeted: bool,
}

pub(super) async fn answer(state: Data<AppState>, filter: Filter, after: Option<u64>) -> Answer {
    let listener = state.events.listen(filter, after).await?;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begun = Stream { state, listener, look, pinged: Instant::now(), greeted: false };
    let chunks = stream::unfold(begun, |mut stream| async move {
        let chunk = stream.next().await?;
        Some((Ok::<_, actix_web::Error>(chunk), stream))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((VARY, "Accept"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(chunks))
}

impl Stream {
    /// What to send next. `None`: the stream ends, and the client comes back with the last number it has.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.greeted, true) {
            // Something at once, so that the client knows that it is heard.
            return Some(Bytes::from_static(b"retry: 1000\n: hello\n\n"));
        }
        loop {
            tokio::select! {
                heard = self.listener.next() => {
                    return match heard.ok()? {
                        Heard::Event(event) => {
                            let (number, kind, document) = (event.number, event.kind, event.document());
                            Some(Bytes::from(format!("id: {number}\nevent: {kind}\ndata: {document}\n\n")))
                        }
                        Heard::Reset(number) => Some(Bytes::from(format!(
                            "id: {number}\nevent: reset\ndata: {{\"after\":\"{number}\"}}\n\n"
                        ))),
                    };
                }
                _ = self.look.tick() => {
                    if self.state.draining.load(Ordering::Relaxed) {
                        return None;
                    }
                    if self.pinged.elapsed() >= PING {
                        self.pinged = Instant::now();
                        return Some(self.ping());
                    }
                }
            }
        }
    }

    /// Without data it is no event; with an id, the client knows from where to go on although nothing of what it wants has
    /// happened for long.
    fn ping(&mut self) -> Bytes {
        match self.listener.position() {
            Some(number) => Bytes::from(format!(": ping\nid: {number}\n\n")),
            None => Bytes::from_static(b": ping\n\n"),
        }
    }
}
