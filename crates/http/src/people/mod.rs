//! What is kept of people: sessions, profiles, and all of it, erased or handed out.

pub(crate) mod person;
pub(crate) mod profiles;
pub(crate) mod sessions;
pub(crate) mod wire;
