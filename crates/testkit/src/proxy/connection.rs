//! One client of the proxy.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Mode;
use super::pump::{self, Direction};

/// Which directions of a connection have had bytes thrown away.
#[derive(Debug, Default)]
pub(super) struct Losses {
    upstream: AtomicBool,
    downstream: AtomicBool,
}

impl Losses {
    pub(super) fn note(&self, direction: Direction) {
        self.of(direction).store(true, Ordering::Relaxed);
    }

    fn of(&self, direction: Direction) -> &AtomicBool {
        match direction {
            Direction::Upstream => &self.upstream,
            Direction::Downstream => &self.downstream,
        }
    }

    /// Whether a direction that has lost bytes would pass further ones: a stream with a hole in it,
    /// which TCP never shows to anybody.
    fn show_in(&self, mode: Mode) -> bool {
        [Direction::Upstream, Direction::Downstream]
            .into_iter()
            .any(|direction| self.of(direction).load(Ordering::Relaxed) && !direction.swallows(mode))
    }
}

/// Serves a client to its end.
pub(super) async fn run(mut client: TcpStream, target: SocketAddr, mode: watch::Receiver<Mode>) {
    let losses = Losses::default();
    // Small writes must not wait for each other in the proxy, or it would add latency of its own.
    let _ = client.set_nodelay(true);
    let mut server = tokio::select! {
        biased;
        () = must_reset(mode.clone(), &losses) => return reset(&client),
        server = connect(&mut client, target, mode.clone(), &losses) => match server {
            Some(server) => server,
            // The server refuses: so do we, as far as that is possible after accepting.
            None => return reset(&client),
        },
    };
    let _ = server.set_nodelay(true);
    let was_reset = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let up = pump::run(Direction::Upstream, client_read, server_write, mode.clone(), &losses);
        let down = pump::run(Direction::Downstream, server_read, client_write, mode.clone(), &losses);
        tokio::select! {
            biased;
            () = must_reset(mode, &losses) => true,
            // An error in one direction is the end of both; an orderly end is passed on and the other
            // direction goes on.
            outcome = async { tokio::try_join!(up, down) } => outcome.is_err(),
        }
    };
    if was_reset {
        reset(&client);
        reset(&server);
    }
}

/// Connects to the server, when the mode lets it happen.
async fn connect(
    client: &mut TcpStream,
    target: SocketAddr,
    mut mode: watch::Receiver<Mode>,
    losses: &Losses,
) -> Option<TcpStream> {
    loop {
        let current = *mode.borrow_and_update();
        match current {
            Mode::Pass | Mode::OneWay | Mode::Slow { .. } => {
                return TcpStream::connect(target).await.ok();
            }
            Mode::Latency(each_way) => {
                tokio::time::sleep(each_way * 2).await;
                return TcpStream::connect(target).await.ok();
            }
            // Reset from outside.
            Mode::Cut => return std::future::pending().await,
            Mode::Stall => mode.changed().await.ok()?,
            Mode::BlackHole => pump::swallow(client, &mut mode, losses).await?,
        }
    }
}

/// Returns when the connection has to be reset.
async fn must_reset(mut mode: watch::Receiver<Mode>, losses: &Losses) {
    loop {
        let current = *mode.borrow_and_update();
        if current == Mode::Cut || losses.show_in(current) {
            return;
        }
        if mode.changed().await.is_err() {
            return;
        }
    }
}

/// Makes the drop of the stream send RST in place of FIN.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
