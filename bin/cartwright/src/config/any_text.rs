//! Whatever stands in the file or in the environment: it is read, or the error names the key and not what may be a secret.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{SECTIONS, Settings};

fn key() -> impl Strategy<Value = String> {
    let known = select(vec![
        "listen",
        "workers",
        "log_format",
        "url",
        "replica_urls",
        "pool_size",
        "redis_url",
        "ttl_seconds",
        "carts",
        "queues",
        "secret",
        "mode",
        "jwks_url",
        "issuers",
        "public_key_files",
        "ports",
        "hosts",
        "trusted_proxies",
        "writes",
        "store",
        "varnish_urls",
        "strategy",
        "lease_seconds",
        "proxy_header",
        "cors_origins",
        "minutes",
    ]);
    prop_oneof![6 => known.prop_map(str::to_owned), 1 => "[A-Za-z0-9_]{0,10}", 1 => "\\PC{0,6}"]
}

fn value() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "postgres://",
        "redis://",
        "https://",
        "shop:",
        "@",
        "127.0.0.1",
        ":8000",
        "/",
        ",",
        "0",
        "-1",
        "true",
        "jwt",
        "99999999999999999999",
        "1e9",
        "10.0.0.0/8",
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        "=",
        "\n",
        "[auth]",
        "#",
        "\\",
        " ",
    ]);
    let text = prop_oneof![5 => piece.prop_map(str::to_owned), 1 => "\\PC{0,5}"];
    vec(text, 0..6).prop_map(|pieces| pieces.concat())
}

const HIDDEN: &str = "hunter2hunter2hunter2hunter2hunter2";

/// With a secret where it may be, it is nowhere in what is said.
fn read(file: Option<&str>, environment: HashMap<String, String>) -> Result<(), TestCaseError> {
    let kept = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kept.path(), file.unwrap_or_default()).unwrap();
    let said = match Settings::from_parts(Some(kept.path()), environment) {
        Ok(settings) => format!("{settings:?}"),
        Err(error) => format!("{error:#} {error:?}"),
    };
    prop_assert!(!said.contains(HIDDEN), "{}", said);
    prop_assert!(said.len() < 20_000, "{}", said);
    Ok(())
}

proptest! {
    #[test]
    fn any_environment_is_read_or_refused(variables in vec((select(&SECTIONS[..]), key(), value()), 0..5), bare in vec((select(vec!["DATABASE_URL", "DATABASE_REPLICA_URLS", "REDIS_URL", "REDIS_REPLICA_URLS", "CACHE_TTL", "CARTWRIGHT", "CARTWRIGHT__"]), value()), 0..3)) {
        let prefixed = variables.into_iter().map(|(section, key, value)| {
            (format!("CARTWRIGHT__{}__{}", section.to_uppercase(), key.to_uppercase()), value)
        });
        let bare = bare.into_iter().map(|(name, value)| (name.to_owned(), value));
        read(None, prefixed.chain(bare).collect())?;
    }

    #[test]
    fn any_file_is_read_or_refused(lines in vec((prop::option::of(select(&SECTIONS[..])), key(), value(), any::<bool>()), 0..6), noise in prop::option::weighted(0.1, any::<String>())) {
        let mut file = noise.unwrap_or_default();
        for (section, key, value, quoted) in lines {
            if let Some(section) = section {
                file.push_str(&format!("[{section}]\n"));
            }
            let value = if quoted { toml(&value) } else { value };
            file.push_str(&format!("{key} = {value}\n"));
        }
        read(Some(&file), HashMap::new())?;
    }

    /// However a secret is written, also where it does not belong.
    #[test]
    fn a_secret_is_never_said(front in value(), back in value(), quoted: bool, login: bool, at in select(vec![
        ("auth", "secret"), ("auth", "jwks_url"), ("database", "url"), ("database", "replica_urls"), ("cache", "redis_url"),
        ("cache", "redis_replica_urls"), ("edge", "varnish_urls"),
    ])) {
        let (section, key) = at;
        let text = match key {
            "secret" => format!("{front}{HIDDEN}{back}"),
            // Any other text may be the name of a server.
            _ if login => format!("{front}:{HIDDEN}@{back}"),
            _ => format!("{front}?key={HIDDEN}{back}"),
        };
        let name = format!("CARTWRIGHT__{}__{}", section.to_uppercase(), key.to_uppercase());
        let mode = ("CARTWRIGHT__AUTH__MODE".to_owned(), "jwt".to_owned());
        read(None, HashMap::from([mode.clone(), (name, text.clone())]))?;
        let text = if quoted { toml(&text) } else { text };
        read(Some(&format!("[{section}]\n{key} = {text}\n")), HashMap::from([mode]))?;
    }
}

/// A JSON string is one of TOML, too, but for DEL.
fn toml(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}
