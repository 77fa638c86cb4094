//! What the test kit promises, against real servers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

mod chromium;
mod lifetime;
mod postgres;
mod process;
mod proxy;
mod redis_servers;
mod tls;
mod varnish;
mod waiting;

use std::time::Duration;

/// Long enough for a busy machine; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);
