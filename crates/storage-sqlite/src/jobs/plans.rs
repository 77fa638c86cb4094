//! How the statements find their rows.
