//! A value with its times, and how both are written where others read them.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended, uncompressed_size};

use crate::CacheValue;

/// The first bytes of whatever stands under a shared key: what it is, and a random number that nothing else has. That
/// makes a value replaceable by compare-and-set without comparing all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head([u8; Head::LEN]);

/// What stands under a shared key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A value.
    Document,
    /// Somebody is loading it, and will fill it in if this still stands here.
    Lease,
    /// Somebody is changing it: nothing may be filled in.
    Mark,
    /// It was changed a moment ago. In place of a random number, where the truth had got to by that.
    Changed,
}

impl Head {
    /// How long it is.
    pub const LEN: usize = 17;

    pub(crate) fn new(what: What) -> Self {
        Self::with(what, rand::random())
    }

    /// What is left in place of what was changed.
    pub(crate) fn changed(position: u64) -> Self {
        Self::with(What::Changed, position)
    }

    fn with(what: What, number: u64) -> Self {
        let letter = match what {
            What::Document => b'D',
            What::Lease => b'L',
            What::Mark => b'M',
            What::Changed => b'C',
        };
        let mut bytes = [letter; Self::LEN];
        let digits = format!("{number:016x}");
        for (to, from) in bytes.iter_mut().skip(1).zip(digits.bytes()) {
            *to = from;
        }
        Self(bytes)
    }

    /// Of a value as it was read. `None`: it is none of ours.
    pub fn of(value: &[u8]) -> Option<Self> {
        let bytes: [u8; Self::LEN] = value.get(..Self::LEN)?.try_into().ok()?;
        let head = Self(bytes);
        head.kind().map(|_| head)
    }

    /// Whether this stands for a change under way.
    pub fn is_mark(&self) -> bool {
        self.kind() == Some(What::Mark)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn kind(&self) -> Option<What> {
        match self.0.first()? {
            b'D' => Some(What::Document),
            b'L' => Some(What::Lease),
            b'M' => Some(What::Mark),
            b'C' => Some(What::Changed),
            _ => None,
        }
    }

    pub(crate) fn position(&self) -> Option<u64> {
        let digits = std::str::from_utf8(self.0.get(1..)?).ok()?;
        u64::from_str_radix(digits, 16).ok().filter(|_| self.kind() == Some(What::Changed))
    }

    pub(crate) fn value(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

/// A value, or that there is none, with its times.
#[derive(Debug, Clone)]
pub(crate) struct Entry<V> {
    pub(crate) head: Head,
    /// `None`: there is nothing under the key.
    pub(crate) value: Option<V>,
    /// When its load began, in milliseconds since 1970.
    pub(crate) made: u64,
    /// For how long after that it is fresh.
    pub(crate) fresh: Duration,
    /// How long the load took.
    pub(crate) cost: Duration,
}

/// Values of so many bytes are compressed: a page of a search goes to all replicas, and into their append-only files.
const LARGE: usize = 1024;
/// A value cannot be larger: what says it is, is none of ours.
const LARGEST: usize = 1 << 26;
/// LZ4 makes no byte of more than so many.
const DENSEST: usize = 256;
/// In milliseconds, some nine thousand years: what says more is none of ours, and sums of some times are still numbers.
const LONGEST: u64 = 1 << 48;

impl<V: CacheValue> Entry<V> {
    /// `D<16 digits> <made> <fresh> <cost> <form>\n<value>`: times in milliseconds; the form is 0 when there is no value, 1
    /// when it stands as it is, 2 when it is compressed (LZ4, behind its length as four bytes, the lowest first).
    pub(crate) fn encode(&self) -> Bytes {
        let plain = self.value.as_ref().map(CacheValue::encode);
        let (form, body) = match plain {
            None => (0, Bytes::new()),
            Some(plain) if plain.len() >= LARGE => (2, compress_prepend_size(&plain).into()),
            Some(plain) => (1, plain),
        };
        let mut text = BytesMut::with_capacity(Head::LEN + 48 + body.len());
        text.put_slice(self.head.as_bytes());
        let (fresh, cost) = (self.fresh.as_millis(), self.cost.as_millis());
        text.put_slice(format!(" {} {fresh} {cost} {form}\n", self.made).as_bytes());
        text.put_slice(&body);
        text.freeze()
    }

    /// `None`: it is no value, or not one that can be read.
    pub(crate) fn decode(bytes: &Bytes) -> Option<Self> {
        let head = Head::of(bytes).filter(|head| head.kind() == Some(What::Document))?;
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let mut fields = std::str::from_utf8(bytes.get(Head::LEN..end)?).ok()?.split_ascii_whitespace();
        let mut number = || fields.next()?.parse::<u64>().ok().filter(|number| *number < LONGEST);
        let (made, fresh, cost, form) = (number()?, number()?, number()?, number()?);
        let body = bytes.slice(end + 1..);
        let value = match form {
            0 => None,
            1 => Some(V::decode(body)?),
            2 => Some(V::decode(decompress(&body)?)?),
            _ => return None,
        };
        let (fresh, cost) = (Duration::from_millis(fresh), Duration::from_millis(cost));
        Some(Self { head, value, made, fresh, cost })
    }
}

fn decompress(body: &[u8]) -> Option<Bytes> {
    let (length, compressed) = uncompressed_size(body).ok()?;
    let most = compressed.len().saturating_mul(DENSEST).min(LARGEST);
    (length <= most).then(|| decompress_size_prepended(body).ok()).flatten().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(body in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..3000)),
                                   made: u32, fresh: u32, cost: u32) {
            let value = body.map(Bytes::from);
            let (fresh, cost) = (Duration::from_millis(fresh.into()), Duration::from_millis(cost.into()));
            let entry = Entry { head: Head::new(What::Document), value, made: made.into(), fresh, cost };
            let read = Entry::<Bytes>::decode(&entry.encode()).unwrap();
            prop_assert_eq!((read.head, read.value, read.made), (entry.head, entry.value, entry.made));
            prop_assert_eq!((read.fresh, read.cost), (entry.fresh, entry.cost));
        }

        #[test]
        fn whatever_is_found_does_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let bytes = Bytes::from(bytes);
            let _ = Head::of(&bytes);
            let _ = Entry::<Bytes>::decode(&bytes);
            for document in [&b"D0123456789abcdef"[..], b"D0123456789abcdef 1 1 1 2\n"] {
                let read = Entry::<Bytes>::decode(&[document, &bytes].concat().into());
                let length = read.and_then(|entry| entry.value).map_or(0, |value| value.len());
                prop_assert!(length <= bytes.len() * DENSEST);
            }
        }

        #[test]
        fn times_that_are_none_are_not_believed(made: u64, fresh: u64, cost: u64, over in 0..4_u32, form in 0..4_u32) {
            let numbers = [made, fresh, cost].map(|number| if over == 0 { number } else { number >> (16 * over) });
            let [made, fresh, cost] = numbers;
            let text = format!("D0123456789abcdef {made} {fresh} {cost} {form}\n");
            match Entry::<Bytes>::decode(&Bytes::from(text)) {
                Some(entry) => {
                    prop_assert!(numbers.iter().all(|number| *number < LONGEST));
                    // What readers ask of it.
                    let _ = crate::fetch::fresh(&entry, u64::MAX);
                    let read = Entry::<Bytes>::decode(&entry.encode()).unwrap();
                    prop_assert_eq!((read.made, read.fresh, read.cost), (entry.made, entry.fresh, entry.cost));
                }
                None => prop_assert!(form > 1 || numbers.iter().any(|number| *number >= LONGEST)),
            }
        }
    }

    #[test]
    fn room_is_not_made_for_what_cannot_be() {
        let value = Some(Bytes::from("a".repeat(1 << 20)));
        let (fresh, cost) = (Duration::from_secs(1), Duration::ZERO);
        let entry = Entry { head: Head::new(What::Document), value, made: 1, fresh, cost };
        let written = entry.encode();
        assert_eq!(Entry::<Bytes>::decode(&written).unwrap().value, entry.value, "however much alike it is");
        // The decoder makes the room that is said, and is content with less in it.
        let short = compress_prepend_size(&[7; 2000]);
        let said = |length: u32| decompress(&[&length.to_le_bytes()[..], &short[4..]].concat());
        assert_eq!(said(2000).unwrap(), vec![7; 2000]);
        assert!([1 << 25, 1 << 27, u32::MAX].into_iter().all(|length| said(length).is_none()));
    }

    #[test]
    fn what_is_large_takes_less_room() {
        let value = Some(Bytes::from(r#"{"name":"a product"}"#.repeat(1000)));
        let (fresh, cost) = (Duration::from_secs(1), Duration::ZERO);
        let entry = Entry { head: Head::new(What::Document), value, made: 1, fresh, cost };
        let written = entry.encode();
        assert!(written.len() < 1000, "{} bytes", written.len());
        assert_eq!(Entry::<Bytes>::decode(&written).unwrap().value, entry.value);
    }

    #[test]
    fn heads_are_their_own() {
        let (one, other) = (Head::new(What::Lease), Head::new(What::Lease));
        assert_ne!(one, other);
        assert_eq!(Head::of(&one.value()), Some(one));
        assert!(Head::new(What::Mark).is_mark());
        assert_eq!(Head::changed(77).position(), Some(77));
        assert_eq!(one.position(), None);
        assert!(Entry::<Bytes>::decode(&one.value()).is_none());
    }
}
