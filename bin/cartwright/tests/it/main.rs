//! The binary as a user runs it: real processes, real databases.

#[path = "../../src/load/client.rs"]
mod client;
mod commands;
mod kit;
mod nodes;
mod serve;
