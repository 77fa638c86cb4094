//! What a receiver says, as far as we listen.

use std::{fmt, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, header};
use http_body_util::BodyExt;

/// Who says more than this wants us to forget.
const LONGEST_PEACE: Duration = Duration::from_secs(24 * 3600);

/// The beginning of an answer's body, for people: text without control characters but line ends and tabs.
///
/// Receivers like to repeat what they were sent. So its `Debug` leaves out the text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Excerpt {
    /// The text. Bytes that are not UTF-8 are replaced by `�`.
    pub text: String,
    /// Whether this is all of it.
    pub complete: bool,
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str(if self.complete { "" } else { "…" })
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, complete } = self;
        write!(f, "Excerpt({} bytes{})", text.len(), if *complete { "" } else { " and more" })
    }
}

/// A body as it comes. What has come stays here when time is up.
#[derive(Debug, Default)]
pub(crate) struct Listened {
    bytes: Vec<u8>,
    complete: bool,
}

impl Listened {
    /// Reads until the end, the limit, or the connection's end.
    pub(crate) async fn listen<B>(&mut self, mut body: B, limit: usize)
    where
        B: BodyExt<Data = Bytes> + Unpin,
    {
        self.complete = body.is_end_stream();
        while !self.complete {
            match body.frame().await {
                None => self.complete = true,
                Some(Err(_)) => return,
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let room = limit.saturating_sub(self.bytes.len());
                    self.bytes.extend(data.iter().take(room));
                    if data.len() > room {
                        return;
                    }
                    self.complete = body.is_end_stream();
                }
            }
        }
    }

    pub(crate) fn excerpt(&self) -> Excerpt {
        Excerpt { text: printable(&String::from_utf8_lossy(&self.bytes)), complete: self.complete }
    }
}

/// Logs and databases take some characters for something else than text.
pub(crate) fn printable(text: &str) -> String {
    let safe = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().map(|c| if safe(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// How long we should stay away: seconds, or a date as HTTP writes them.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let peace = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // What does not fit is long enough.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = DateTime::parse_from_rfc2822(text).ok()?;
        // A date that is over: now.
        (until.to_utc() - now).to_std().unwrap_or_default()
    };
    Some(peace.min(LONGEST_PEACE))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use chrono::DateTime;
    use http::{HeaderMap, HeaderValue, header};
    use http_body_util::Full;

    use super::{Excerpt, Listened, retry_after};

    #[test]
    fn times_of_peace() {
        let now = DateTime::parse_from_rfc3339("1994-11-06T08:49:00Z").unwrap().to_utc();
        for (text, seconds) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("99999999999999999999999", Some(86_400)),
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(86_400)),
            ("", None),
            ("-1", None),
            ("soon", None),
            ("1.5", None),
        ] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[tokio::test]
    async fn bodies_are_read_up_to_the_limit() {
        let body = || Full::new(Bytes::from_static(b"ok\0\x1b[31m\n\xff"));
        let mut listened = Listened::default();
        listened.listen(body(), 100).await;
        let text = "ok\u{fffd}\u{fffd}[31m\n\u{fffd}".to_owned();
        assert_eq!(listened.excerpt(), Excerpt { text, complete: true });

        for (limit, text, complete) in [(10, "ok", true), (2, "ok", true), (1, "o", false), (0, "", false)] {
            let mut listened = Listened::default();
            listened.listen(Full::new(Bytes::from_static(b"ok")), limit).await;
            assert_eq!(listened.excerpt(), Excerpt { text: text.to_owned(), complete }, "{limit}");
        }
    }
}
