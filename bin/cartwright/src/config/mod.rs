//! Configuration: defaults → `cartwright.toml` → environment. Every section is a struct of its own; an unknown key or a
//! bad value is an error that names it.

#[cfg(test)]
mod any_text;
mod auth;
mod cache;
mod carts;
mod catalog;
mod database;
mod edge;
mod events;
mod holds;
mod jobs;
mod limits;
mod orders;
mod overload;
mod secret;
mod server;
mod sessions;
#[cfg(test)]
mod tests;
mod webhooks;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::bail;
use config::{Config, ConfigError, Environment, File, FileFormat, Map, Source, Value};
use serde::de::DeserializeOwned;

pub(crate) use self::{
    auth::Auth,
    cache::{Cache, CartCaching},
    carts::Carts,
    catalog::Catalog,
    database::{Database, StoreKind},
    edge::Edge,
    events::Events,
    holds::Holds,
    jobs::{InServe, Jobs},
    limits::Limits,
    orders::Orders,
    overload::Overload,
    secret::{SecretText, SecretUrl},
    server::{LogFormat, Server, half_the_cores},
    sessions::{SessionPlace, Sessions},
    webhooks::Webhooks,
};

/// The file that is read from the working folder when no other is named.
const DEFAULT_FILE: &str = "cartwright.toml";

/// Everything that can be configured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    pub(crate) database: Database,
    pub(crate) cache: Cache,
    pub(crate) carts: Carts,
    pub(crate) catalog: Catalog,
    pub(crate) orders: Orders,
    pub(crate) holds: Holds,
    pub(crate) edge: Edge,
    pub(crate) jobs: Jobs,
    pub(crate) events: Events,
    pub(crate) webhooks: Webhooks,
    pub(crate) auth: Auth,
    pub(crate) limits: Limits,
    pub(crate) overload: Overload,
    pub(crate) sessions: Sessions,
}

const SECTIONS: [&str; 15] = [
    "server", "database", "cache", "carts", "catalog", "orders", "holds", "edge", "jobs", "events",
    "webhooks", "auth", "limits", "overload", "sessions",
];

impl Settings {
    /// Reads the configuration. `file`: instead of `cartwright.toml`; it must then exist.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        // Not `vars()`: somebody else's variable that is no Unicode is none of our business.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::from_parts(file, environment)
    }

    fn from_parts(file: Option<&Path>, environment: HashMap<String, String>) -> anyhow::Result<Self> {
        let (path, required) = match file {
            Some(path) => (path.to_owned(), true),
            None => (PathBuf::from(DEFAULT_FILE), false),
        };
        let merged = Config::builder()
            .add_source(File::from(path).format(FileFormat::Toml).required(required))
            .add_source(WellKnown(environment.clone()))
            .add_source(prefixed(environment))
            .build()
            .map_err(|error| unreadable(&error))?;
        let map = merged.collect().map_err(|error| unreadable(&error))?;
        if let Some(unknown) = map.keys().find(|section| !SECTIONS.contains(&section.as_str())) {
            bail!("configuration: unknown key `{unknown}`; the sections are {}", SECTIONS.join(", "));
        }
        let settings = Self {
            server: section(&map, "server")?,
            database: section(&map, "database")?,
            cache: section(&map, "cache")?,
            carts: section(&map, "carts")?,
            catalog: section(&map, "catalog")?,
            orders: section(&map, "orders")?,
            holds: section(&map, "holds")?,
            edge: section(&map, "edge")?,
            jobs: section(&map, "jobs")?,
            events: section(&map, "events")?,
            webhooks: section(&map, "webhooks")?,
            auth: section(&map, "auth")?,
            limits: section(&map, "limits")?,
            overload: section(&map, "overload")?,
            sessions: section(&map, "sessions")?,
        };
        settings.check()?;
        Ok(settings)
    }

    /// What the types cannot say.
    fn check(&self) -> anyhow::Result<()> {
        self.server.check()?;
        self.database.check()?;
        self.cache.check()?;
        self.carts.check()?;
        self.catalog.check()?;
        self.orders.check()?;
        self.holds.check()?;
        self.edge.check()?;
        self.jobs.check()?;
        self.events.check()?;
        self.webhooks.check()?;
        self.limits.check()?;
        self.sessions.check()?;
        self.auth.check(&self.server)
    }

    /// Whether products outside the catalogue may be added: as configured, or else only on the embedded store.
    pub(crate) fn allow_unlisted(&self) -> anyhow::Result<bool> {
        let embedded = matches!(self.database.kind()?, StoreKind::Sqlite(_));
        Ok(self.carts.allow_unlisted_products.unwrap_or(embedded))
    }
}

/// What the parser says, and where; without the line itself, in which there may be a secret.
fn unreadable(error: &ConfigError) -> anyhow::Error {
    let text = match error {
        ConfigError::FileParse { uri, cause } => {
            format!("{}: {cause}", uri.as_deref().unwrap_or(DEFAULT_FILE))
        }
        other => other.to_string(),
    };
    let is_excerpt =
        |line: &&str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|');
    let said: Vec<&str> = text.lines().filter(|line| !is_excerpt(line)).collect();
    anyhow::anyhow!("the configuration cannot be read: {}", said.join(": "))
}

/// Keys whose values may hold a secret: an error does not repeat them.
const SECRETS: [&str; 7] = [
    "auth.secret",
    "auth.jwks_url",
    "cache.redis_url",
    "cache.redis_replica_urls",
    "database.url",
    "database.replica_urls",
    "edge.varnish_urls",
];

fn section<T: DeserializeOwned + Default>(map: &Map<String, Value>, name: &str) -> anyhow::Result<T> {
    let Some(value) = map.get(name) else { return Ok(T::default()) };
    let Ok(keys) = value.clone().into_table() else {
        bail!("configuration section `{name}`: it is a table, which begins with [{name}]");
    };
    // One key at a time, so that whatever is wrong is told with the key it is wrong with.
    for (key, value) in keys {
        let alone = Value::new(None, Map::from_iter([(key.clone(), value)]));
        if let Err(error) = alone.try_deserialize::<T>() {
            let key = format!("{name}.{key}");
            if SECRETS.contains(&key.as_str()) {
                bail!(
                    "configuration key `{key}`: it is of another type; docs/CONFIGURATION.md has an example"
                );
            }
            bail!("configuration key `{key}`: {error}");
        }
    }
    value
        .clone()
        .try_deserialize()
        .map_err(|error| anyhow::anyhow!("configuration section `{name}`: {error}"))
}

const SECRET: &str = "CARTWRIGHT__AUTH__SECRET";

/// `CARTWRIGHT__SECTION__KEY`.
fn prefixed(mut environment: HashMap<String, String>) -> Environment {
    environment.remove(SECRET);
    Environment::with_prefix("CARTWRIGHT")
        .prefix_separator("__")
        .separator("__")
        .try_parsing(true)
        .list_separator(",")
        .with_list_parse_key("auth.audiences")
        .with_list_parse_key("auth.issuers")
        .with_list_parse_key("auth.public_key_files")
        .with_list_parse_key("auth.token_types")
        .with_list_parse_key("database.replica_urls")
        .with_list_parse_key("cache.redis_replica_urls")
        .with_list_parse_key("edge.varnish_urls")
        .with_list_parse_key("jobs.queues")
        .with_list_parse_key("limits.trusted_proxies")
        .with_list_parse_key("server.cors_origins")
        .with_list_parse_key("webhooks.hosts")
        .with_list_parse_key("webhooks.ports")
        .ignore_empty(true)
        .source(Some(environment))
}

/// The variables that other programs know, too.
#[derive(Debug, Clone)]
struct WellKnown(HashMap<String, String>);

impl Source for WellKnown {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let mut sections: HashMap<&str, Map<String, Value>> = HashMap::new();
        for (variable, section, key) in [
            ("DATABASE_URL", "database", "url"),
            ("DATABASE_REPLICA_URLS", "database", "replica_urls"),
            ("REDIS_URL", "cache", "redis_url"),
            ("REDIS_REPLICA_URLS", "cache", "redis_replica_urls"),
            ("CACHE_TTL", "cache", "ttl_seconds"),
            // As it is: one of digits is no number.
            (SECRET, "auth", "secret"),
        ] {
            let Some(text) = self.0.get(variable).filter(|text| !text.trim().is_empty()) else { continue };
            let origin = Some(variable.to_owned());
            let value = if key.ends_with("replica_urls") {
                let urls = text.split(',').map(|url| url.trim().to_owned()).filter(|url| !url.is_empty());
                Value::new(origin.as_ref(), urls.collect::<Vec<String>>())
            } else {
                Value::new(origin.as_ref(), text.trim().to_owned())
            };
            sections.entry(section).or_default().insert(key.to_owned(), value);
        }
        let named = |(name, keys): (&str, Map<String, Value>)| (name.to_owned(), Value::new(None, keys));
        Ok(sections.into_iter().map(named).collect())
    }
}
