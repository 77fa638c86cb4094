//! A server of keys that does what a test wants, right or wrong.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// What it does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Sends this, and closes.
    Close(String),
    /// Sends this, and says no more.
    Hold(String),
    /// Sends the first, and then the second without end.
    Endless(String, String),
    /// Waits until the test lets it go on, and sends this.
    When(Arc<Notify>, String),
}

impl Answer {
    pub(crate) fn with(status: &str, headers: &str, body: &str) -> Self {
        Self::Close(text(status, headers, body))
    }

    /// A set of these keys.
    pub(crate) fn keys(keys: &[Value]) -> Self {
        Self::with("200 OK", "", &json!({ "keys": keys }).to_string())
    }
}

pub(crate) fn text(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    answer: Mutex<Answer>,
    requests: Mutex<Vec<String>>,
}

impl Server {
    pub(crate) async fn start(answer: Answer) -> Self {
        Self::listen(answer, None).await
    }

    pub(crate) async fn start_tls(answer: Answer, acceptor: TlsAcceptor) -> Self {
        Self::listen(answer, Some(acceptor)).await
    }

    async fn listen(answer: Answer, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { answer: Mutex::new(answer), requests: Mutex::default() });
        let all = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (shared, acceptor) = (Arc::clone(&all), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, &shared).await,
                        // Who does not trust us goes away here.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, &shared).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, shared, task }
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/keys?tenant=1", self.port)
    }

    pub(crate) fn https_url(&self) -> String {
        format!("https://localhost:{}/keys", self.port)
    }

    /// The heads of all requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub(crate) fn looks(&self) -> usize {
        self.requests().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or_default() == 0 {
            return;
        }
    }
    shared.requests.lock().unwrap().push(String::from_utf8(head).unwrap());
    let answer = shared.answer.lock().unwrap().clone();
    if let Answer::When(go, _) = &answer {
        go.notified().await;
    }
    let (Answer::Close(text) | Answer::Hold(text) | Answer::Endless(text, _) | Answer::When(_, text)) =
        &answer;
    if stream.write_all(text.as_bytes()).await.is_err() || stream.flush().await.is_err() {
        return;
    }
    match &answer {
        Answer::Close(_) | Answer::When(..) => _ = stream.shutdown().await,
        Answer::Hold(_) => std::future::pending().await,
        Answer::Endless(_, more) => while stream.write_all(more.as_bytes()).await.is_ok() {},
    }
}
