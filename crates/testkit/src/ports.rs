//! Ports that nobody else takes, not even another test process on the same machine.
//!
//! Binding port 0 and closing the socket again leaves a gap in which anyone may take the port, and
//! hands out ports of the range from which outgoing connections are served: a server that is killed
//! and restarted may find its port in use by somebody's client. So ports are taken from *below* that
//! range, and each one is claimed for the lifetime of the process by listening on an abstract Unix
//! socket that carries its number. Such sockets live in the network namespace, as ports do, leave no
//! file behind and vanish with the process.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

/// The first port that is handed out.
const LOWEST: u16 = 15_000;
/// How many ports are handed out at most.
const MOST: u16 = 17_000;

/// The claims of this process; dropped by the system when it ends.
static CLAIMS: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// A free TCP port, reserved for this process until it ends.
///
/// Nothing listens on it. Another process that uses this function does not get it; a stranger still
/// may take it, so a server that finds it taken should ask for another one.
///
/// # Panics
///
/// When thousands of ports were tried and none is free.
#[must_use]
pub fn free_port() -> u16 {
    let (first, count) = range();
    let start = RandomState::new().build_hasher().finish();
    for step in 0..u64::from(count) {
        let offset = (start.wrapping_add(step)) % u64::from(count);
        let port = first.saturating_add(u16::try_from(offset).unwrap_or_default());
        if let Some(claim) = claim(port)
            && is_free(port)
        {
            CLAIMS.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
            return port;
        }
    }
    panic!("none of the ports {first}..{} is free", first.saturating_add(count));
}

/// The first port and the number of ports: below the range of outgoing connections when there is
/// room, else above it, else within it.
fn range() -> (u16, u16) {
    let outgoing = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = outgoing.split_whitespace().filter_map(|bound| bound.parse::<u16>().ok());
    let low = bounds.next().unwrap_or(32_768);
    let high = bounds.next().unwrap_or(60_999);
    if low >= LOWEST.saturating_add(1_000) {
        (LOWEST, (low - LOWEST).min(MOST))
    } else if u16::MAX - high >= 1_000 {
        (high + 1, u16::MAX - high - 1)
    } else {
        (LOWEST, MOST)
    }
}

/// Takes the number for this process; `None` when another one has it.
fn claim(port: u16) -> Option<UnixListener> {
    let name = format!("cartwright-testkit-port-{port}");
    let address = SocketAddr::from_abstract_name(name).ok()?;
    UnixListener::bind_addr(&address).ok()
}

/// Whether nobody listens on the port, on this or any other address.
fn is_free(port: u16) -> bool {
    [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED]
        .into_iter()
        .all(|address| TcpListener::bind((address, port)).is_ok())
}
