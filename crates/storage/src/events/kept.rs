//! Events as they are read.

use cartwright_domain::OwnerId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{EventType, EventTypes, new::time};
use crate::StorageError;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its number: events are numbered without gaps, in the order in which they can be seen.
    pub number: u64,
    /// What.
    pub kind: EventType,
    /// What it is about: the id of an order, a product or a hold, or whose cart.
    pub subject: String,
    /// Whose it is. `None`: nobody's.
    pub owner: Option<OwnerId>,
    /// When.
    pub at: DateTime<Utc>,
    /// What else there is to say: a JSON object.
    pub data: Box<RawValue>,
}

/// An event as it goes out: the attributes of CloudEvents 1.0 in JSON, and the owner as an extension.
#[derive(Serialize)]
struct Document<'a> {
    specversion: &'a str,
    id: String,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    time: String,
    owner: Option<&'a str>,
    data: &'a RawValue,
}

impl Event {
    /// As it goes out to whomever: a line of JSON, with the names of CloudEvents 1.0.
    pub fn document(&self) -> String {
        let document = Document {
            specversion: "1.0",
            id: self.number.to_string(),
            source: "/cartwright",
            kind: self.kind.name(),
            subject: &self.subject,
            time: time(self.at),
            owner: self.owner.as_ref().map(OwnerId::as_str),
            data: &self.data,
        };
        // Strings and JSON: cannot fail.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

/// Equal when they say the same.
impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.document() == other.document()
    }
}

/// Which events are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery {
    /// Those after this number.
    pub after: u64,
    /// Of these types.
    pub types: EventTypes,
    /// Of this owner. `None`: of anybody, and nobody's.
    pub owner: Option<OwnerId>,
    /// How many at most.
    pub limit: u32,
}

impl EventQuery {
    /// How many rows are looked at in one go at most, however few of their events are wanted.
    pub const ROWS: u32 = 200;

    /// How many rows are looked at in one go. Where all events are wanted there is one in each row but the first.
    pub fn rows(&self) -> u32 {
        let of_everything = self.types == EventTypes::ALL && self.owner.is_none();
        if of_everything { Self::ROWS.min(self.limit.saturating_add(1)) } else { Self::ROWS }
    }

    fn wants(&self, event: &Event) -> bool {
        self.types.contains(event.kind)
            && self.owner.as_ref().is_none_or(|owner| event.owner.as_ref() == Some(owner))
    }
}

/// What was found. That there is little, or nothing, does not mean that there is no more: see `looked`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventPage {
    /// The events, in the order of their numbers.
    pub events: Vec<Event>,
    /// All up to this number were looked at.
    pub looked: u64,
    /// The number of the last event that there was.
    pub last: u64,
    /// Events up to this number have been removed.
    pub removed: u64,
}

impl EventPage {
    /// Nobody wants any of those up to this number, and none was read.
    pub fn passed_over(last: u64) -> Self {
        Self { looked: last, last, ..Self::default() }
    }

    /// Whether there was more to look at.
    pub fn has_more(&self) -> bool {
        self.looked < self.last
    }

    /// Whether events were removed that the one who asked has not seen.
    pub fn missed(&self, after: u64) -> bool {
        after < self.removed
    }
}

/// A row as a store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The number of its first event.
    pub first: u64,
    /// How many there are in it.
    pub count: u64,
    /// When they happened.
    pub at: DateTime<Utc>,
    /// The events. `None`: none of them is of a type that was asked for.
    pub packed: Option<String>,
}

/// One of them, as it was written.
#[derive(Deserialize)]
struct Kept<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    owner: Option<&'a str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl EventRow {
    fn last(&self) -> u64 {
        (self.first + self.count).saturating_sub(1)
    }

    /// The types of its events with their numbers. A type that only a later version knows is left out.
    pub(crate) fn types(&self) -> Result<Vec<(u64, EventType)>, StorageError> {
        let kept = self.kept()?;
        let known = |(number, kept): (u64, Kept<'_>)| Some((number, kept.kind.parse().ok()?));
        Ok((self.first..).zip(kept).filter_map(known).collect())
    }

    fn kept(&self) -> Result<Vec<Kept<'_>>, StorageError> {
        let Some(packed) = &self.packed else { return Ok(Vec::new()) };
        let kept: Vec<Kept<'_>> = serde_json::from_str(packed).map_err(broken)?;
        if kept.len() as u64 == self.count {
            return Ok(kept);
        }
        Err(StorageError::unexpected("a row of events with another number of them than it says"))
    }

    fn events(&self) -> Result<Vec<Event>, StorageError> {
        let event = |(number, kept): (u64, Kept<'_>)| {
            // Of a type that only a later version knows.
            let Ok(kind) = kept.kind.parse() else { return Ok(None) };
            let owner = kept.owner.map(OwnerId::new).transpose().map_err(broken)?;
            let (subject, data) = (kept.subject.to_owned(), kept.data.to_owned());
            Ok(Some(Event { number, kind, subject, owner, at: self.at, data }))
        };
        (self.first..).zip(self.kept()?).map(event).filter_map(Result::transpose).collect()
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::Unexpected("events that cannot be read".to_owned(), Some(Box::new(error)))
}

/// Makes a page of rows, the same for every store. The first row may begin before what is wanted.
///
/// # Errors
/// [`StorageError`] when a row cannot be read.
pub fn event_page(
    query: &EventQuery,
    last: u64,
    removed: u64,
    rows: &[EventRow],
) -> Result<EventPage, StorageError> {
    let mut page = EventPage { events: Vec::new(), looked: query.after, last, removed };
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    for row in rows {
        for event in row.events()? {
            if event.number <= query.after || !query.wants(&event) {
                continue;
            }
            if page.events.len() == limit {
                return Ok(page);
            }
            page.looked = event.number;
            page.events.push(event);
        }
        page.looked = page.looked.max(row.last());
    }
    if rows.len() < query.rows() as usize {
        page.looked = page.looked.max(last);
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use cartwright_domain::ProductId;

    use super::*;
    use crate::NewEvents;

    fn row(first: u64, stocks: std::ops::Range<u32>) -> EventRow {
        let mut new = NewEvents::new();
        for stock in stocks {
            new.stock_low(&ProductId::new("tea").unwrap(), stock, 9);
        }
        let packed = Some(new.packed().to_owned());
        EventRow { first, count: new.count().into(), at: DateTime::UNIX_EPOCH, packed }
    }

    fn query(after: u64, limit: u32) -> EventQuery {
        EventQuery { after, types: EventTypes::ALL, owner: None, limit }
    }

    fn numbers(page: &EventPage) -> Vec<u64> {
        page.events.iter().map(|event| event.number).collect()
    }

    #[test]
    fn pages_begin_and_end_in_the_middle_of_rows() {
        let rows = [row(1, 0..3), row(4, 3..6)];
        let page = event_page(&query(1, 3), 6, 0, &rows).unwrap();
        assert_eq!((numbers(&page), page.looked, page.has_more()), (vec![2, 3, 4], 4, true));
        let page = event_page(&query(4, 3), 6, 0, &rows[1..]).unwrap();
        assert_eq!((numbers(&page), page.looked, page.has_more()), (vec![5, 6], 6, false));
        let full = event_page(&query(3, 3), 6, 0, &rows[1..]).unwrap();
        assert_eq!((numbers(&full), full.looked), (vec![4, 5, 6], 6));
        assert_eq!(full.events[2].data.get(), r#"{"stock":5,"threshold":9}"#);
    }

    #[test]
    fn what_is_not_wanted_is_looked_at() {
        let mut other = row(4, 0..9);
        other.packed = None;
        let of_nobody = EventQuery { owner: Some(OwnerId::new("ana").unwrap()), ..query(0, 5) };
        let page = event_page(&of_nobody, 12, 0, &[row(1, 0..3), other]).unwrap();
        assert_eq!((page.events.len(), page.looked), (0, 12));
        assert!(event_page(&query(0, 5), 0, 0, &[]).unwrap() == EventPage::default());
    }

    #[test]
    fn a_type_of_a_later_version_is_passed_over_but_counts() {
        let mut two = row(1, 0..2);
        two.packed = two.packed.map(|packed| packed.replacen("stock.low", "stock.high", 1));
        let page = event_page(&query(0, 5), 2, 0, &[two.clone()]).unwrap();
        assert_eq!((numbers(&page), page.looked), (vec![2], 2));
        assert_eq!(two.types().unwrap(), [(2, EventType::StockLow)]);
        two.count = 3;
        assert!(event_page(&query(0, 5), 2, 0, &[two]).is_err());
    }

    #[test]
    fn a_document_is_a_line_of_json_with_the_names_of_cloudevents() {
        let page = event_page(&query(0, 1), 1, 0, &[row(1, 4..5)]).unwrap();
        assert_eq!(
            page.events[0].document(),
            r#"{"specversion":"1.0","id":"1","source":"/cartwright","type":"stock.low","subject":"tea","time":"1970-01-01T00:00:00Z","owner":null,"data":{"stock":4,"threshold":9}}"#
        );
    }
}
