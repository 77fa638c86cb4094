//! A server with answers that a test can change while it runs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// Answers with what was put at a path, and counts how often.
#[derive(Debug)]
pub(crate) struct Origin {
    port: u16,
    pages: Pages,
    task: tokio::task::JoinHandle<()>,
}

type Pages = Arc<Mutex<HashMap<String, Page>>>;

#[derive(Debug, Clone, Default)]
struct Page {
    /// 200 when empty.
    status: &'static str,
    headers: String,
    body: String,
    asked: usize,
    /// The answer is made, but is sent only when there is a permit.
    held: Option<Arc<Semaphore>>,
    last_request: String,
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let pages = Pages::default();
        let shown = Arc::clone(&pages);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, Arc::clone(&shown)));
            }
        });
        Self { port, pages, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Puts a body at a path, with headers as lines that end in `\n`.
    pub(crate) fn put(&self, path: &str, headers: &str, body: &str) {
        self.page(path, |page| {
            page.headers = headers.replace('\n', "\r\n");
            body.clone_into(&mut page.body);
        });
    }

    /// The status line that goes with what is at the path, as in `500 Sorry`.
    pub(crate) fn put_status(&self, path: &str, status: &'static str) {
        self.page(path, |page| page.status = status);
    }

    /// The same as [`put`](Self::put) for something that the edge may keep for longer than a test takes, and that depends on these keys.
    pub(crate) fn put_keyed(&self, path: &str, keys: &[cartwright_edge::SurrogateKey], body: &str) {
        let keys = cartwright_edge::surrogate_keys(keys);
        self.put(path, &format!("Cache-Control: public, s-maxage=3600\nSurrogate-Key: {keys}\n"), body);
    }

    /// How often the path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.page(path, |page| page.asked)
    }

    /// The head of the last request for the path.
    pub(crate) fn last_request(&self, path: &str) -> String {
        self.page(path, |page| page.last_request.clone())
    }

    /// Answers for this path are made as ever, and sent when a permit is added.
    pub(crate) fn hold(&self, path: &str) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.page(path, |page| page.held = Some(Arc::clone(&gate)));
        gate
    }

    pub(crate) fn release(&self, path: &str) {
        self.page(path, |page| page.held = None);
    }

    fn page<T>(&self, path: &str, see: impl FnOnce(&mut Page) -> T) -> T {
        see(self.pages.lock().unwrap().entry(path.to_owned()).or_default())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, pages: Pages) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or_default() == 0 {
            return;
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap();
    let page = pages.lock().unwrap().get_mut(path).map(|page| {
        page.asked += 1;
        page.last_request.clone_from(&request);
        page.clone()
    });
    let page = page.unwrap_or_else(|| Page { status: "404 Not Found", ..Page::default() });
    let status = if page.status.is_empty() { "200 OK" } else { page.status };
    if let Some(gate) = &page.held {
        gate.acquire().await.unwrap().forget();
    }
    let Page { headers, body, .. } = page;
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes()).await;
}
