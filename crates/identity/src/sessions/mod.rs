//! Sessions: what a browser is known by between its requests.
//!
//! A session is a secret id of 256 random bits, and a small JSON document. It lasts half an hour after it was last used, and
//! thirty days at most; who logs in gets another id. Stores know only the hash of the id.
//!
//! # How far sessions survive
//!
//! *In the database*: as far as the database does. With synchronous replication nothing is lost at a failover.
//!
//! *On Redis*: as far as Redis does, whose replicas get writes a moment later (usually well under a millisecond; without bound when
//! the network between them is cut). What was written in that moment before a primary died is lost with it:
//!
//! * A session that was just made, or just got its new id at a login, is gone. Its holder logs in again.
//! * What it was just made to carry is what it carried before.
//! * A session that was just **ended**, also by a login or by *log out everywhere*, may be back, under its old id and for the rest
//!   of its lifetime: half an hour after its last use, for as long as somebody uses it up to thirty days. Nobody is told of it.
//!
//! The last one is bounded by `RedisSessionStore::ends_on(n)`: sessions are ended when so many replicas have it, and whoever is
//! not told that it is done tries again. With all the replicas that may be promoted counted in, no failover to one of them brings
//! back what was said to be ended. The price is a round trip between the servers, and that nobody can log out, or in, while a
//! replica is down. It does not help against an old file from which the primary is started anew. Who must be sure of that keeps
//! sessions in the database.
//!
//! A primary that is cut off from its replicas but not from all nodes takes writes until somebody demotes it (`min-replicas-to-write`
//! of Redis makes that a matter of seconds); those are lost. A Redis that cannot be reached is said to be so
//! ([`SessionError::Storage`] with [`Unavailable`](cartwright_storage::StorageError::Unavailable)); no session is made up meanwhile,
//! and none is said to be gone.

mod service;

pub use service::{NobodyListens, SessionError, SessionListener, SessionParts, SessionService};
