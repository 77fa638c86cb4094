//! What a cache of carts must do, and the in-process implementation.
