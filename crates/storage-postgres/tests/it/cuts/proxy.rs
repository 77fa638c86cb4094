//! A proxy that understands just enough of PostgreSQL's protocol to cut a connection at a given request.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
};

/// Where the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The request does not arrive.
    Before,
    /// It is carried out, and its answer does not arrive.
    After,
}

#[derive(Default)]
struct Plan {
    /// Which request, counted from 1 since it was armed.
    at: Option<(usize, Cut)>,
    seen: usize,
    cut: bool,
}

/// Counts the requests of all its connections: each ends with a `Sync`, or is a simple query.
#[derive(Clone)]
pub(super) struct Proxy {
    addr: SocketAddr,
    plan: Arc<Mutex<Plan>>,
}

impl Proxy {
    pub(super) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { addr: listener.local_addr().unwrap(), plan: Arc::default() };
        let plan = Arc::clone(&proxy.plan);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target, Arc::clone(&plan)));
            }
        });
        proxy
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on, cuts at the so many-th request.
    pub(super) fn arm(&self, nth: usize, cut: Cut) {
        *self.plan.lock().unwrap() = Plan { at: Some((nth, cut)), seen: 0, cut: false };
    }

    /// Cuts no more. Whether it has.
    pub(super) fn disarm(&self) -> bool {
        std::mem::take(&mut *self.plan.lock().unwrap()).cut
    }
}

/// What is to be done about a request.
fn next(plan: &Mutex<Plan>) -> Option<Cut> {
    let mut plan = plan.lock().unwrap();
    plan.seen += 1;
    let (nth, cut) = plan.at?;
    let now = plan.seen == nth;
    plan.cut |= now;
    now.then_some(cut)
}

/// Requests on their way, and a sign that one was answered.
#[derive(Default)]
struct Open {
    unanswered: Mutex<usize>,
    answered: Notify,
    /// Answers do not pass any more. What came before the cut may be lost with it: nobody can rely on it.
    deaf: AtomicBool,
}

async fn serve(client: TcpStream, target: SocketAddr, plan: Arc<Mutex<Plan>>) {
    let server = TcpStream::connect(target).await.unwrap();
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let open = Open::default();
    // Whichever ends, ends both: the sockets are closed when they are dropped.
    tokio::select! {
        _ = requests(from_client, to_server, &plan, &open) => {}
        _ = answers(from_server, to_client, &open) => {}
    }
}

/// `None`: the connection has ended, or was cut.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    plan: &Mutex<Plan>,
    open: &Open,
) -> Option<()> {
    // The first message has no type.
    let startup = message(&mut from, 0).await?;
    to.write_all(&startup).await.ok()?;
    loop {
        let message = message(&mut from, 1).await?;
        let cut = if matches!(message.first(), Some(b'S' | b'Q')) { next(plan) } else { None };
        if cut == Some(Cut::Before) {
            return None;
        }
        if matches!(message.first(), Some(b'S' | b'Q')) {
            *open.unanswered.lock().unwrap() += 1;
        }
        open.deaf.fetch_or(cut == Some(Cut::After), Ordering::Relaxed);
        to.write_all(&message).await.ok()?;
        if cut == Some(Cut::After) {
            // Nothing after it is sent.
            while *open.unanswered.lock().unwrap() > 0 {
                open.answered.notified().await;
            }
            return None;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, open: &Open) -> Option<()> {
    loop {
        let message = message(&mut from, 1).await?;
        if !open.deaf.load(Ordering::Relaxed) {
            to.write_all(&message).await.ok()?;
        }
        if message.first() == Some(&b'Z') {
            let mut unanswered = open.unanswered.lock().unwrap();
            *unanswered = unanswered.saturating_sub(1); // the first one answers the startup
            open.answered.notify_one();
        }
    }
}

/// A whole message, whose length stands behind so many bytes.
async fn message(from: &mut OwnedReadHalf, before: usize) -> Option<Vec<u8>> {
    let mut message = vec![0; before + 4];
    from.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes(message[before..].try_into().unwrap());
    message.resize(before + usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut message[before + 4..]).await.ok()?;
    Some(message)
}
