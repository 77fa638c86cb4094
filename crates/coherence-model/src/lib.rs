//! A model of the coherence protocol and of the gate, explored exhaustively.
//!
//! The promise is that every cart is **linearizable**: a read that starts after a write was
//! acknowledged returns that write or a later one, whichever node it reaches and whichever Redis
//! replica that node asks. The modules here state the protocol as [`stateright::Model`]s, small
//! enough that every interleaving is visited, and each module lists [mutants](core::Mutant): the
//! same protocol with one of its rules left out. The tests prove that the protocol holds *and* that
//! each rule is needed, for a rule nobody can break a test with is a rule somebody will remove.
//!
//! # The protocol in plain words
//!
//! The database is the truth. Redis holds one key per cart, which is absent, a *token* ("somebody
//! is working on it"), or the cart's document with its version.
//!
//! A **writer** opens a transaction, takes the cart's lock, and only then, in a later statement,
//! loads the cart and the gate. It overwrites the key with a token of its own and waits until every
//! replica has applied that, or until B has passed. Meanwhile it may write its rows, which nobody
//! sees; only COMMIT has to wait. Afterwards it replaces its token by the new document, but only if
//! the token is still there. A writer that is not going to store anything removes the key instead: a
//! key that is gone takes the readers' right to fill away just as a token does. It writes a mark
//! beside it, for what is to be acknowledged must be something that was replicated.
//!
//! A **reader** first asks a replica, in one request, for the cart and for the *heartbeat*. Nodes
//! write a heartbeat to the primary every few milliseconds; a replica that shows the one sent at
//! `t0` has everything the primary had at `t0`. If `t0` is less than B ago the answer is believed.
//! So a replica that misses a token is, by the time that writer commits, believed no more. A reader
//! not satisfied by the replica asks the primary, and if the key is absent leaves a token there,
//! tries the cart's lock *shared*, reads the database and *fills*: it replaces its own token by what
//! it read. Had a writer come in between, the reader's token would be gone; had a writer been at
//! work, the shared lock would not have been given.
//!
//! The **gate** is a database row which says in which *epoch*, hence which Redis primary and which
//! namespace of keys, carts are cached, or that they are not cached at all. Nodes poll it and may
//! believe what they saw for D from when they *asked*. When Redis fails anyone may close the gate; a
//! writer that sees it closed waits D and needs no Redis any more, because nobody is reading from it.
//! It is opened again D after it was closed, always under a namespace that was never used before.
//!
//! # What is modelled where
//!
//! * [`core`]: one cart, one epoch, one replica behind a replication queue; keys expire, writers
//!   crash, fills get lost, and Redis restarts from a dump.
//! * [`gate`]: epochs, leases, closing and opening; no replica, the primary only.
//! * [`replica_set`]: taking a replica out of the set that must acknowledge, without closing.
//!
//! # How to read the models
//!
//! Time is a counter which may stand still for any number of steps but is the same everywhere: the
//! protocol compares only durations measured by one monotonic clock, plus a margin for drift. A
//! process that is paused or dead is one that takes no further step. The commit itself counts as the
//! acknowledgement, which is the earliest moment a client could learn of it, so a read's lower bound
//! is simply the version in the database when it started.

#![expect(
    clippy::indexing_slicing,
    reason = "the indices are the models' own numbers of writers, readers, replicas and epochs"
)]

pub mod core;
pub mod gate;
pub mod replica_set;

/// A moment on the one clock of a model.
pub type Tick = u8;

/// The version of a cart, counted up by every write.
pub type Version = u8;

/// A random value which is never drawn twice; here every attempt simply has its own number.
pub type TokenId = u8;

/// What Redis holds for the cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CartKey {
    /// Nothing: never written, expired or evicted.
    Absent,
    /// Somebody writes or fills; only the holder of this token may store a document.
    Token(TokenId),
    /// The cart at this version.
    Document(Version),
}

impl CartKey {
    /// Compare-and-set, as the script in Redis does it; says whether the document was stored.
    fn replace_token(&mut self, token: TokenId, version: Version) -> bool {
        let held = *self == Self::Token(token);
        if held {
            *self = Self::Document(version);
        }
        held
    }
}

/// The token of a writer, which writes once.
const fn writer_token(writer: usize) -> TokenId {
    writer as TokenId
}

/// The token of a reader's read: a fresh one for each, or a late fill could use an earlier one.
const fn reader_token(reader: usize, reads_left: u8) -> TokenId {
    (reader as TokenId + 1) * 10 + reads_left
}
