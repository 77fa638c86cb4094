//! What a shared layer and a bus have to keep, whoever uses them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use cartwright_layered::{Audience, Expect, Head, Heard, Put, Was};

use super::{Nodes, kit::until};

const LONG: Duration = Duration::from_secs(60);

fn head(letter: char, number: u64) -> Head {
    Head::of(format!("{letter}{number:016x}").as_bytes()).unwrap()
}

fn value(head: Head, rest: &[u8]) -> Bytes {
    Bytes::from([head.as_bytes(), rest].concat())
}

fn put(key: &str, expect: Expect, value: Bytes) -> Put {
    Put { key: key.to_owned(), expect, value, ttl: LONG }
}

/// The shared layer of these nodes, and its namespace.
struct Layer<'a>(&'a Nodes, Arc<str>);

impl Nodes {
    fn layer(&self) -> Layer<'_> {
        Layer(self, self.parts.shared.namespace().expect("the layer is in use"))
    }
}

impl Layer<'_> {
    async fn put(&self, puts: &[Put]) -> Vec<Was> {
        let was = self.0.parts.shared.put(&self.1, puts).await.unwrap();
        assert_eq!(was.len(), puts.len(), "one answer for each");
        was
    }

    async fn put_one(&self, one: Put) -> Was {
        self.put(&[one]).await.remove(0)
    }

    async fn read(&self, keys: &[&str]) -> Vec<Option<Bytes>> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let found = self.0.parts.shared.read(&self.1, &keys, true).await.unwrap();
        assert_eq!(found.len(), keys.len(), "one answer for each");
        found
    }

    async fn release(&self, key: &str, mark: Head, leave: Option<(Head, Duration)>) {
        self.0.parts.shared.release(&self.1, &[key.to_owned()], mark, leave).await.unwrap();
    }
}

/// Of those who want to be the first, one is.
pub async fn one_of_many_puts_where_nothing_is(nodes: Nodes) {
    let layer = nodes.layer();
    let puts: Vec<Put> = (0..50).map(|n| put("k", Expect::Absent, value(head('L', n), b""))).collect();
    let was = layer.put(&puts).await;
    assert_eq!(was.iter().filter(|was| was.put).count(), 1);
    let winner = value(head('L', 0), b"");
    assert_eq!(was[0], Was { put: true, before: None });
    assert!(was.iter().skip(1).all(|was| was.before.as_ref() == Some(&winner)));
    assert_eq!(layer.read(&["k"]).await, [Some(winner)]);
}

/// What begins differently is not replaced.
pub async fn a_value_is_replaced_only_by_who_knows_its_head(nodes: Nodes) {
    let layer = nodes.layer();
    let (lease, document) = (head('L', 1), head('D', 2));
    layer.put_one(put("k", Expect::Absent, value(lease, b""))).await;
    let filled = put("k", Expect::Head(lease), value(document, b" body"));
    let was = layer.put_one(filled.clone()).await;
    assert!(was.put);
    assert_eq!(was.before.as_deref().and_then(Head::of), Some(lease));
    let again = layer.put_one(filled).await;
    assert_eq!(again, Was { put: false, before: Some(value(document, b" body")) });
    let missing = layer.put_one(put("other", Expect::Head(lease), value(document, b""))).await;
    assert_eq!(missing, Was { put: false, before: None });
    assert!(layer.put_one(put("k", Expect::Anything, value(head('M', 3), b""))).await.put);
}

/// What runs out is gone.
pub async fn what_is_put_runs_out(nodes: Nodes) {
    let layer = nodes.layer();
    let ttl = Duration::from_millis(30);
    layer.put_one(Put { ttl, ..put("k", Expect::Absent, value(head('L', 1), b"")) }).await;
    until("it has run out", async || layer.read(&["k"]).await == [None]).await;
    assert!(layer.put_one(put("k", Expect::Absent, value(head('L', 2), b""))).await.put);
}

/// The end of one change says nothing of another.
pub async fn a_release_leaves_the_marks_of_others(nodes: Nodes) {
    let layer = nodes.layer();
    let (mine, theirs) = (head('M', 1), head('M', 2));
    layer.put_one(put("k", Expect::Anything, value(theirs, b""))).await;
    layer.release("k", mine, None).await;
    assert_eq!(layer.read(&["k"]).await, [Some(value(theirs, b""))]);
    layer.release("k", theirs, None).await;
    assert_eq!(layer.read(&["k"]).await, [None]);
    for letter in ['D', 'L', 'C'] {
        layer.put_one(put("k", Expect::Anything, value(head(letter, 3), b"x"))).await;
        layer.release("k", mine, None).await;
        assert_eq!(layer.read(&["k"]).await, [None], "{letter} is no mark");
    }
}

/// A release may leave word.
pub async fn a_release_leaves_what_it_is_told_for_a_while(nodes: Nodes) {
    let layer = nodes.layer();
    let (mark, left) = (head('M', 1), head('C', 77));
    layer.put_one(put("k", Expect::Anything, value(mark, b""))).await;
    layer.release("k", mark, Some((left, LONG))).await;
    assert_eq!(layer.read(&["k"]).await, [Some(value(left, b""))]);
    layer.release("k", mark, Some((left, Duration::from_millis(20)))).await;
    until("it has run out", async || layer.read(&["k"]).await == [None]).await;
}

/// Whatever is in keys and values.
pub async fn any_keys_and_values_survive(nodes: Nodes) {
    let layer = nodes.layer();
    let keys = ["", " ", "a:b", "*", "-", "käse 🧀", "\u{202e}x\n\0", &"k".repeat(2000)];
    let body: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for (n, key) in keys.iter().enumerate() {
        let value = value(head('D', n as u64), &body[n..]);
        assert!(layer.put_one(put(key, Expect::Absent, value)).await.put, "{key:?}");
    }
    for (n, found) in layer.read(&keys).await.into_iter().enumerate() {
        assert!(found.unwrap() == value(head('D', n as u64), &body[n..]), "{:?}", keys[n]);
    }
}

/// As many as it takes.
pub async fn thousands_at_once_come_in_order(nodes: Nodes) {
    let layer = nodes.layer();
    let names: Vec<String> = (0..2500).map(|n| format!("many-{n}")).collect();
    let value = |n: usize| value(head('D', n as u64), n.to_string().as_bytes());
    let odd = |n: &usize| n % 2 == 1;
    let puts: Vec<Put> =
        (0..names.len()).filter(odd).map(|n| put(&names[n], Expect::Absent, value(n))).collect();
    assert!(layer.put(&puts).await.iter().all(|was| was.put));
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    for (n, found) in layer.read(&asked).await.into_iter().enumerate() {
        assert_eq!(found, odd(&n).then(|| value(n)), "number {n}");
    }
    assert!(layer.put(&[]).await.is_empty());
    assert!(layer.read(&[]).await.is_empty());
}

/// Another namespace is another world.
pub async fn namespaces_do_not_mix(nodes: Nodes) {
    let layer = nodes.layer();
    layer.put_one(put("k", Expect::Absent, value(head('D', 1), b"x"))).await;
    let elsewhere = nodes.parts.shared.read("elsewhere", &["k".to_owned()], true).await;
    assert!(elsewhere.is_err() || elsewhere.unwrap() == [None]);
}

type Ear = Arc<Mutex<Vec<Heard>>>;

fn ear(bus: &dyn cartwright_layered::Bus) -> Ear {
    let ear = Ear::default();
    let heard = Arc::clone(&ear);
    bus.listen(Box::new(move |message| {
        // The nodes' own traffic is not of interest here.
        if !matches!(&message, Heard::Message(text) if text.starts_with(b"{")) {
            heard.lock().unwrap().push(message);
        }
        true
    }));
    ear
}

/// Also who speaks.
pub async fn everybody_hears_everything_in_order(nodes: Nodes) {
    let bus = &nodes.parts.bus;
    let (one, other) = (ear(&**bus), ear(&**bus));
    let messages: Vec<Bytes> = (0..200).map(|n| Bytes::from(format!("m{n}"))).collect();
    for message in &messages {
        bus.publish(Audience::All, message.clone()).await.unwrap();
    }
    let wanted: Vec<Heard> = messages.into_iter().map(Heard::Message).collect();
    for ear in [one, other] {
        until("all is heard", async || ear.lock().unwrap().len() >= wanted.len()).await;
        assert_eq!(*ear.lock().unwrap(), wanted);
    }
}

/// What a node says to itself comes after what others had said before.
pub async fn an_echo_comes_back_after_what_was_said_before(nodes: Nodes) {
    let bus = &nodes.parts.bus;
    let ear = ear(&**bus);
    for n in 0..50 {
        bus.publish(Audience::All, Bytes::from(format!("all {n}"))).await.unwrap();
        bus.publish(Audience::Echo, Bytes::from(format!("echo {n}"))).await.unwrap();
    }
    until("all is heard", async || ear.lock().unwrap().len() >= 100).await;
    let heard = ear.lock().unwrap().clone();
    for (n, pair) in heard.chunks(2).enumerate() {
        let wanted = [format!("all {n}"), format!("echo {n}")].map(|text| Heard::Message(text.into()));
        assert_eq!(pair, wanted);
    }
}
