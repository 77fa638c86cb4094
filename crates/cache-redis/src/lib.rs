//! Coherent carts on Redis: one primary, N read replicas.
