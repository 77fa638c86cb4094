//! Real servers for tests: private PostgreSQL clusters, Redis topologies, Varnish, Chromium, any server binary, and a
//! TCP proxy that disturbs the line between them.
//!
//! | To | use |
//! | --- | --- |
//! | get a database | [`Postgres::shared`] and [`Postgres::fresh_database_with`] |
//! | crash a database | [`Postgres::builder`] with `durable(true)`, then [`Postgres::kill`] |
//! | read from a database that lags | [`Postgres::start_replica`], then [`Postgres::pause_replay`] |
//! | get a cache, crash it, roll it back | [`RedisServer`], [`RedisTopology`] |
//! | put an HTTP cache in front | [`Varnish`] |
//! | look at a page as people do | [`Chromium`] |
//! | lose, delay and cut traffic | [`ChaosProxy`] |
//! | run our own server | [`ServerProcess`] |
//! | speak TLS | [`TlsFiles`] |
//! | have secrets looked for in all logs | [`evidence`] |
//! | wait | [`eventually`], [`eventually_some`] |
//!
//! Everything works as root and as an ordinary user, on ports and in folders of its own, beside other
//! test processes and beside servers on the usual ports.
//!
//! **Invariant:** nothing outlives the test process. A panic, a `process::exit` and a SIGKILL all end
//! the servers and remove their folders, because each server has a watchdog that notices the end of the
//! process it was started by. Servers kept in a `static` are therefore fine.
//!
//! The programs come from the system: `apt-get install postgresql redis-server varnish chromium`, or
//! `crates/testkit/install-deps.sh`, which starts no service and has schemathesis, too.
//!
//! Constructors return an [`Error`]. Operations on what was started panic with a message, for a test
//! has no better use for their failure.

#![expect(
    clippy::expect_used,
    reason = "only tests depend on this crate, and a test that cannot go on should say so and end"
)]

mod chromium;
mod error;
pub mod evidence;
mod home;
pub mod locate;
pub mod ports;
mod postgres;
mod process;
mod procfs;
mod proxy;
mod redis_server;
mod supervise;
mod tls;
mod varnish;
mod wait;

pub use self::chromium::Chromium;
pub use self::error::Error;
pub use self::postgres::{Postgres, PostgresBuilder};
pub use self::process::{ServerProcess, ServerProcessBuilder};
pub use self::proxy::{ChaosProxy, Mode};
pub use self::redis_server::{RedisBuilder, RedisServer, RedisTopology};
pub use self::tls::TlsFiles;
pub use self::varnish::Varnish;
pub use self::wait::{eventually, eventually_some};
