//! Private PostgreSQL, Redis topologies and a TCP proxy for tests.
