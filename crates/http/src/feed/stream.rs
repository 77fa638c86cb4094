//! Events as they come: server-sent events.

use actix_web::{http::header::VARY, web::Data};
use bytes::Bytes;
use cartwright_events::{Filter, Heard, Listener};
use futures_util::stream;

use crate::{
    AppState,
    answer::Answer,
    sse::{self, Pulse},
};

struct Stream {
    listener: Listener,
    pulse: Pulse,
    greeted: bool,
}

pub(super) async fn answer(state: Data<AppState>, filter: Filter, after: Option<u64>) -> Answer {
    let listener = state.events.listen(filter, after).await?;
    let begun = Stream { listener, pulse: Pulse::new(state), greeted: false };
    let chunks = stream::unfold(begun, |mut stream| async move {
        let chunk = stream.next().await?;
        Some((Ok::<_, actix_web::Error>(chunk), stream))
    });
    Ok(sse::response().insert_header((VARY, "Accept")).streaming(chunks))
}

impl Stream {
    /// What to send next. `None`: the stream ends, and the client comes back with the last number it has.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.greeted, true) {
            // Something at once, so that the client knows that it is heard.
            return Some(Bytes::from_static(b"retry: 1000\n: hello\n\n"));
        }
        let text = tokio::select! {
            heard = self.listener.next() => match heard.ok()? {
                Heard::Event(event) => {
                    let (number, kind, document) = (event.number, event.kind, event.document());
                    format!("id: {number}\nevent: {kind}\ndata: {document}\n\n")
                }
                Heard::Reset(number) => {
                    format!("id: {number}\nevent: reset\ndata: {{\"after\":\"{number}\"}}\n\n")
                }
            },
            alive = self.pulse.beat() => alive.then(|| self.ping())?,
        };
        Some(Bytes::from(text))
    }

    /// Without data it is no event; with an id, the client knows from where to go on although nothing of what it wants has
    /// happened for long.
    fn ping(&mut self) -> String {
        let number = self.listener.position().map(|number| format!("id: {number}\n"));
        format!(": ping\n{}\n", number.unwrap_or_default())
    }
}
