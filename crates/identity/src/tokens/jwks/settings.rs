//! Where keys are fetched, and how often.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use http::Uri;
use url::{Host, Url};

/// Where keys are fetched (a JSON Web Key Set, RFC 7517), and how often.
#[derive(Debug, Clone)]
pub struct JwksSettings {
    /// Where.
    pub url: JwksUrl,
    /// How often they are looked at: so long may a withdrawn key be believed, at most. At least 1 s. An answer's
    /// `Cache-Control: max-age` may make it more often, never less.
    pub refresh: Duration,
    /// An unknown key makes us look at once, and a failure makes us try again, but only so long after the last time. Made-up
    /// keys cannot make us ask more often than this.
    pub cooldown: Duration,
    /// For how long keys are believed when they cannot be looked at again. After it, tokens are refused as
    /// [unavailable](crate::Rejected::is_unavailable).
    pub max_stale: Duration,
    /// For a look as a whole.
    pub timeout: Duration,
    /// Certificate authorities in PEM that vouch for the address, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl JwksSettings {
    /// Keys from there, every minute; for an unknown key every 5 s at most; believed for an hour after the last answer; 5 s
    /// for a look.
    #[must_use]
    pub fn new(url: JwksUrl) -> Self {
        Self {
            url,
            refresh: Duration::from_secs(60),
            cooldown: Duration::from_secs(5),
            max_stale: Duration::from_secs(3600),
            timeout: Duration::from_secs(5),
            ca_file: None,
        }
    }
}

/// An address of keys: https, or http on this machine.
///
/// Shown without its query, which may hold something that is nobody's business.
#[derive(Clone, PartialEq, Eq)]
pub struct JwksUrl {
    pub(crate) uri: Uri,
    shown: String,
}

/// A text that is not an address of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not a URL.
    #[error("it is not a URL; `https://login.example.com/.well-known/jwks.json` would be one")]
    Form,
    /// Whoever is on the way could put in keys of his own.
    #[error("it is not https; http is for 127.0.0.1, [::1] and localhost only")]
    Insecure,
    /// They would be sent to nobody.
    #[error("it has a user or a password; an address of public keys needs none")]
    Credentials,
}

impl FromStr for JwksUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let mut url = Url::parse(text).ok().ok_or(BadUrl::Form)?;
        let is_here = match url.host() {
            None => return Err(BadUrl::Form),
            Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_here => {}
            _ => return Err(BadUrl::Insecure),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Credentials);
        }
        url.set_fragment(None);
        let uri = url.as_str().parse().ok().ok_or(BadUrl::Form)?;
        url.set_query(None);
        Ok(Self { uri, shown: url.into() })
    }
}

impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwksUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::{BadUrl, JwksUrl};

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for good in [
            "https://login.example.com/keys",
            "https://10.0.0.1:8443/keys?tenant=1",
            "http://127.0.0.1:1/",
            "http://[::1]/keys",
            "http://localhost:8080/keys",
        ] {
            assert!(good.parse::<JwksUrl>().is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", BadUrl::Form),
            ("keys.json", BadUrl::Form),
            ("file:///etc/keys", BadUrl::Form),
            ("http://login.example.com/keys", BadUrl::Insecure),
            ("http://localhost.example.com/", BadUrl::Insecure),
            ("http://10.0.0.1/keys", BadUrl::Insecure),
            ("http://127.0.0.1.example.com/", BadUrl::Insecure),
            ("ftp://localhost/keys", BadUrl::Insecure),
            ("https://me@login.example.com/", BadUrl::Credentials),
            ("https://:secret@login.example.com/", BadUrl::Credentials),
        ] {
            assert_eq!(bad.parse::<JwksUrl>(), Err(why), "{bad}");
        }
    }

    #[test]
    fn the_query_is_asked_and_not_shown() {
        let url: JwksUrl = "https://a.example.com/keys?code=hidden#x".parse().unwrap();
        assert_eq!(url.uri.to_string(), "https://a.example.com/keys?code=hidden");
        assert_eq!(
            format!("{url} {url:?}"),
            "https://a.example.com/keys JwksUrl(https://a.example.com/keys)"
        );
    }
}
