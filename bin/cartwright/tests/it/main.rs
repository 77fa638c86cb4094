//! The binary as a user runs it: real processes, real databases.
