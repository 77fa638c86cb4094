//! Server-sent events: what every stream of them does.

use std::{sync::atomic::Ordering, time::Duration};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    web::Data,
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::AppState;

/// Keeps proxies from closing a quiet connection.
const PING: Duration = Duration::from_secs(15);
/// How soon a stream notices that the server is about to stop.
const LOOK: Duration = Duration::from_secs(1);

/// The head of the answer.
pub(crate) fn response() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header(("x-accel-buffering", "no"));
    response
}

/// Tells a stream when to say that it is still there, and when to end.
pub(crate) struct Pulse {
    state: Data<AppState>,
    look: Interval,
    pinged: Instant,
}

impl Pulse {
    pub(crate) fn new(state: Data<AppState>) -> Self {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { state, look, pinged: Instant::now() }
    }

    /// Waits until a ping is due: `true`; or the server is about to stop: `false`. To be given up at any time.
    pub(crate) async fn beat(&mut self) -> bool {
        loop {
            self.look.tick().await;
            if self.state.draining.load(Ordering::Relaxed) {
                return false;
            }
            if self.pinged.elapsed() >= PING {
                self.pinged = Instant::now();
                return true;
            }
        }
    }
}
