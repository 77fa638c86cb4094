//! An HTTP cache that comes and goes.

use std::io::{Read, Write};
use std::net::TcpStream;

use cartwright_testkit::{Error, Varnish};

/// Answers by itself, so that no server is needed behind it.
const VCL: &str = r#"
    vcl 4.1;
    backend default none;
    sub vcl_recv { return (synth(204)); }
"#;

fn answers(varnish: &Varnish) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", varnish.port())).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.starts_with("HTTP/1.1 204")
}

#[test]
fn varnish_is_killed_and_started_again_on_its_port() {
    let varnish = Varnish::start(VCL).unwrap();
    assert!(answers(&varnish));
    varnish.pause();
    varnish.resume();
    assert!(answers(&varnish));
    varnish.kill();
    assert!(!varnish.is_running());
    assert!(TcpStream::connect(("127.0.0.1", varnish.port())).is_err());
    varnish.restart();
    assert!(answers(&varnish));
}

#[test]
fn a_wrong_configuration_is_shown() {
    let failure = Varnish::start("vcl 4.1; sub vcl_recv { nonsense }").unwrap_err();
    assert!(matches!(failure, Error::Ended { .. }), "{failure}");
    assert!(failure.to_string().contains("nonsense"), "{failure}");
}
