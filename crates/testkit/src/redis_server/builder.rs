//! The settings of a Redis server.

use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;

use super::RedisServer;
use crate::supervise::Supervised;
use crate::{Error, TlsFiles, evidence, locate, ports};

/// How a server should be, made by [`RedisServer::builder`].
#[derive(Debug, Clone, Default)]
pub struct RedisBuilder {
    port: Option<u16>,
    pub(super) password: Option<String>,
    acl: Vec<String>,
    append_only: bool,
    settings: Vec<(String, String)>,
    pub(super) tls: Option<TlsFiles>,
    follows: Option<(String, u16)>,
}

impl RedisBuilder {
    /// Sets the port; a free one when not set.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the password of the default user, also for following a primary with that password. It
    /// becomes part of the URL, so it should be letters and digits.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        evidence::secret(password);
        self.password = Some(password.to_owned());
        self
    }

    /// Adds a user, in the words of the configuration file after `user`: `"app on >secret ~* +@all"`.
    #[must_use]
    pub fn acl(mut self, user: &str) -> Self {
        self.acl.push(user.to_owned());
        self
    }

    /// Whether writes go to an append-only file, with an fsync for each, and survive a kill.
    #[must_use]
    pub fn appendonly(mut self, append_only: bool) -> Self {
        self.append_only = append_only;
        self
    }

    /// Sets a line of the configuration file; the last value of a name wins.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Speaks TLS, and nothing else, on the port and for replication. Clients need no certificate.
    #[must_use]
    pub fn tls(mut self, files: &TlsFiles) -> Self {
        self.tls = Some(files.clone());
        self
    }

    /// Starts as a replica of another server.
    #[must_use]
    pub fn replica_of(mut self, host: &str, port: u16) -> Self {
        self.follows = Some((host.to_owned(), port));
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when Redis is not installed, [`Error::TooOld`], and the other errors when it
    /// does not start.
    pub fn start(self) -> Result<RedisServer, Error> {
        let program = locate::redis_server()?;
        let follows = self.follows.clone();
        let mut server = RedisServer {
            process: Supervised::new("redis")?,
            program,
            port: self.port.unwrap_or_else(ports::free_port),
            spec: self,
            follows: Mutex::new(follows),
        };
        for _ in 0..5 {
            match server.launch() {
                Err(Error::Ended { log, .. })
                    if server.spec.port.is_none() && log.contains("Address already in use") =>
                {
                    server.port = ports::free_port();
                }
                outcome => return outcome.map(|()| server),
            }
        }
        server.launch().map(|()| server)
    }

    /// The configuration file.
    pub(super) fn config(&self, port: u16, folder: &Path, follows: Option<&(String, u16)>) -> String {
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            "protected-mode no".to_owned(),
            "daemonize no".to_owned(),
            format!("dir {}", folder.display()),
            "save \"\"".to_owned(),
            format!("appendonly {}", if self.append_only { "yes" } else { "no" }),
            "appendfsync always".to_owned(),
            // Replicas attach at once, and notice the end of a link soon.
            "repl-diskless-sync yes".to_owned(),
            "repl-diskless-sync-delay 0".to_owned(),
            "repl-diskless-load swapdb".to_owned(),
            "repl-ping-replica-period 1".to_owned(),
            // Killed or not, nothing but what `save_dump` asks for goes to disk.
            "stop-writes-on-bgsave-error no".to_owned(),
        ];
        match &self.tls {
            None => lines.push(format!("port {port}")),
            Some(files) => lines.extend([
                "port 0".to_owned(),
                format!("tls-port {port}"),
                format!("tls-cert-file {}", files.cert.display()),
                format!("tls-key-file {}", files.key.display()),
                format!("tls-ca-cert-file {}", files.ca.display()),
                "tls-auth-clients no".to_owned(),
                "tls-replication yes".to_owned(),
            ]),
        }
        if let Some(password) = &self.password {
            lines.push(format!("requirepass {password}"));
            lines.push(format!("masterauth {password}"));
        }
        lines.extend(self.acl.iter().map(|user| format!("user {user}")));
        if let Some((host, port)) = follows {
            lines.push(format!("replicaof {host} {port}"));
        }
        lines.extend(self.settings.iter().map(|(name, value)| format!("{name} {value}")));
        lines.iter().fold(String::new(), |mut file, line| {
            let _ = writeln!(file, "{line}");
            file
        })
    }
}
