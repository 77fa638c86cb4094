//! Keys that are fetched: a JSON Web Key Set.

mod document;
mod fetch;
mod refresh;
mod settings;

pub(super) use refresh::Remote;
pub use settings::{BadUrl, JwksSettings, JwksUrl};
