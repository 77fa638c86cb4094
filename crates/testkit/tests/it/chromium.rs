//! A browser that is there and answers.

use std::io::{Read, Write};
use std::net::TcpStream;

use cartwright_testkit::Chromium;

#[test]
fn chromium_starts_and_ends_with_its_value() {
    let chromium = Chromium::start().unwrap();
    let address = chromium.url().trim_start_matches("ws://").split('/').next().unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET /json/version HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    // It leaves the connection open.
    let (mut answer, mut bytes) = (String::new(), [0; 1024]);
    while !answer.contains("Chrome/") {
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Chrome/"), "{answer}");
    drop(chromium);
    assert!(TcpStream::connect(&address).is_err());
}
