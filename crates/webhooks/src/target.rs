//! A URL that was looked at.

use std::{fmt, net::IpAddr};

use http::Uri;
use url::{Host, Url};

use crate::{Policy, Reach, Refusal, policy::is_name};

/// As long as what browsers and proxies take without ado.
const LONGEST: usize = 2048;

/// Last labels of names that are nobody's on the public internet (RFC 2606, 6761, 6762, 7686, 8375, 9476, ICANN's
/// `internal`), or that networks use as if they were.
const PRIVATE: &[&str] = &[
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "arpa",
    "test",
    "invalid",
    "example",
    "onion",
    "alt",
];

/// Where a webhook goes: a URL that a [`Policy`] has let pass.
///
/// That says nothing yet about the addresses behind a name, which may change at any time: the [`Sender`](crate::Sender)
/// looks at them whenever it connects.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    uri: Uri,
    place: Place,
    https: bool,
    port: u16,
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// In lower case, and ASCII.
    Name(String),
    Address(IpAddr),
}

impl Target {
    /// Reads a URL and compares it with the policy.
    ///
    /// The host must be written as it is meant: `2130706433`, `0x7f.1` and `１２７.0.0.1` are found out to be `127.0.0.1`
    /// and refused for that, and `134744072` is refused because other programs may read something else than `8.8.8.8`.
    /// International names are given in their ASCII form (`xn--…`).
    ///
    /// # Errors
    /// [`Refusal`] says what is wrong, and what would be right.
    ///
    /// ```
    /// use cartwright_webhooks::{Policy, Reach, Refusal, Target};
    ///
    /// let target = Target::parse("https://hooks.example.com/orders?key=secret", &Policy::default())?;
    /// assert_eq!((target.host(), target.port()), ("hooks.example.com".to_owned(), 443));
    /// assert_eq!(target.to_string(), "https://hooks.example.com/…");
    ///
    /// let refused = Target::parse("https://0xA9FEA9FE/latest/meta-data", &Policy::default());
    /// assert!(matches!(refused, Err(Refusal::Address { reach: Reach::Metadata, .. })));
    /// # Ok::<(), Refusal>(())
    /// ```
    pub fn parse(url: &str, policy: &Policy) -> Result<Self, Refusal> {
        if url.len() > LONGEST {
            return Err(Refusal::TooLong(LONGEST));
        }
        if url.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(Refusal::Characters);
        }
        // Parsers for browsers also take `https:host` and `https:////host`.
        let unreadable = |why: &str| Refusal::Unreadable(why.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(|| unreadable("it has no scheme"))?;
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return Err(Refusal::Scheme { http: policy.allow_http });
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(Refusal::Userinfo);
        }
        if authority.is_empty() {
            return Err(unreadable("it has no host"));
        }
        let parsed = Url::parse(url).map_err(|error| Refusal::Unreadable(error.to_string()))?;
        if parsed.fragment().is_some() {
            return Err(Refusal::Fragment);
        }
        let target = Self::of(&parsed)?;
        // What is forbidden is said to be that, in whatever notation; then comes how it is written.
        target.permit(policy)?;
        target.as_meant(authority)?;
        Ok(target)
    }

    fn of(parsed: &Url) -> Result<Self, Refusal> {
        let unreadable = |why: &str| Refusal::Unreadable(why.to_owned());
        let place = match parsed.host().ok_or_else(|| unreadable("it has no host"))? {
            Host::Ipv4(address) => Place::Address(address.into()),
            Host::Ipv6(address) => Place::Address(address.into()),
            Host::Domain(name) if is_name(name.strip_suffix('.').unwrap_or(name)) => {
                Place::Name(name.to_owned())
            }
            Host::Domain(_) => return Err(unreadable("its host is not a name that can be looked up")),
        };
        let port = parsed.port_or_known_default().ok_or_else(|| unreadable("it has no port"))?;
        let uri: Uri = parsed
            .as_str()
            .parse()
            .map_err(|error: http::uri::InvalidUri| Refusal::Unreadable(error.to_string()))?;
        // The one was judged and the other is asked: two readers that do not agree are not good enough.
        let same = uri.host() == parsed.host_str() && uri.port_u16() == parsed.port();
        if !same || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(unreadable("its host is ambiguous"));
        }
        Ok(Self { uri, place, https: parsed.scheme() == "https", port })
    }

    /// Compares with a policy, which may be another than that of [`parse`](Self::parse).
    pub(crate) fn permit(&self, policy: &Policy) -> Result<(), Refusal> {
        if !self.https && !policy.allow_http {
            return Err(Refusal::Scheme { http: false });
        }
        let host = self.host();
        match &self.place {
            Place::Address(address) => judge(&host, *address, policy)?,
            Place::Name(name) if !policy.allow_private && is_private(name) => {
                return Err(Refusal::PrivateName { host });
            }
            Place::Name(_) => {}
        }
        let usual = if self.https { 443 } else { 80 };
        if !policy.ports.allow(self.port, usual) {
            let right = policy.ports.describe(usual);
            return Err(Refusal::Port { host, port: self.port, right });
        }
        if !policy.lists(&host) {
            return Err(Refusal::NotListed { host });
        }
        Ok(())
    }

    fn as_meant(&self, authority: &str) -> Result<(), Refusal> {
        let meant = match &self.place {
            // It has one reader only, which takes no octal, no zone and no short forms but `::`.
            Place::Address(IpAddr::V6(_)) => return Ok(()),
            Place::Address(address) => address.to_string(),
            Place::Name(name) => name.strip_suffix('.').unwrap_or(name).to_owned(),
        };
        let written = authority.split(':').next().unwrap_or_default();
        if written.eq_ignore_ascii_case(&meant) { Ok(()) } else { Err(Refusal::NotAsMeant { meant }) }
    }

    /// The host: a name in lower case, or an address without brackets.
    pub fn host(&self) -> String {
        match &self.place {
            Place::Name(name) => name.clone(),
            Place::Address(address) => address.to_string(),
        }
    }

    /// The port, also when the URL does not say one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The whole URL, with what may be secret in it.
    pub fn reveal(&self) -> String {
        self.uri.to_string()
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }
}

/// Whether a webhook may go to this address of the host.
pub(crate) fn judge(host: &str, address: IpAddr, policy: &Policy) -> Result<(), Refusal> {
    let reach = Reach::of(address);
    if reach.permitted(policy.allow_private) {
        return Ok(());
    }
    Err(Refusal::Address { host: host.to_owned(), address, reach })
}

fn is_private(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.rsplit_once('.').is_none_or(|(_, last)| PRIVATE.contains(&last))
}

/// Without path and query: they often hold a secret.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "{scheme}://{authority}/…")
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}
