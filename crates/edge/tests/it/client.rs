//! Asks over one connection each, from any address of this machine.

use std::net::{Ipv4Addr, SocketAddr};

use cartwright_testkit::Varnish;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_hit(&self) -> bool {
        match self.header("x-edge") {
            Some("HIT") => true,
            Some("MISS") => false,
            other => panic!("X-Edge is {other:?} in {self:?}"),
        }
    }
}

pub(crate) async fn get(varnish: &Varnish, path: &str) -> Answer {
    ask(varnish, "GET", path, &[]).await
}

pub(crate) async fn ask(varnish: &Varnish, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask_from(Ipv4Addr::LOCALHOST, varnish, method, path, headers).await
}

pub(crate) async fn ask_from(
    from: Ipv4Addr,
    varnish: &Varnish,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let mut stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, varnish.port()))).await.unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap_or((line, "")));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}
