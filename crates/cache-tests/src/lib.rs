//! One conformance suite for every cache.
