//! Amazon CloudFront, which knows paths and no keys.

use std::{collections::BTreeSet, fmt, sync::Arc};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig};
use aws_sdk_cloudfront::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::create_invalidation::CreateInvalidationError,
    types::{InvalidationBatch, Paths},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::{Purge, PurgeError, SurrogateKey};

/// Paths in one invalidation, if not told otherwise.
const MOST_PATHS: usize = 1000;
/// Paths that CloudFront works on at a time: of one purge with more, some would be refused however often it is tried.
const MOST_UNDER_WAY: usize = 3000;
/// How many of them may end with `*`.
const MOST_WILDCARDS: usize = 15;
/// Stands for all paths.
const EVERYTHING: &str = "/*";

/// The paths of the answers that depend on a key. A path begins with `/`, is percent-encoded as browsers send it, and may
/// end with `*`. CloudFront takes few of the latter at a time: when more than 15 come together, everything is purged.
pub type PathsOf = Arc<dyn Fn(&SurrogateKey) -> Vec<String> + Send + Sync>;

/// One distribution of CloudFront. Its purges are invalidations of paths, which take effect within seconds or minutes.
///
/// Answers are not asked for whether they have; a purge is done when CloudFront has accepted it. Use
/// [`Pace::CDN`](crate::Pace::CDN).
#[derive(Clone)]
pub struct CloudFront {
    client: Client,
    distribution: String,
    paths_of: PathsOf,
    most_paths: usize,
}

impl fmt::Debug for CloudFront {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudFront").field("distribution", &self.distribution).finish_non_exhaustive()
    }
}

impl CloudFront {
    /// A distribution by its id, with what the environment says of credentials (variables, profile, container, machine).
    pub async fn from_environment(distribution: impl Into<String>, paths_of: PathsOf) -> Self {
        let https = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        // CloudFront is the same everywhere, and its requests are signed for this region.
        let settings = aws_config::defaults(BehaviorVersion::latest())
            .region("us-east-1")
            .http_client(https)
            .load()
            .await;
        Self::new(&settings, distribution, paths_of)
    }

    /// The same with settings of the SDK: other credentials, another endpoint.
    pub fn new(settings: &SdkConfig, distribution: impl Into<String>, paths_of: PathsOf) -> Self {
        // The purger tries again, at a pace that spares the limits of the account.
        let settings =
            aws_sdk_cloudfront::config::Builder::from(settings).retry_config(RetryConfig::disabled()).build();
        Self {
            client: Client::from_conf(settings),
            distribution: distribution.into(),
            paths_of,
            most_paths: MOST_PATHS,
        }
    }

    /// At most so many paths in one invalidation, instead of 1,000.
    #[must_use]
    pub fn most_paths(mut self, most: usize) -> Self {
        self.most_paths = most.max(1);
        self
    }

    async fn invalidate(&self, paths: Vec<String>) -> Result<(), PurgeError> {
        let count = i32::try_from(paths.len()).unwrap_or(i32::MAX);
        let paths = Paths::builder().quantity(count).set_items(Some(paths)).build();
        // CloudFront takes an invalidation that it has seen before for the same one: each has a name of its own.
        let name = format!("cartwright-{:032x}", rand::random::<u128>());
        let batch = paths
            .and_then(|paths| InvalidationBatch::builder().paths(paths).caller_reference(name).build())
            .map_err(|error| PurgeError::Rejected(error.to_string()))?;
        let asked = self.client.create_invalidation().distribution_id(&self.distribution);
        asked.invalidation_batch(batch).send().await.map(|_| ()).map_err(refusal)
    }
}

#[async_trait]
impl Purge for CloudFront {
    async fn purge(&self, keys: &[SurrogateKey]) -> Result<(), PurgeError> {
        let mut paths: BTreeSet<String> = keys.iter().flat_map(|key| (self.paths_of)(key)).collect();
        if let Some(bad) = paths.iter().find(|path| !is_path(path)) {
            return Err(PurgeError::Rejected(format!("{bad:?} is not a path")));
        }
        let wildcards = paths.iter().filter(|path| path.ends_with('*')).count();
        if paths.len() > MOST_UNDER_WAY || wildcards > MOST_WILDCARDS {
            let count = paths.len();
            return Err(PurgeError::Rejected(format!("{count} paths at once, {wildcards} of them with *")));
        }
        while !paths.is_empty() {
            let some = paths.iter().take(self.most_paths).cloned().collect::<Vec<_>>();
            paths = some.last().map(|last| paths.split_off(last)).unwrap_or_default();
            paths.pop_first();
            self.invalidate(some).await?;
        }
        Ok(())
    }

    async fn purge_everything(&self) -> Result<(), PurgeError> {
        self.invalidate(vec![EVERYTHING.to_owned()]).await
    }
}

/// Whether CloudFront would take it.
fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= 4000 && path.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Why there was no invalidation.
fn refusal(error: SdkError<CreateInvalidationError>) -> PurgeError {
    match error {
        SdkError::ServiceError(failed) => {
            let error = failed.into_err();
            let code = error.code().unwrap_or("unknown");
            let text = format!("{code}: {}", error.message().unwrap_or("no reason given"));
            match code {
                "InvalidArgument" | "InconsistentQuantities" | "BatchTooLarge" => PurgeError::Rejected(text),
                _ => PurgeError::Refused(text),
            }
        }
        // Neither credentials nor a connection: the text of the SDK is in the causes.
        other => PurgeError::Unreachable(std::io::Error::other(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::is_path;

    #[test]
    fn paths_are_told_from_other_texts() {
        assert!(is_path("/api/v1/products/17*"));
        for bad in ["", "api", "*", "/a b", "/é", "/a\n"] {
            assert!(!is_path(bad), "{bad:?}");
        }
    }
}
