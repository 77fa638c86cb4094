//! A TCP proxy that misbehaves on command.
//!
//! The idea of a proxy that cuts connections in the middle of a test is that of crates.io's
//! `chaosproxy.rs`; the modes are ours.

mod connection;
mod pump;

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::{Error, ports};

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Bytes pass in both directions.
    #[default]
    Pass,
    /// Bytes pass, each of them this much later, in both directions; so does a connection attempt.
    Latency(Duration),
    /// Existing connections are reset, new ones are refused: the server process is gone.
    Cut,
    /// New connections are accepted; bytes are read and thrown away in both directions; nothing is
    /// ever answered. Connections that have lost bytes are reset when the mode ends.
    BlackHole,
    /// New connections are accepted, nothing is read or written. What was sent arrives when the mode
    /// ends: a short partition, which TCP bridges by sending again.
    Stall,
    /// Bytes of the client arrive, those of the server are thrown away: the request is carried out, but
    /// the client cannot know. Connections that have lost bytes are reset when the mode ends.
    OneWay,
    /// Bytes pass at this rate in each direction of each connection.
    Slow {
        /// The rate; 0 counts as 1.
        bytes_per_second: u32,
    },
}

/// A TCP proxy on 127.0.0.1 in front of a server.
///
/// It runs on a thread of its own, so it works with any runtime, and is gone when dropped. The server
/// is only connected to when a client connects, so it may be down at the start.
///
/// ```no_run
/// # fn main() -> Result<(), cartwright_testkit::Error> {
/// use cartwright_testkit::{ChaosProxy, Mode, RedisServer};
///
/// let redis = RedisServer::start()?;
/// let proxy = ChaosProxy::start(([127, 0, 0, 1], redis.port()))?;
/// let url = redis.url_via(proxy.port());
/// proxy.set(Mode::BlackHole);
/// proxy.set(Mode::Pass);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ChaosProxy {
    addr: SocketAddr,
    mode: watch::Receiver<Mode>,
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// What the proxy's thread is asked.
#[derive(Debug)]
enum Order {
    /// Change the mode; the answer comes when it is in force.
    Set(Mode, oneshot::Sender<()>),
    /// Count the open connections.
    Count(oneshot::Sender<usize>),
}

impl ChaosProxy {
    /// Starts a proxy on a free port, in the mode [`Pass`](Mode::Pass).
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot listen or have a thread.
    pub fn start(target: impl Into<SocketAddr>) -> Result<Self, Error> {
        let target = target.into();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io("build the proxy's runtime"))?;
        let (listener, addr) = {
            let _inside = runtime.enter();
            listen_somewhere()?
        };
        let (orders, inbox) = mpsc::unbounded_channel();
        let (sender, mode) = watch::channel(Mode::default());
        let thread = std::thread::Builder::new()
            .name(format!("chaos-proxy-{}", addr.port()))
            .spawn(move || runtime.block_on(serve(listener, addr, target, sender, inbox)))
            .map_err(Error::io("start the proxy's thread"))?;
        Ok(Self { addr, mode, orders: Some(orders), thread: Some(thread) })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port where clients connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Changes the mode. When this returns, it is in force for new connections, and
    /// [`Cut`](Mode::Cut) has closed the existing ones.
    ///
    /// # Panics
    ///
    /// When the proxy could not listen again after [`Cut`](Mode::Cut), because its port was taken.
    #[track_caller]
    pub fn set(&self, mode: Mode) {
        self.ask(|answer| Order::Set(mode, answer));
    }

    /// The mode of the moment.
    #[must_use]
    pub fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// How many connections of clients are open.
    #[must_use]
    #[track_caller]
    pub fn connections(&self) -> usize {
        self.ask(Order::Count)
    }

    /// Gives an order and waits for the answer, on a plain channel: the caller may be on a runtime.
    #[track_caller]
    fn ask<T: Send>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> T {
        let (answer, answered) = oneshot::channel();
        let sent = self.orders.as_ref().is_some_and(|orders| orders.send(order(answer)).is_ok());
        assert!(sent, "the proxy on {} has ended", self.addr);
        crate::wait::block_on(answered)
            .unwrap_or_else(|_| panic!("the proxy on {} could not do that", self.addr))
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The proxy's thread: accepts clients and follows orders, until nobody can give any.
async fn serve(
    listener: TcpListener,
    addr: SocketAddr,
    target: SocketAddr,
    mode: watch::Sender<Mode>,
    mut inbox: mpsc::UnboundedReceiver<Order>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            order = inbox.recv() => match order {
                None => return,
                Some(Order::Count(answer)) => {
                    let _ = answer.send(connections.len());
                }
                Some(Order::Set(next, answer)) => {
                    if next == Mode::Cut {
                        // Whoever is in the backlog is reset by the system.
                        listener = None;
                    } else if listener.is_none() {
                        // No answer is given when this fails, at which the caller panics.
                        let Ok(again) = listen(addr) else { return };
                        listener = Some(again);
                    }
                    mode.send_replace(next);
                    if next == Mode::Cut {
                        while connections.join_next().await.is_some() {}
                    }
                    let _ = answer.send(());
                }
            },
            Some(_) = connections.join_next() => {}
            client = accept(listener.as_ref()) => {
                if let Some(client) = client {
                    connections.spawn(connection::run(client, target, mode.subscribe()));
                }
            }
        }
    }
}

/// The next client; waits for ever when nobody listens.
async fn accept(listener: Option<&TcpListener>) -> Option<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.ok().map(|(client, _)| client),
        None => std::future::pending().await,
    }
}

/// Listens on the first free port that nobody else takes meanwhile.
fn listen_somewhere() -> Result<(TcpListener, SocketAddr), Error> {
    let mut attempts = 0;
    loop {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free_port()));
        match listen(addr) {
            Ok(listener) => return Ok((listener, addr)),
            Err(_) if attempts < 5 => attempts += 1,
            Err(source) => return Err(Error::Io { action: format!("listen on {addr}"), source }),
        }
    }
}

/// Listens there, also when connections of a listener before are not forgotten yet.
fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(1024)
}
