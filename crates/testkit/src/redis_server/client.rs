//! Talking to a Redis server from a test.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisResult, TlsCertificates, Value};

use super::RedisServer;
use crate::error;
use crate::wait::block_on;

/// How long a command of a test may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl RedisServer {
    /// Runs a command on a connection of its own, and returns what the server says. For WAIT, which is
    /// about the writes of its own connection, and for transactions use [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// The server's refusal, such as READONLY on a replica; no connection; no answer within ten
    /// seconds, as when the server is paused.
    pub async fn command(&self, args: &[&str]) -> RedisResult<Value> {
        self.command_within(args, PATIENCE).await
    }

    /// Runs a command that must succeed, and converts the reply.
    ///
    /// # Panics
    ///
    /// When the server refuses or does not answer, or the reply is of another type.
    pub async fn query<T: FromRedisValue>(&self, args: &[&str]) -> T {
        let reply = match self.command(args).await {
            Ok(reply) => reply,
            Err(failure) => panic!("{args:?}: {}", error::chain(&failure)),
        };
        match T::from_redis_value(reply) {
            Ok(value) => value,
            Err(failure) => panic!("{args:?}: {}", error::chain(&failure)),
        }
    }

    /// A connection, for tests that send more than a few commands.
    ///
    /// # Errors
    ///
    /// No connection within ten seconds.
    pub async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        self.connect_within(PATIENCE).await
    }

    pub(super) async fn command_within(&self, args: &[&str], patience: Duration) -> RedisResult<Value> {
        let mut connection = self.connect_within(patience).await?;
        let mut command = redis::Cmd::new();
        for arg in args {
            command.arg(arg);
        }
        command.query_async(&mut connection).await
    }

    /// The same for code that blocks.
    pub(super) fn blocking_command(&self, args: &[&str]) -> RedisResult<Value> {
        block_on(self.command(args))
    }

    async fn connect_within(&self, patience: Duration) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(patience));
        self.client()?.get_multiplexed_async_connection_with_config(&config).await
    }

    fn client(&self) -> RedisResult<Client> {
        let Some(files) = &self.spec.tls else { return Client::open(self.url()) };
        // Fails when the test has chosen a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root_cert = Some(std::fs::read(&files.ca)?);
        Client::build_with_tls(self.url(), TlsCertificates { client_tls: None, root_cert })
    }
}
