//! Where a receiver wants us to go instead.

use std::fmt;

use http::{HeaderMap, header};

use crate::answer::printable;

/// In characters; it is only shown.
const LONGEST: usize = 200;

/// What a redirect says. Not to be believed.
///
/// It may be our own URL with a stroke more, so `Display` and `Debug` show no path and no query, as for
/// [`Target`](crate::Target).
#[derive(Clone, PartialEq, Eq)]
pub struct Location(String);

impl Location {
    /// As it was said, up to 200 characters.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let bytes = headers.get(header::LOCATION)?.as_bytes();
        let text: String = String::from_utf8_lossy(bytes).chars().take(LONGEST).collect();
        Some(Self(printable(&text)))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = |text: &str| text.is_empty() || text.ends_with(':') && !text.contains(['/', '?', '#']);
        let Some((scheme, rest)) = self.0.split_once("//").filter(|(front, _)| scheme(front)) else {
            return f.write_str("another path there");
        };
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        write!(f, "{scheme}//{host}/…")
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::Location;

    #[test]
    fn locations_are_cut_and_show_no_path() {
        let location = |text: &str| {
            let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_str(text).unwrap())]);
            Location::of(&headers).unwrap()
        };
        assert_eq!(location(&"x".repeat(500)).reveal().len(), 200);
        assert!(Location::of(&HeaderMap::new()).is_none());
        for (text, shown) in [
            ("https://a.example.com:8443/hidden?key=hidden", "https://a.example.com:8443/…"),
            ("https://user:hidden@a.example.com?hidden", "https://a.example.com/…"),
            ("//10.0.0.1/hidden", "//10.0.0.1/…"),
            ("/hidden/?next=https://hidden", "another path there"),
            ("hidden//hidden", "another path there"),
            ("hidden", "another path there"),
            ("", "another path there"),
        ] {
            assert_eq!(format!("{} {0:?}", location(text)), format!("{shown} Location({shown})"));
        }
    }
}
