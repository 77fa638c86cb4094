//! One direction of a connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Mode;
use super::connection::Losses;

/// How much is read at once.
const CHUNK: usize = 16 * 1024;
/// How many chunks may be under way: 4 MB, more than what 100 ms of latency need at test speeds.
const UNDER_WAY: usize = 256;
/// How often a slow connection gets a portion.
const TICK: Duration = Duration::from_millis(50);

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

impl Direction {
    /// Whether the mode throws away bytes of this direction.
    pub(super) fn swallows(self, mode: Mode) -> bool {
        mode == Mode::BlackHole || (mode == Mode::OneWay && self == Self::Downstream)
    }
}

/// Bytes and when they are due at the other end; an end of the stream has none.
struct Chunk {
    bytes: Vec<u8>,
    due: Instant,
}

/// Passes bytes on until the stream ends, then its end.
pub(super) async fn run(
    direction: Direction,
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    mode: watch::Receiver<Mode>,
    losses: &Losses,
) -> std::io::Result<()> {
    // Read and write apart, so that latency delays bytes without limiting how many are under way.
    let (sender, receiver) = mpsc::channel(UNDER_WAY);
    let write = write(direction, receiver, to, mode.clone(), losses);
    tokio::try_join!(read(from, sender, mode), write).map(|_| ())
}

/// The near end: notes when each chunk has to come out.
async fn read(
    mut from: ReadHalf<'_>,
    sender: mpsc::Sender<Chunk>,
    mut mode: watch::Receiver<Mode>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let current = *mode.borrow_and_update();
        if current == Mode::Stall {
            if mode.changed().await.is_err() {
                return Ok(());
            }
            continue;
        }
        let (size, pause) = portion(current);
        let read = tokio::select! {
            read = from.read(buffer.get_mut(..size).unwrap_or_default()) => read?,
            changed = mode.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return Ok(()),
            },
        };
        let delay = if let Mode::Latency(delay) = current { delay } else { Duration::ZERO };
        let bytes = buffer.get(..read).unwrap_or_default().to_vec();
        // The far end only goes away with an error, which ends both.
        if sender.send(Chunk { bytes, due: Instant::now() + delay }).await.is_err() || read == 0 {
            return Ok(());
        }
        if let Some(pause) = pause {
            // In proportion to what there was, so that small messages are not held up for a tick.
            let share = u32::try_from(read).unwrap_or(u32::MAX);
            tokio::time::sleep(pause * share / u32::try_from(size).unwrap_or(u32::MAX)).await;
        }
    }
}

/// How much to read at once, and for how long such a portion occupies the line.
fn portion(mode: Mode) -> (usize, Option<Duration>) {
    let Mode::Slow { bytes_per_second } = mode else { return (CHUNK, None) };
    let rate = bytes_per_second.max(1);
    let per_tick = rate / 20;
    if per_tick == 0 {
        return (1, Some(Duration::from_secs(1) / rate));
    }
    let size = CHUNK.min(per_tick as usize);
    let occupied = TICK * u32::try_from(size).unwrap_or(u32::MAX) / per_tick;
    (size, Some(occupied))
}

/// The far end: writes each chunk when it is due, if the mode lets it pass.
async fn write(
    direction: Direction,
    mut receiver: mpsc::Receiver<Chunk>,
    mut to: WriteHalf<'_>,
    mut mode: watch::Receiver<Mode>,
    losses: &Losses,
) -> std::io::Result<()> {
    while let Some(chunk) = receiver.recv().await {
        tokio::time::sleep_until(chunk.due).await;
        // What was under way when the line stalled arrives after it.
        while *mode.borrow_and_update() == Mode::Stall {
            if mode.changed().await.is_err() {
                return Ok(());
            }
        }
        let current = *mode.borrow();
        if direction.swallows(current) {
            // Also an end that nobody learns of is a loss.
            losses.note(direction);
        } else if chunk.bytes.is_empty() {
            to.shutdown().await?;
        } else {
            to.write_all(&chunk.bytes).await?;
        }
    }
    Ok(())
}

/// Throws away what a client says whose server was never connected to, until the mode changes; `None`
/// when the client has gone.
pub(super) async fn swallow(
    client: &mut TcpStream,
    mode: &mut watch::Receiver<Mode>,
    losses: &Losses,
) -> Option<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = tokio::select! {
            read = client.read(&mut buffer) => read.ok()?,
            changed = mode.changed() => return changed.ok(),
        };
        if read == 0 {
            return None;
        }
        losses.note(Direction::Upstream);
    }
}
