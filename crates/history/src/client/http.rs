//! As much HTTP/1.1 as the client needs: one request at a time on a connection that is kept.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Source;

/// The longest head and body that are read.
const LONGEST: usize = 1 << 20;

/// A connection to a node. After an error it is of no use any more.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) source: Source,
    /// Whether the connection can be used again.
    pub(super) keep: bool,
    pub(super) body: Vec<u8>,
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    source: Source,
    keep: bool,
    length: usize,
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(8 << 10) })
    }

    /// Sends the bytes of a request and reads the answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> io::Result<Response> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        let head_length = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more().await?;
        };
        let head = parse(self.buffer.get(..head_length).unwrap_or_default())?;
        while self.buffer.len() < head_length + head.length {
            self.read_more().await?;
        }
        let body = self.buffer.get(head_length..head_length + head.length).unwrap_or_default().to_vec();
        Ok(Response { status: head.status, source: head.source, keep: head.keep, body })
    }

    async fn read_more(&mut self) -> io::Result<()> {
        if self.buffer.len() > LONGEST {
            return Err(malformed("the answer is too long"));
        }
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn parse(head: &[u8]) -> io::Result<Head> {
    let text = str::from_utf8(head).map_err(|_not_text| malformed("a head that is not text"))?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|line| line.get(..3)?.parse().ok())
        .ok_or_else(|| malformed("no status line"))?;
    let (mut source, mut keep, mut length) = (Source::Unsaid, true, None);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok(),
            "connection" => keep = !value.eq_ignore_ascii_case("close"),
            "x-cache" => source = Source::named(value),
            _ => {}
        }
    }
    let length = length.ok_or_else(|| malformed("an answer without content-length"))?;
    if length > LONGEST {
        Err(malformed("the answer is too long"))
    } else {
        Ok(Head { status, source, keep, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-Cache: replica\r\nETag: \"3\"\r\n\r\n";
        let expected = Head { status: 200, source: Source::Replica, keep: true, length: 12 };
        assert_eq!(parse(head).unwrap(), expected);
        let head = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let expected = Head { status: 503, source: Source::Unsaid, keep: false, length: 0 };
        assert_eq!(parse(head).unwrap(), expected);
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(parse(b"nonsense\r\n\r\n").is_err());
    }
}
