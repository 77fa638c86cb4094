//! A receiver that does what a test wants, right or wrong.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use cartwright_webhooks::Headers;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// What it does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Sends this, and waits for the next request.
    Keep(String),
    /// Sends this, and closes.
    Close(String),
    /// Sends this, and says no more.
    Hold(String),
    /// Sends the first, and then the second without end.
    Endless(String, String),
}

impl Answer {
    /// A whole answer.
    pub(crate) fn status(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Keep(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub(crate) fn signed(&self) -> Headers<'_> {
        let [id, timestamp, signature] =
            [Headers::ID, Headers::TIMESTAMP, Headers::SIGNATURE].map(|name| self.header(name));
        Headers { id, timestamp, signature }
    }
}

#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<Received>>,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    port: u16,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start(answer: Answer) -> Self {
        Self::listen(answer, None).await
    }

    pub(crate) async fn start_tls(answer: Answer, acceptor: TlsAcceptor) -> Self {
        Self::listen(answer, Some(acceptor)).await
    }

    async fn listen(answer: Answer, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (answer, seen, acceptor) = (answer.clone(), Arc::clone(&shared), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, answer, &seen).await,
                        // Clients that do not trust us go away here.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, answer, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, seen, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://hooks.example.com:{}/orders?key=hidden", self.port)
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.seen.requests.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Answer, seen: &Seen) {
    while let Some(received) = request(&mut stream).await {
        seen.requests.lock().unwrap().push(received);
        let (Answer::Keep(text) | Answer::Close(text) | Answer::Hold(text) | Answer::Endless(text, _)) =
            &answer;
        if stream.write_all(text.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        match &answer {
            Answer::Keep(_) => {}
            Answer::Close(_) => return,
            Answer::Hold(_) => std::future::pending().await,
            Answer::Endless(_, more) => while stream.write_all(more.as_bytes()).await.is_ok() {},
        }
    }
}

/// `None`: there is no more.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
            return None;
        }
    };
    let body = bytes.split_off(end);
    let mut received = Received { head: String::from_utf8(bytes).unwrap(), body };
    let length: usize = received.header("content-length").parse().unwrap();
    while received.body.len() < length {
        if stream.read_buf(&mut received.body).await.unwrap_or_default() == 0 {
            return None;
        }
    }
    Some(received)
}
