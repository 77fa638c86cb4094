//! The cache-aside cart service: embeddable, knows traits only.
