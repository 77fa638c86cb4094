use anyhow::ensure;
use cartwright_edge::Varnish;
use cartwright_http::EdgeControl;
use serde::Deserialize;

/// The HTTP caches in front of this node, and what they are told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Edge {
    /// Every Varnish, as `http://host:port`: each node tells all of them what it changes.
    pub(crate) varnish_urls: Vec<String>,
    /// A distribution of Amazon CloudFront, by its id. Needs a program built with `--features cloudfront`.
    pub(crate) cloudfront_distribution: Option<String>,
    /// For how many seconds an edge may keep what it is told the changes of. Too high: if a node dies before it has told
    /// of a change, the old answer stays for so long. Too low: more requests reach the nodes. Not set: 300 with one of
    /// the above, and without them nobody on the way is told to keep anything for more than five seconds.
    pub(crate) keep_seconds: Option<u32>,
}

impl Edge {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for url in &self.varnish_urls {
            if let Err(error) = Varnish::new(url) {
                anyhow::bail!("configuration key `edge.varnish_urls`: {error}");
            }
        }
        if let Some(id) = &self.cloudfront_distribution {
            ensure!(
                cfg!(feature = "cloudfront"),
                "configuration key `edge.cloudfront_distribution`: this program was built without it; build it with \
                 `cargo build --release --features cloudfront`"
            );
            ensure!(
                !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "configuration key `edge.cloudfront_distribution`: it is an id of letters and digits, as in E2EXAMPLE"
            );
        }
        ensure!(
            self.keep_seconds.is_none_or(|seconds| (1..=86_400).contains(&seconds)),
            "configuration key `edge.keep_seconds`: it is from 1 second to a day"
        );
        Ok(())
    }

    /// What answers say to an edge.
    pub(crate) fn control(&self) -> EdgeControl {
        let told = !self.varnish_urls.is_empty() || self.cloudfront_distribution.is_some();
        self.keep_seconds.or(told.then_some(300)).map(EdgeControl::keeps).unwrap_or_default()
    }
}
