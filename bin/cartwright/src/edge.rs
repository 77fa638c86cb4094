//! Telling the HTTP caches in front, as configured.

use std::sync::Arc;

use cartwright_edge::{Pace, Purger, Varnish};

use crate::config;

/// Starts telling on the current runtime, which must be the one that ends last.
pub(crate) async fn start(edge: &config::Edge) -> anyhow::Result<Purger> {
    let mut purger = Purger::builder();
    for url in &edge.varnish_urls {
        purger = purger.edge(url, Arc::new(Varnish::new(url)?), Pace::VARNISH);
    }
    #[cfg(feature = "cloudfront")]
    if let Some(id) = &edge.cloudfront_distribution {
        let distribution =
            cartwright_edge::CloudFront::from_environment(id, Arc::new(cloudfront::paths_of)).await;
        purger = purger.edge(format!("cloudfront {id}"), Arc::new(distribution), Pace::CDN);
    }
    Ok(purger.start())
}

/// CloudFront knows paths only. Tested without its feature, too: that needs no AWS SDK.
#[cfg(any(feature = "cloudfront", test))]
mod cloudfront {
    use cartwright_edge::SurrogateKey;
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

    /// What clients leave as it is in a segment of a path.
    const SEGMENT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'@');

    /// The paths of the answers that depend on a key. A key that was cut because it was too long has none of its own.
    pub(super) fn paths_of(key: &SurrogateKey) -> Vec<String> {
        match key.as_str().split_once(':') {
            Some((_, id)) if id.contains("%%") => vec!["/api/v1/*".to_owned()],
            Some(("product", id)) => {
                let id = segment(id);
                vec![format!("/api/v1/products/{id}/cached"), format!("/api/v1/products/{id}/related*")]
            }
            Some(("category", name)) => {
                let name = segment(name);
                vec![format!("/api/v1/categories/{name}/products*")]
            }
            _ => match key.as_str() {
                "catalog" => vec![
                    "/api/v1/products".to_owned(),
                    "/api/v1/products?*".to_owned(),
                    "/api/v1/categories".to_owned(),
                    "/api/v1/search*".to_owned(),
                ],
                "search" => vec!["/api/v1/search*".to_owned()],
                _ => vec!["/api/v1/*".to_owned()],
            },
        }
    }

    /// The encoding of keys is stricter than that of paths.
    fn segment(encoded: &str) -> String {
        let text = percent_decode_str(encoded).decode_utf8_lossy();
        utf8_percent_encode(&text, SEGMENT).to_string()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn paths_are_written_as_clients_write_them() {
            let paths = |key: SurrogateKey| paths_of(&key);
            assert_eq!(
                paths(SurrogateKey::of("product", "a.b@c")),
                ["/api/v1/products/a.b@c/cached", "/api/v1/products/a.b@c/related*"]
            );
            assert_eq!(
                paths(SurrogateKey::of("category", "Käse & Wein")),
                ["/api/v1/categories/K%C3%A4se%20%26%20Wein/products*"]
            );
            assert_eq!(paths(SurrogateKey::of("category", &"x".repeat(500))), ["/api/v1/*"]);
            assert!(paths(SurrogateKey::new("catalog")).contains(&"/api/v1/search*".to_owned()));
        }
    }
}
