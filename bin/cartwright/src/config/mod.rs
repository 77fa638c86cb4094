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

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::from_parts(None, environment.collect())
    }

    const JWT: (&str, &str) = ("CARTWRIGHT__AUTH__MODE", "jwt");

    #[test]
    fn a_secret_stays_as_it_is_and_is_not_shown() {
        let digits = "12345678901234567890123456789012";
        let settings = load(&[JWT, ("CARTWRIGHT__AUTH__SECRET", digits)]).unwrap();
        assert_eq!(settings.auth.secret.as_ref().unwrap().expose(), digits);
        assert_eq!(settings.auth.tokens().unwrap().secrets.len(), 1);
        assert!(!format!("{settings:?}").contains("12345678"));
    }

    fn error(variables: &[(&str, &str)]) -> String {
        format!("{:#}", load(variables).unwrap_err())
    }

    #[test]
    fn the_environment_overrides_the_file_and_the_file_the_defaults() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[server]\nworkers = 3\nlisten = '127.0.0.1:9000'\n").unwrap();
        let environment = [("CARTWRIGHT__SERVER__WORKERS".to_owned(), "5".to_owned())];
        let settings = Settings::from_parts(Some(file.path()), environment.into()).unwrap();
        assert_eq!(settings.server.workers, Some(5));
        assert_eq!(settings.server.listen.to_string(), "127.0.0.1:9000");
        assert_eq!(settings.server.shutdown_seconds, Server::default().shutdown_seconds);
    }

    #[test]
    fn the_well_known_variables_are_read() {
        let settings = load(&[
            ("DATABASE_URL", "postgres://u:hunter2@h/d"),
            ("DATABASE_REPLICA_URLS", "postgres://u:hunter2@r1/d,postgres://u:hunter2@r2/d"),
            ("REDIS_URL", "redis://h:1"),
            ("REDIS_REPLICA_URLS", "redis://h:2, redis://h:3"),
            ("CACHE_TTL", "60"),
        ])
        .unwrap();
        assert_eq!(settings.database.kind().unwrap(), StoreKind::Postgres);
        assert_eq!(settings.database.replica_urls.len(), 2);
        assert_eq!(settings.cache.redis_replica_urls.len(), 2);
        assert_eq!(settings.cache.ttl_seconds, 60);
        assert!(!settings.allow_unlisted().unwrap());
        let printed = format!("{settings:?}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn the_prefixed_variables_win_over_the_well_known_ones() {
        let settings =
            load(&[("CACHE_TTL", "60"), ("CARTWRIGHT__CACHE__TTL_SECONDS", "90")]).unwrap().cache.ttl_seconds;
        assert_eq!(settings, 90);
        let replicas = load(&[
            ("REDIS_URL", "redis://h"),
            ("CARTWRIGHT__CACHE__REDIS_REPLICA_URLS", "redis://a,redis://b"),
        ]);
        assert_eq!(replicas.unwrap().cache.redis_replica_urls.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (variables, names) in [
            (&[("CARTWRIGHT__SERVER__LISEN", "127.0.0.1:1")][..], "server.lisen"),
            (&[("CARTWRIGHT__SRV__LISTEN", "127.0.0.1:1")], "srv"),
            (&[("CARTWRIGHT__SERVER__WORKERS", "many")], "server.workers"),
            (&[("CARTWRIGHT__SERVER__WORKERS", "0")], "server.workers"),
            (&[("CARTWRIGHT__SERVER__LISTEN", "nowhere")], "server.listen"),
            (&[("CARTWRIGHT__SERVER__LOG_FORMAT", "xml")], "server.log_format"),
            (&[("CACHE_TTL", "soon")], "cache.ttl_seconds"),
            (&[("CACHE_TTL", "-5")], "cache.ttl_seconds"),
            (&[("CARTWRIGHT__CACHE__CARTS", "maybe")], "cache.carts"),
            (&[("DATABASE_URL", "mysql://u:hunter2@h/d")], "database.url"),
            (&[("DATABASE_REPLICA_URLS", "postgres://u:hunter2@h/d")], "database.replica_urls"),
            (
                &[("DATABASE_URL", "postgres://h/d"), ("DATABASE_REPLICA_URLS", "sqlite://u:hunter2@h/d")],
                "database.replica_urls",
            ),
            (&[("CARTWRIGHT__EDGE__VARNISH_URLS", "https://u:hunter2@h")], "edge.varnish_urls"),
            (&[("CARTWRIGHT__EDGE__KEEP_SECONDS", "0")], "edge.keep_seconds"),
            (&[("CARTWRIGHT__JOBS__QUEUES", "good,b ad")], "jobs.queues"),
            (&[("CARTWRIGHT__ORDERS__STRATEGY", "hopeful")], "orders.strategy"),
            (&[("CARTWRIGHT__ORDERS__BATCH", "0")], "orders.batch"),
            (&[("CARTWRIGHT__HOLDS__UNITS", "0")], "holds.units"),
            (&[("CARTWRIGHT__HOLDS__SECONDS", "3601")], "holds.seconds"),
            (&[("CARTWRIGHT__JOBS__LEASE_SECONDS", "1")], "jobs.lease_seconds"),
            (&[("CARTWRIGHT__EVENTS__KEEP_HOURS", "0")], "events.keep_hours"),
            (&[("CARTWRIGHT__WEBHOOKS__HOSTS", "hooks.example.com,*")], "webhooks.hosts"),
            (&[("CARTWRIGHT__WEBHOOKS__PORTS", "8443,https")], "webhooks.ports"),
            (&[("CARTWRIGHT__WEBHOOKS__PORTS", "70000")], "webhooks.ports"),
            (&[("REDIS_URL", "http://u:hunter2@h")], "cache.redis_url"),
            (&[("REDIS_REPLICA_URLS", "redis://h")], "cache.redis_url"),
            (&[("CARTWRIGHT__SERVER__LISTEN", "0.0.0.0:8000")], "auth.force"),
            (&[("CARTWRIGHT__SERVER__UNREAD_SECONDS", "0")], "server.unread_seconds"),
            (&[("CARTWRIGHT__OVERLOAD__SEARCHES", "-1")], "overload.searches"),
            (&[("CARTWRIGHT__SESSIONS__STORE", "memory")], "sessions.store"),
            (&[("CARTWRIGHT__SESSIONS__MINUTES", "0")], "sessions.minutes"),
            (&[("CARTWRIGHT__LIMITS__WRITES", "-1")], "limits.writes"),
            (&[("CARTWRIGHT__LIMITS__WRITES", "2000000")], "limits.writes"),
            (&[("CARTWRIGHT__LIMITS__ROOM", "1")], "limits.room"),
            (&[("CARTWRIGHT__LIMITS__TRUSTED_PROXIES", "10.0.0.1/33")], "limits.trusted_proxies"),
            (&[("CARTWRIGHT__LIMITS__PROXY_HEADER", "via")], "limits.proxy_header"),
            (&[("CARTWRIGHT__AUTH__MODE", "basic")], "auth.mode"),
            (&[("CARTWRIGHT__AUTH__MODE", "jwt")], "section `auth`"),
            (&[JWT, ("CARTWRIGHT__AUTH__SECRET", "hunter2-but-short")], "auth.secret"),
            (&[JWT, ("CARTWRIGHT__AUTH__SECRET_FILE", "/nowhere/secret")], "auth.secret_file"),
            (&[JWT, ("CARTWRIGHT__AUTH__PUBLIC_KEY_FILES", "/nowhere/key")], "auth.public_key_files"),
            (&[JWT, ("CARTWRIGHT__AUTH__JWKS_URL", "http://login.example.com/keys")], "auth.jwks_url"),
            (&[JWT, ("CARTWRIGHT__AUTH__ANONYMOUS_ADMIN", "true")], "auth.anonymous_admin"),
        ] {
            let error = error(variables);
            assert!(error.contains(names), "{variables:?}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let forced =
            load(&[("CARTWRIGHT__SERVER__LISTEN", "0.0.0.0:8000"), ("CARTWRIGHT__AUTH__FORCE", "true")]);
        assert!(forced.unwrap().auth.force);
    }

    #[test]
    fn lists_of_ports_are_read_from_anywhere() {
        let ports = |text: &str| load(&[("CARTWRIGHT__WEBHOOKS__PORTS", text)]).unwrap().webhooks.ports;
        assert_eq!((ports("8443"), ports("8443,9443")), (vec![8443], vec![8443, 9443]));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[webhooks]\nports = [8443, 9443]\nhosts = ['*.example.com']\n").unwrap();
        let settings = Settings::from_parts(Some(file.path()), HashMap::new()).unwrap();
        assert_eq!(settings.webhooks.ports, [8443, 9443]);
        assert_eq!(settings.webhooks.policy().unwrap().hosts.unwrap().len(), 1);
    }

    #[test]
    fn a_file_that_was_named_must_exist() {
        let missing = Settings::from_parts(Some(Path::new("/nowhere/cartwright.toml")), HashMap::new());
        assert!(format!("{:#}", missing.unwrap_err()).contains("/nowhere/cartwright.toml"));
    }

    /// The document lists every key there is, and none that is not.
    #[test]
    fn the_document_has_exactly_the_keys_there_are() {
        let document = include_str!("../../../../docs/CONFIGURATION.md");
        let documented: Vec<&str> = document
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(key, _)| key))
            .filter(|key| key.contains('.'))
            .collect();
        assert!(documented.len() > 15, "{documented:?}");
        for key in &documented {
            let variable = format!("CARTWRIGHT__{}", key.to_uppercase().replace('.', "__"));
            // A table is no value of any key: the key is known when the complaint is not about its name.
            let complaint = error(&[(&format!("{variable}__X"), "1")]);
            assert!(!complaint.contains("unknown field"), "{key}: {complaint}");
        }
        for (section, source) in [
            ("server", include_str!("server.rs")),
            ("database", include_str!("database.rs")),
            ("cache", include_str!("cache.rs")),
            ("carts", include_str!("carts.rs")),
            ("catalog", include_str!("catalog.rs")),
            ("edge", include_str!("edge.rs")),
            ("jobs", include_str!("jobs.rs")),
            ("events", include_str!("events.rs")),
            ("webhooks", include_str!("webhooks.rs")),
            ("orders", include_str!("orders.rs")),
            ("holds", include_str!("holds.rs")),
            ("auth", include_str!("auth.rs")),
            ("limits", include_str!("limits.rs")),
            ("overload", include_str!("overload.rs")),
            ("sessions", include_str!("sessions.rs")),
        ] {
            for field in
                source.lines().filter_map(|line| line.strip_prefix("    pub(crate) ")?.split_once(": "))
            {
                let key = format!("{section}.{}", field.0);
                if !field.0.contains("fn ") {
                    assert!(documented.contains(&key.as_str()), "{key} is not in docs/CONFIGURATION.md");
                }
            }
        }
    }
}
