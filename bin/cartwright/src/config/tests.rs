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
    let replicas =
        load(&[("REDIS_URL", "redis://h"), ("CARTWRIGHT__CACHE__REDIS_REPLICA_URLS", "redis://a,redis://b")]);
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
    let forced = load(&[("CARTWRIGHT__SERVER__LISTEN", "0.0.0.0:8000"), ("CARTWRIGHT__AUTH__FORCE", "true")]);
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
        for field in source.lines().filter_map(|line| line.strip_prefix("    pub(crate) ")?.split_once(": "))
        {
            let key = format!("{section}.{}", field.0);
            if !field.0.contains("fn ") {
                assert!(documented.contains(&key.as_str()), "{key} is not in docs/CONFIGURATION.md");
            }
        }
    }
}
