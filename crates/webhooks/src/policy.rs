//! What is allowed, how long, and how much.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

/// Where webhooks may go, and what they may cost. The default suits URLs that customers chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether URLs may begin with `http://`. Anybody on the way can read the payload then.
    pub allow_http: bool,
    /// Whether private networks may be reached, this machine among them: for tests and intranets. Names without a dot,
    /// `localhost`, `.internal` and their like are allowed, too. A cloud's metadata is not, even so.
    pub allow_private: bool,
    /// The hosts that may be reached. `None`: any. Empty: none.
    pub hosts: Option<Vec<HostPattern>>,
    /// The ports that may be reached.
    pub ports: Ports,
    /// How long finding the address, connecting and agreeing on TLS may take together.
    pub connect_timeout: Duration,
    /// How long all of it may take, to the last byte that is read.
    pub timeout: Duration,
    /// The bytes of an answer's body that are read, and kept as an excerpt. The head has a limit of its own, 16 KiB.
    pub max_response: usize,
    /// How long a connection is kept for the next message to the same host and port. Zero: not at all.
    pub keep: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow_http: false,
            allow_private: false,
            hosts: None,
            ports: Ports::Usual,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(20),
            max_response: 4096,
            keep: Duration::from_secs(20),
        }
    }
}

impl Policy {
    pub(crate) fn lists(&self, host: &str) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|pattern| pattern.matches(host)))
    }
}

/// Ports that may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// That of the scheme: 443, or 80 for `http`.
    Usual,
    /// That of the scheme, and these.
    Also(Vec<u16>),
    /// Any but 0.
    Any,
}

impl Ports {
    pub(crate) fn allow(&self, port: u16, usual: u16) -> bool {
        port == usual
            || match self {
                Self::Usual => false,
                Self::Also(more) => port != 0 && more.contains(&port),
                Self::Any => port != 0,
            }
    }

    /// For people.
    pub(crate) fn describe(&self, usual: u16) -> String {
        match self {
            Self::Usual => usual.to_string(),
            Self::Also(more) => more.iter().fold(usual.to_string(), |all, port| format!("{all} or {port}")),
            Self::Any => "any but 0".to_owned(),
        }
    }
}

/// An allowed host: one (`hooks.example.com`, `192.0.2.7`), or all below one (`*.example.com`, which is not
/// `example.com` itself).
///
/// ```
/// use cartwright_webhooks::HostPattern;
///
/// let pattern: HostPattern = "*.example.com".parse()?;
/// assert!(pattern.matches("eu.hooks.example.com"));
/// assert!(!pattern.matches("example.com"));
/// assert!(!pattern.matches("evilexample.com"));
/// # Ok::<(), cartwright_webhooks::BadHostPattern>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    below: bool,
    host: String,
}

impl HostPattern {
    /// Whether the host is one of these. Names are in lower case and ASCII, addresses without brackets, as
    /// [`Target::host`](crate::Target::host) has them.
    pub fn matches(&self, host: &str) -> bool {
        if !self.below {
            return host == self.host;
        }
        host.strip_suffix(&self.host)
            .and_then(|front| front.strip_suffix('.'))
            .is_some_and(|front| !front.is_empty())
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.host)
    }
}

/// A text that is not a pattern of hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an allowed host: `hooks.example.com`, `*.example.com` or an IP address would be right")]
pub struct BadHostPattern(String);

impl FromStr for HostPattern {
    type Err = BadHostPattern;

    fn from_str(text: &str) -> Result<Self, BadHostPattern> {
        let unbracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = unbracketed.parse::<IpAddr>() {
            return Ok(Self { below: false, host: address.to_string() });
        }
        let (below, host) = text.strip_prefix("*.").map_or((false, text), |host| (true, host));
        let host = host.to_ascii_lowercase();
        // A URL has no name that ends in a number: it would be an address.
        let numeric =
            host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if numeric || !is_name(&host) {
            return Err(BadHostPattern(text.to_owned()));
        }
        Ok(Self { below, host })
    }
}

/// Whether it is a name that can be looked up, in ASCII.
pub(crate) fn is_name(host: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    host.len() <= 253
        && host.split('.').all(|label| (1..=63).contains(&label.len()) && label.bytes().all(safe))
}

#[cfg(test)]
mod tests {
    use super::{HostPattern, Policy, Ports};

    #[test]
    fn patterns_match_whole_labels() {
        for (pattern, host, expected) in [
            ("example.com", "example.com", true),
            ("EXAMPLE.com", "example.com", true),
            ("example.com", "www.example.com", false),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "wwwexample.com", false),
            ("*.example.com", "example.com.evil.net", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("[2606:4700:0::1]", "2606:4700::1", true),
        ] {
            assert_eq!(pattern.parse::<HostPattern>().unwrap().matches(host), expected, "{pattern} {host}");
        }
        for bad in
            ["", "*", "*.", "a.*.b", "*a.b", "a..b", "a.b.", "http://a", "a:1", "é", "*.0.0.1", "256.1.1.1"]
        {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_list_is_any_and_an_empty_one_is_none() {
        assert!(Policy::default().lists("example.com"));
        assert!(!Policy { hosts: Some(vec![]), ..Policy::default() }.lists("example.com"));
    }

    #[test]
    fn ports() {
        assert!(Ports::Usual.allow(443, 443) && !Ports::Usual.allow(8443, 443));
        assert!(Ports::Also(vec![8443, 0]).allow(8443, 443) && !Ports::Also(vec![0]).allow(0, 443));
        assert!(Ports::Any.allow(6379, 443) && !Ports::Any.allow(0, 443));
        assert_eq!(Ports::Also(vec![8443]).describe(443), "443 or 8443");
    }
}
