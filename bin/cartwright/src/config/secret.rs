use std::fmt;

use serde::{Deserialize, Deserializer};

/// A URL that may hold a password: Debug and Display leave the credentials and the parameters out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretUrl(String);

impl SecretUrl {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The whole URL, to connect with. Never for people to read.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }
}

/// Where it leads, without what may be a password or a part of one: before the last `@`, for a password may hold one, and
/// from a `?` on. `None`: it cannot be told where a password ends.
fn place<'a>(scheme: &str, rest: &'a str) -> Option<&'a str> {
    let place = match rest.rsplit_once('@') {
        Some((before, _)) if before.contains(['?', '#']) => return None,
        Some((_, place)) => place,
        None => rest,
    };
    let place = place.split(['?', '#']).next()?;
    let authority = place.split('/').next()?;
    // What stands behind a colon is a port, or it is the password of a URL without a host.
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) || authority.ends_with(']');
    (is_port || scheme == "sqlite").then_some(place)
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else { return f.write_str("(no URL)") };
        let place = place(scheme, rest).unwrap_or("(hidden)");
        write!(f, "{scheme}://{place}")
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for SecretUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// A secret: nothing shows it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretText(String);

impl SecretText {
    /// The text. Never for people to read.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        let shown = |url: &str| format!("{} {:?}", SecretUrl::new(url), SecretUrl::new(url));
        assert_eq!(shown("postgres://u:se@cret@h:1/d?password=secret"), "postgres://h:1/d postgres://h:1/d");
        assert_eq!(shown("secret"), "(no URL) (no URL)");
        for (url, expected) in [
            ("postgres://u:se/cret@[::1]:1/d#secret", "postgres://[::1]:1/d"),
            ("postgres://[::1]/d?a=b", "postgres://[::1]/d"),
            ("sqlite://C:/a b.db?key=secret", "sqlite://C:/a b.db"),
            // Whoever forgets to escape his password, or his host.
            ("postgres://u:secret?@h/d", "postgres://(hidden)"),
            ("postgres://h/d?password=a@secret", "postgres://(hidden)"),
            ("postgres://u:a#secret@h/d", "postgres://(hidden)"),
            ("redis://user:secret", "redis://(hidden)"),
        ] {
            assert_eq!(SecretUrl::new(url).to_string(), expected);
        }
    }
}
