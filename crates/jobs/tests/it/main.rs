//! Workers on a real store.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests panic to fail")]

mod cancelling;
mod deaths;
mod kit;
mod running;
mod schedules;
mod shutdowns;
