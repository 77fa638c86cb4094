//! The binary as a user runs it: real processes, real databases.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say so and end"
)]

mod callers;
#[path = "../../src/load/client.rs"]
mod client;
mod commands;
mod events;
mod hanging;
mod histories;
mod kills;
mod kit;
mod logs;
mod nodes;
mod products;
#[path = "../../../../crates/events/tests/it/receiver.rs"]
mod receiver;
mod redis_user;
mod rush;
mod schemathesis;
mod secrets;
mod serve;
mod slow;
mod smuggling;
mod tokens;
mod workers;
