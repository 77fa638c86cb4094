//! Real nodes under real faults: what clients saw must be linearizable, cart by cart.
//!
//! Each test runs two server processes on a PostgreSQL and a Redis primary with two replicas of its own, puts load on
//! them, repeats its fault until enough operations were made, and checks the history. `HISTORY_OPERATIONS` sets how
//! many that are (20,000 when not set); `CARTWRIGHT_BIN` names a server to test instead of the one of this workspace.
//! Figures are printed with `--nocapture`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and a run reports its figures"
)]

mod broken;
mod cluster;
mod nodes;
mod program;
mod redis_faults;
mod run;

use std::time::Duration;

/// Long enough for a busy machine; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a fault lasts, or how long all is well between two.
async fn hold(milliseconds: std::ops::Range<u64>) {
    tokio::time::sleep(Duration::from_millis(rand::random_range(milliseconds))).await;
}
