//! Private PostgreSQL, Redis topologies and a TCP proxy for tests.
//!
//! Public interface (signatures; the modules carry the documentation):
//!
//! ```text
//! Error                                   thiserror enum; constructors return Result<_, Error>, operations panic with a message
//!
//! Postgres::shared() -> &'static Postgres                 one cluster per test process
//! Postgres::start() -> Result<Postgres, Error>            blocking, also fine inside async tests
//! Postgres::builder().durable(bool).tls(&TlsFiles).setting(name, value).start()
//!   .url(db) -> String     .port() -> u16     .pid() -> u32     .socket_dir() -> &Path   .log() -> String
//!   async .fresh_database() -> String (URL)   async .fresh_database_from(template) -> String
//!   async .fresh_database_with(key, |url| async { migrate }) -> String     migrates a template once, then copies it
//!   .stop_fast() .stop_immediate() .kill() .restart() .pause() .resume()   same port, blocking, &self
//!
//! RedisServer::start() -> Result<RedisServer, Error>
//! RedisServer::builder().port(u16).password(s).acl(line).appendonly(bool).setting(k, v).tls(&TlsFiles)
//!                       .replica_of(host, port).start()
//!   .port() .url() .pid() .log() .pause() .resume() .kill() .restart()
//!   .save_dump() .restore_dump() .promote() .replica_of(host, port) .wait_online(deadline)
//!   async .command(&["SET", "k", "v"]) -> RedisResult<redis::Value>     async .query::<T>(&[..]) -> T
//! RedisTopology::start(n) -> Result<RedisTopology, Error>;  RedisTopology::start_with(builder, n)
//!   .primary: RedisServer   .replicas: Vec<RedisServer>   .wait_online(deadline)
//!
//! ChaosProxy::start(target: SocketAddr) -> ChaosProxy
//!   .addr() .port() .set(Mode) .mode() .connections()
//! Mode::{Pass, Latency(Duration), Cut, BlackHole, Stall, OneWay, Slow { bytes_per_second }}
//!
//! TlsFiles::generate(&["localhost"]) -> TlsFiles { cert, key, ca }     paths of PEM files, always valid for 127.0.0.1
//! ports::free_port() -> u16
//! async eventually(deadline, || async { cond })         async eventually_some(deadline, || async { Option<T> }) -> T
//! ServerProcess::builder(path).arg(..).args(..).env(k, v).current_dir(d).start() -> Result<ServerProcess, Error>
//!   .wait_ready("tcp://127.0.0.1:1" | "http://127.0.0.1:1/health", deadline)
//!   .pause() .resume() .kill() .terminate() .pid() .log() .peak_rss_kb() .is_running() .wait_exit(deadline)
//! ```
