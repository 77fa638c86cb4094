use std::{fmt, time::Duration};

use redis::{Client, TlsCertificates};

use crate::{endpoint::Link, survey::ServerReport};

/// Where Redis is, and how it is used.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. The server that takes writes at first.
    pub primary_url: String,
    /// The other servers. After a failover any of them may be the one that takes writes.
    pub replica_urls: Vec<String>,
    /// Certificate authorities for `rediss://`, PEM. `None`: those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// How long a cart stays cached.
    pub ttl: Duration,
    /// How many batches may talk to one server at the same time.
    pub connections: u32,
}

impl RedisOptions {
    /// The usual settings for these servers.
    pub fn new(primary_url: impl Into<String>, replica_urls: Vec<String>) -> Self {
        Self {
            primary_url: primary_url.into(),
            replica_urls,
            ca_pem: None,
            ttl: Duration::from_secs(1800),
            connections: 6,
        }
    }

    pub(crate) fn clients(&self) -> Result<Vec<Client>, ConnectError> {
        std::iter::once(&self.primary_url).chain(&self.replica_urls).map(|url| self.client(url)).collect()
    }

    fn client(&self, url: &str) -> Result<Client, ConnectError> {
        let made = match &self.ca_pem {
            Some(pem) if url.starts_with("rediss://") => Client::build_with_tls(
                url,
                TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) },
            ),
            _ => Client::open(url),
        };
        // The error of the library may repeat the address with its password.
        made.map_err(|error| ConnectError::Url(format!("{:?}", error.kind())))
    }
}

/// Addresses may hold passwords.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("servers", &(1 + self.replica_urls.len()))
            .finish_non_exhaustive()
    }
}

/// Redis cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// An address that is none.
    #[error("not a Redis address such as redis://host:6379 or rediss://user:password@host:6379 ({0})")]
    Url(String),
}

/// `host:port`, without credentials.
pub(crate) fn name(client: &Client) -> String {
    client.get_connection_info().addr().to_string()
}

/// Asks every server of the options who it is: one answer for each, in order, the primary's address first.
///
/// # Errors
/// [`ConnectError`] when an address is none. A server that does not answer is an `Err` in its place.
pub async fn doctor(
    options: &RedisOptions,
) -> Result<Vec<(String, Result<ServerReport, redis::RedisError>)>, ConnectError> {
    let mut reports = Vec::new();
    for client in options.clients()? {
        let report = async { Link::open(&client).await?.report().await };
        reports.push((name(&client), report.await));
    }
    Ok(reports)
}
