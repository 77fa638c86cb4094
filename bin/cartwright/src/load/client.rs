//! Just enough of an HTTP/1.1 client, over one connection that stays open.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::TcpStream,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer. Its body is there in full.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// One connection to a server.
#[derive(Debug)]
pub(crate) struct Client {
    host: String,
    stream: BufStream<TcpStream>,
}

impl Client {
    /// Connects to `http://host:port`.
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let host =
            url.strip_prefix("http://").with_context(|| format!("{url}: an http:// address is needed"))?;
        let host = host.trim_end_matches('/').to_owned();
        let stream = TcpStream::connect(&host).await.with_context(|| format!("{url} cannot be reached"))?;
        stream.set_nodelay(true)?;
        Ok(Self { host, stream: BufStream::new(stream) })
    }

    /// Sends a request, with a JSON body unless it is empty, and waits for the answer.
    pub(crate) async fn send(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
        self.send_with("", method, path, body).await
    }

    /// The same with more headers, each with its line end.
    pub(crate) async fn send_with(
        &mut self,
        headers: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> anyhow::Result<Answer> {
        let host = &self.host;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}content-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.flush().await?;
        tokio::time::timeout(PATIENCE, self.answer()).await.with_context(|| format!("{method} {path}"))?
    }

    async fn answer(&mut self) -> anyhow::Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let Some(status) = line.split(' ').nth(1).and_then(|status| status.parse().ok()) else {
            bail!("the server closed the connection, or did not answer in HTTP: {line:?}");
        };
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).await?;
            let header = line.trim_end();
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(Answer { status, body })
    }
}
