//! Profiles: what users keep about themselves, one JSON document each.
//!
//! Cached on Redis for a few minutes by the protocol of `cartwright-cache`'s `DocumentCache`, as histories of orders are: whoever
//! was told that a profile is written finds it so, on whichever node he asks next.

mod service;

pub use service::{ProfileError, ProfileParts, ProfileService, ShownProfile};
