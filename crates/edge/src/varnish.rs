//! One Varnish, told by `BAN` requests that `deploy/varnish/default.vcl` understands.

use std::io;

use async_trait::async_trait;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Purge, PurgeError, SurrogateKey, header::MANY};

/// Keys in one request, in bytes: a header of Varnish may have 8 kB, and it is copied a few times on the way.
const LONGEST_LIST: usize = 4000;
/// The head of an answer has less.
const LONGEST_HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 64;
/// What Varnish says when its configuration could not be carried out.
const VCL_FAILED: &str = "VCL failed";
/// In place of a list of keys.
const EVERYTHING: &str = "*";

/// A Varnish that listens at some address. Several are as many edges of a [`Purger`](crate::Purger).
///
/// What it sends are keys, not expressions: the configuration makes the ban from them, and refuses what are none.
#[derive(Debug, Clone)]
pub struct Varnish {
    /// Host and port.
    authority: String,
}

/// An address that cannot be that of a Varnish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not of the form http://host:port; bans travel inside a private network, without TLS or a password"
)]
pub struct BadUrl(String);

impl Varnish {
    /// The Varnish at `http://host:port`; port 80 when it says none.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn new(url: &str) -> Result<Self, BadUrl> {
        // A password has no business there, and so none in an error either.
        let bad = || {
            let (login, place) = url.rsplit_once('@').map_or(("", url), |(_, place)| ("…@", place));
            let place = place.split(['?', '#']).next().unwrap_or_default();
            BadUrl(format!("{login}{place}"))
        };
        let authority = url.strip_prefix("http://").ok_or_else(bad)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let safe = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if authority.is_empty() || !authority.chars().all(safe) {
            return Err(bad());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().ok()),
            _ => (authority, Some(80)),
        };
        let port = port.filter(|port| *port > 0 && !host.is_empty()).ok_or_else(bad)?;
        Ok(Self { authority: format!("{host}:{port}") })
    }

    /// Sends one list of keys.
    async fn ban(&self, list: &str) -> Result<(), PurgeError> {
        let (status, reason) = self.ask(list).await.map_err(PurgeError::Unreachable)?;
        let said = format!("{status} {reason}");
        match status {
            200 => Ok(()),
            400 | 413 | 431 => Err(PurgeError::Rejected(said)),
            // The list is too much for how this Varnish is set up; it will be the next time, too.
            503 if reason == VCL_FAILED => Err(PurgeError::Rejected(said)),
            _ => Err(PurgeError::Refused(said)),
        }
    }

    /// The status and its reason. A connection each: bans are few, and an idle one that has died since would look like a
    /// Varnish that is down.
    async fn ask(&self, list: &str) -> io::Result<(u16, String)> {
        let authority = &self.authority;
        let mut stream = TcpStream::connect(authority).await?;
        let request = format!(
            "BAN / HTTP/1.1\r\nHost: {authority}\r\nSurrogate-Key: {list}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::with_capacity(1024);
        loop {
            if let Some(answer) = parse(&head)? {
                return Ok(answer);
            }
            if head.len() >= LONGEST_HEAD {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the head of the answer does not end",
                ));
            }
            if stream.read_buf(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// The status and its reason, when the head of the answer is complete.
fn parse(head: &[u8]) -> io::Result<Option<(u16, String)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let parsed = answer.parse(head).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let status = answer.code.filter(|_| parsed.is_complete());
    Ok(status.map(|status| (status, answer.reason.unwrap_or_default().to_owned())))
}

#[async_trait]
impl Purge for Varnish {
    async fn purge(&self, keys: &[SurrogateKey]) -> Result<(), PurgeError> {
        for list in lists(keys) {
            self.ban(&list).await?;
        }
        Ok(())
    }

    async fn purge_everything(&self) -> Result<(), PurgeError> {
        self.ban(EVERYTHING).await
    }
}

/// The keys, in as few lists as are short enough. Each has the key of answers that depend on too much.
fn lists(keys: &[SurrogateKey]) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    for key in keys {
        match lists.last_mut() {
            Some(list) if list.len() + 1 + key.as_str().len() <= LONGEST_LIST => {
                list.push(' ');
                list.push_str(key.as_str());
            }
            _ => lists.push(format!("{MANY} {key}")),
        }
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_LIST, Varnish, lists};
    use crate::SurrogateKey;

    #[test]
    fn addresses_are_read() {
        let authority = |url: &str| Varnish::new(url).map(|varnish| varnish.authority).ok();
        assert_eq!(authority("http://varnish:6081").as_deref(), Some("varnish:6081"));
        assert_eq!(authority("http://varnish/").as_deref(), Some("varnish:80"));
        assert_eq!(authority("http://[::1]:6081").as_deref(), Some("[::1]:6081"));
        assert_eq!(authority("http://[::1]").as_deref(), Some("[::1]:80"));
        for bad in [
            "",
            "varnish:6081",
            "https://varnish",
            "http://",
            "http://:80",
            "http://a:b",
            "http://a:0",
            "http://user:password@a",
            "http://a/path",
            "http://a\r\nb",
        ] {
            assert_eq!(authority(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn many_keys_go_in_lists_that_fit() {
        let keys: Vec<_> = (0..1000).map(|n| SurrogateKey::of("product", &n.to_string())).collect();
        let lists = lists(&keys);
        assert!(lists.iter().all(|list| list.len() <= LONGEST_LIST && list.starts_with("%many ")));
        let sent: Vec<&str> = lists.iter().flat_map(|list| list.split(' ').skip(1)).collect();
        assert!(sent.iter().copied().eq(keys.iter().map(SurrogateKey::as_str)));
        assert!(lists.len() < 5, "{}", lists.len());
        assert!(super::lists(&[]).is_empty());
    }
}
