//! The conformance suite on what is in this crate: layers and a bus in the process; and what only this crate can tell.

mod lanes;

use std::sync::Arc;

use cartwright_cache_tests::layered::Parts;
use cartwright_layered::{MemoryBus, MemoryShared};

async fn fresh() -> (Parts, Parts, ()) {
    let parts = Parts { shared: Arc::new(MemoryShared::new()), bus: Arc::new(MemoryBus::new()) };
    (parts.clone(), parts, ())
}

cartwright_cache_tests::layered_conformance!(fresh);
