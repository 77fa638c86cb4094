//! What the system is asked for about connections.

use std::any::Any;

use actix_web::rt::net::TcpStream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Server;

/// Files that a server has open besides its connections: those to the databases, logs, libraries.
const OTHER_FILES: u64 = 512;

/// Takes as many open files as the system lets this process have: each connection is one, and the usual soft limit is 1,024.
pub(crate) fn raise_file_limit(settings: &Server, workers: usize) {
    let limits = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(settings.max_connections.saturating_mul(workers)).unwrap_or(u64::MAX);
    let wanted = wanted.saturating_add(OTHER_FILES);
    let Some(current) = limits.current.filter(|current| *current < wanted) else { return };
    let raised = limits.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    let has = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limits.maximum }) {
        Ok(()) => raised,
        Err(_refused) => current,
    };
    if has < wanted {
        tracing::info!(
            files = has,
            "fewer open files are allowed than server.max_connections may need: raise the limit (ulimit -n, \
             LimitNOFILE=), or lower the key"
        );
    }
}

/// Ends a connection whose client leaves unread what it asked for, or has gone without a word.
pub(crate) fn close_unread(stream: &dyn Any, seconds: u64) {
    #[cfg(target_os = "linux")]
    if let Some(stream) = stream.downcast_ref::<TcpStream>() {
        let milliseconds = u32::try_from(seconds.saturating_mul(1_000)).unwrap_or(u32::MAX);
        if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds) {
            tracing::debug!(%error, "a connection may stay open although its client does not read");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream.downcast_ref::<TcpStream>(), seconds);
}
