//! From names to addresses.

use std::{fmt::Debug, io, net::IpAddr};

use async_trait::async_trait;

/// Finds the addresses of a name.
///
/// It is asked once for each connection, and need not be trusted: what it says is judged before it is used.
#[async_trait]
pub trait Resolve: Debug + Send + Sync + 'static {
    /// All addresses of the name, the best first. None: the name has no address.
    ///
    /// # Errors
    /// When there is no answer.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// What the system says: `/etc/hosts`, DNS and whatever else it is configured for.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        // The port plays no part in the answer.
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect())
    }
}
