//! A streaming replica of a cluster.

use std::path::Path;

use super::{Postgres, databases::Templates};
use crate::{Error, home, ports, supervise::Supervised};

impl Postgres {
    /// Copies this cluster, which must run, and starts the copy as a hot standby that follows it. It has the same
    /// databases, on a port of its own; waits until it accepts connections, not until it has caught up.
    ///
    /// # Errors
    ///
    /// As [`PostgresBuilder::start`](super::PostgresBuilder::start).
    pub fn start_replica(&self) -> Result<Self, Error> {
        let process = Supervised::new("postgres-replica")?;
        home::private_folder(&process.folder().join("socket"), self.account)?;
        // Made by the copying program itself, as the user it runs as.
        home::private_folder(&process.folder().join("data"), self.account)?;
        let mut replica = Self {
            settings: moved(&self.settings, self.process.folder(), process.folder()),
            process,
            bin: self.bin.clone(),
            account: self.account,
            port: 0,
            templates: Templates::default(),
        };
        let mut copy = replica.command("pg_basebackup");
        copy.arg("--pgdata").arg(replica.data());
        copy.args(["--host=127.0.0.1", "--username=postgres", "--port"]).arg(self.port.to_string());
        copy.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]);
        replica.process.run("pg_basebackup", &mut copy)?;
        replica.port = ports::free_port();
        replica.launch().map(|()| replica)
    }

    /// Stops a replica from replaying what it receives: it stays where it is.
    ///
    /// # Panics
    ///
    /// When it does not, or when this is no replica.
    pub async fn pause_replay(&self) {
        self.execute("SELECT pg_wal_replay_pause()").await;
        self.execute(
            "DO $$ BEGIN \
                 FOR look IN 1..3000 LOOP \
                     IF pg_get_wal_replay_pause_state() = 'paused' THEN RETURN; END IF; \
                     PERFORM pg_sleep(0.01); \
                 END LOOP; \
                 RAISE 'the replay was not paused within 30 s'; \
             END $$",
        )
        .await;
    }

    /// Lets it replay again.
    ///
    /// # Panics
    ///
    /// When this is no replica.
    pub async fn resume_replay(&self) {
        self.execute("SELECT pg_wal_replay_resume()").await;
    }
}

/// Settings with the folder of the copy where they name that of the original.
fn moved(settings: &[(String, String)], from: &Path, to: &Path) -> Vec<(String, String)> {
    let (from, to) = (from.to_string_lossy(), to.to_string_lossy());
    let socket = |name: &str| name == "unix_socket_directories";
    settings
        .iter()
        .map(|(name, value)| {
            let value = if socket(name) { value.replace(&*from, &to) } else { value.clone() };
            (name.clone(), value)
        })
        .collect()
}
