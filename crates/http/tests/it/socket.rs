//! The application behind a real socket: for requests that no well-behaved client can send.

use std::net::SocketAddr;

use actix_web::{HttpServer, dev::ServerHandle};
use cartwright_testkit::evidence;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::kit::Shop;

/// Serves until it is dropped.
pub(crate) struct Socket {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
}

impl Socket {
    pub(crate) fn open(shop: &Shop) -> Self {
        let state = shop.state.clone();
        let server = HttpServer::new(move || cartwright_http::create_app(state.clone()))
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { address, handle }
    }

    /// All that comes back over a connection of its own until it is closed.
    pub(crate) async fn send(&self, request: &[u8]) -> Vec<u8> {
        evidence::carried(&String::from_utf8_lossy(request));
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}
