//! A receiver of webhooks that answers as a test wants.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use cartwright_webhooks::Headers;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
};

#[derive(Debug, Clone)]
pub(crate) struct Received {
    head: String,
    pub(crate) body: String,
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

    /// The number of the event that it is about.
    pub(crate) fn event(&self) -> u64 {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body["id"].as_str().unwrap().parse().unwrap()
    }
}

#[derive(Default)]
struct Said {
    /// What is still to be answered; then it is 200.
    answers: VecDeque<String>,
    received: Vec<Received>,
}

pub(crate) struct Receiver {
    port: u16,
    said: Arc<Mutex<Said>>,
    /// Closed as soon as it may answer.
    gate: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Answers these statuses in turn, with headers if there are any, and then 200.
    pub(crate) async fn start(answers: &[&str]) -> Self {
        let receiver = Self::hesitant(answers).await;
        receiver.answer();
        receiver
    }

    /// The same, but it waits before it answers, until it is told to.
    pub(crate) async fn hesitant(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = answers.iter().map(ToString::to_string).collect();
        let said = Arc::new(Mutex::new(Said { answers, received: Vec::new() }));
        let (shared, gate) = (Arc::clone(&said), Arc::new(Semaphore::new(0)));
        let wait = Arc::clone(&gate);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared), Arc::clone(&wait)));
            }
        });
        Self { port, said, gate, task }
    }

    /// Answers what has come, and what comes.
    pub(crate) fn answer(&self) {
        self.gate.close();
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/orders", self.port())
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.said.lock().unwrap().received.clone()
    }

    /// The numbers of the events that came, sorted.
    pub(crate) fn events(&self) -> Vec<u64> {
        let mut events: Vec<u64> = self.received().iter().map(Received::event).collect();
        events.sort_unstable();
        events
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, said: Arc<Mutex<Said>>, gate: Arc<Semaphore>) {
    while let Some(received) = request(&mut stream).await {
        let answer = {
            let mut said = said.lock().unwrap();
            said.received.push(received);
            said.answers.pop_front().unwrap_or_else(|| "200 OK".to_owned())
        };
        gate.acquire().await.map(drop).unwrap_err();
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// `None`: there is no more.
async fn request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).unwrap();
    let length =
        Received { head: head.clone(), body: String::new() }.header("content-length").parse().unwrap();
    while body.len() < length {
        if stream.read_buf(&mut body).await.unwrap_or_default() == 0 {
            return None;
        }
    }
    Some(Received { head, body: String::from_utf8(body).unwrap() })
}
