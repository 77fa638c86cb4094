//! Sessions, profiles and people, on real databases and a real Redis.
#![expect(clippy::unwrap_used, reason = "tests: to panic is how they report")]

mod kit;
mod people;
mod profiles;
mod sessions;
