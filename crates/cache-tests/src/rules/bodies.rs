use bytes::Bytes;
use cartwright_cache::Document;

use crate::{Kit, kit::owner};

/// Stores each body twice over: with a reader's lease, and with a fence's.
async fn survive(kit: &Kit, name: &str, bodies: &[Vec<u8>]) {
    for (n, body) in bodies.iter().enumerate() {
        let cart = owner(&format!("{name}-{n}"));
        let version = n as u64 + 1;
        let document = Document { version, body: Bytes::from(body.clone()) };
        kit.put(&cart, &document).await;
        // A value that could be mistaken for a token must not answer to its own text.
        let text = String::from_utf8_lossy(body).into_owned();
        let lease = kit.fence(std::slice::from_ref(&cart)).await;
        let guessed = cartwright_cache::Lease { token: text.into(), ..lease.clone() };
        kit.store(&cart, &lease, &document).await;
        kit.store(&cart, &guessed, &Document { version: 99, body: Bytes::from_static(b"{}") }).await;
        kit.hit(&cart, &document).await;
    }
}

/// Bytes are bytes.
pub async fn any_body_survives(kit: Kit) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let bodies: Vec<Vec<u8>> = vec![
        b"{}".to_vec(),
        b"{ }".to_vec(),
        b"\0".to_vec(),
        b"\r\n".to_vec(),
        b"$5\r\nhello\r\n".to_vec(),
        b"\xff\xfe\x80".to_vec(),
        every_byte,
        "{\"name\":\"\u{202e}\u{0}\u{1f6d2} d\u{e9}j\u{e0}\\u0000\"}".as_bytes().to_vec(),
        b"\n\n\n".to_vec(),
        b"nil".to_vec(),
        b"redis.call('FLUSHALL')".to_vec(),
    ];
    survive(&kit, "any", &bodies).await;
}

/// A full cart is a large document.
pub async fn large_bodies_survive(kit: Kit) {
    let large: Vec<u8> = (0..200 * 1024_u32).map(|n| (n % 251) as u8).collect();
    survive(&kit, "large", &[large, vec![b'T'; 200 * 1024], vec![0; 65_536], vec![b'x'; 65_535]]).await;
}

/// Whatever marks a token in the cache, a document may begin with it.
pub async fn bodies_that_look_like_tokens_survive(kit: Kit) {
    let token = kit.absent(&owner("someone")).await.token;
    let mut bodies: Vec<Vec<u8>> =
        ["T", "T0", "T1", "Tdeadbeef", "t", "v1\n", "v1\n7\n{}", "1\n", "7", "0", "-1", ":"]
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
    bodies.push(token.as_bytes().to_vec());
    bodies.push(format!("T{token}").into_bytes());
    survive(&kit, "token", &bodies).await;
}

/// The version is kept to its last bit.
pub async fn versions_survive(kit: Kit) {
    for version in [0, 1, 9, 10, 255, 256, (1 << 53) + 1, i64::MAX as u64, u64::MAX] {
        let document = Document { version, body: Bytes::from_static(b"{}") };
        kit.put(&owner(&format!("version-{version}")), &document).await;
    }
}
