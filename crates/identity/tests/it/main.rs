//! Tokens, good ones and forged ones, by keys of settings and by keys that are fetched from real servers.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod accepted;
mod forged;
mod forged_claims;
mod forged_signatures;
mod jwks;
mod jwks_answers;
mod kit;
mod metrics;
mod mint;
mod mutations;
mod parsers;
mod server;
mod settings;
mod vectors;
