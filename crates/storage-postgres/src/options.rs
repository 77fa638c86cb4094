use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use cartwright_storage::{Emission, StorageError};
use tokio_postgres::config::{Config, Host, SslMode};

/// How to reach the database.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, with the parameters of libpq after a `?`. Of those about TLS,
    /// `sslmode` (see [`TlsMode`]) and `sslrootcert` (a PEM file, or `system`) are understood.
    pub url: String,
    /// Replicas that may answer reads of the catalogue, likewise. They are asked in turn.
    pub replicas: Vec<String>,
    /// How long a replica may take, connecting included, before the primary is asked.
    pub replica_timeout: Duration,
    /// The most connections that are open at a time, to each server.
    pub pool_size: u32,
    /// How long to wait for a connection.
    pub acquire_timeout: Duration,
    /// How long any call may take, on the client's clock. The server's own limits are shorter; this one is for a
    /// server that has stopped answering altogether.
    pub call_timeout: Duration,
    /// What is told of.
    pub emission: Emission,
}

impl PostgresOptions {
    /// Ten connections, three seconds to get one, twenty seconds for a call, half a second for a replica.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            replicas: Vec::new(),
            replica_timeout: Duration::from_millis(500),
            pool_size: 10,
            acquire_timeout: Duration::from_secs(3),
            call_timeout: Duration::from_secs(20),
            emission: Emission::default(),
        }
    }
}

impl fmt::Debug for PostgresOptions {
    /// Leaves the URLs out: they have passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("replicas", &self.replicas.len())
            .field("replica_timeout", &self.replica_timeout)
            .field("pool_size", &self.pool_size)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}

/// The `sslmode` of the URL, with libpq's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// `disable`: no TLS.
    Disable,
    /// `prefer`, also when nothing is said: TLS if the server has it, whoever it is.
    Prefer,
    /// `require`: TLS, whoever the server is; but with `sslrootcert` the same as `verify-ca`.
    Require,
    /// `verify-ca`: the certificate must come from a trusted authority.
    VerifyCa,
    /// `verify-full`: and be the host's.
    VerifyFull,
}

/// What the URL says.
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) tls: TlsMode,
    /// Whose certificates are trusted. `None`: the system's authorities.
    pub(crate) roots: Option<PathBuf>,
}

impl Target {
    /// Reads the URL. Errors never repeat its parts: one of them is the password.
    pub(crate) fn parse(url: &str) -> Result<Self, StorageError> {
        let invalid = |what: &str| StorageError::unexpected(format!("the database URL is not valid: {what}"));
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(invalid("it must begin with postgres://"));
        }
        let (base, parameters) = url.split_once('?').unwrap_or((url, ""));
        let (mut tls, mut roots, mut rest) = (TlsMode::Prefer, None, Vec::new());
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=').unwrap_or((parameter, "")) {
                ("sslmode", mode) => {
                    tls = match mode {
                        "disable" => TlsMode::Disable,
                        "prefer" => TlsMode::Prefer,
                        "require" => TlsMode::Require,
                        "verify-ca" => TlsMode::VerifyCa,
                        "verify-full" => TlsMode::VerifyFull,
                        _ => {
                            return Err(invalid(
                                "sslmode is one of disable, prefer, require, verify-ca, verify-full",
                            ));
                        }
                    };
                }
                ("sslrootcert", "" | "system") => roots = None,
                ("sslrootcert", path) => {
                    let path = percent_decoded(path).ok_or_else(|| invalid("sslrootcert is not UTF-8"))?;
                    roots = Some(PathBuf::from(path));
                }
                _ => rest.push(parameter),
            }
        }
        if tls == TlsMode::Require && roots.is_some() {
            tls = TlsMode::VerifyCa;
        }
        let mut config = Config::from_str(&format!("{base}?{}", rest.join("&"))).map_err(invalid_source)?;
        config.ssl_mode(match tls {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        set_defaults(&mut config);
        Ok(Self { config, tls, roots })
    }

    /// Where it goes, for log lines: hosts and database, no user, no password.
    pub(crate) fn describe(&self) -> String {
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        format!("{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }
}

fn invalid_source(error: tokio_postgres::Error) -> StorageError {
    StorageError::Unexpected("the database URL is not valid".into(), Some(Box::new(error)))
}

fn set_defaults(config: &mut Config) {
    if config.get_application_name().is_none() {
        config.application_name("cartwright");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(5));
    }
    // A host that vanished does not say so: give up on unacknowledged bytes after a while.
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(Duration::from_secs(15));
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            decoded.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(url: &str) -> (TlsMode, Option<PathBuf>) {
        let target = Target::parse(url).unwrap();
        (target.tls, target.roots)
    }

    #[test]
    fn the_modes_of_libpq_are_understood() {
        assert_eq!(tls("postgres://h/d"), (TlsMode::Prefer, None));
        assert_eq!(tls("postgres://h/d?sslmode=disable"), (TlsMode::Disable, None));
        assert_eq!(tls("postgresql://h/d?sslmode=require&connect_timeout=3"), (TlsMode::Require, None));
        let (mode, roots) = tls("postgres://h/d?sslrootcert=%2Ftmp%2Fa%20b.pem&sslmode=require");
        assert_eq!((mode, roots), (TlsMode::VerifyCa, Some(PathBuf::from("/tmp/a b.pem"))));
        assert_eq!(tls("postgres://h/d?sslmode=verify-full&sslrootcert=system"), (TlsMode::VerifyFull, None));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for url in
            ["mysql://u:secret@h/d", "postgres://u:secret@h/d?sslmode=maybe", "postgres://u:secret@h/d?x=1"]
        {
            let error = Target::parse(url).err().map(|error| format!("{error} {error:?}")).unwrap();
            assert!(!error.contains("secret"), "{error}");
        }
        let options = PostgresOptions::new("postgres://u:secret@h/d");
        assert!(!format!("{options:?}").contains("secret"));
        let target = Target::parse(&options.url).unwrap();
        assert_eq!(target.describe(), "h/d");
    }
}
