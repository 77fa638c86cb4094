//! What the catalogue says now of what is in a cart.
//!
//! A cart's document holds prices as they were when each product was added: it changes only when somebody writes to the
//! cart, which is why it can be cached as it is. What has changed since in the catalogue is put in when it is shown. Most
//! of the time that is nothing, and the document goes out as it came; so it is not parsed, but looked through.
//!
//! Nor is it looked through each time: it is remembered that nothing has changed in it, or what, until the cart changes,
//! or anything in the catalogue.

mod annotate;

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cartwright_cache::Document;
use cartwright_catalog::CatalogService;
use quick_cache::unsync::Cache;

use self::annotate::{Annotated, with_current};
use crate::headers::Tag;

/// What was found when a cart was looked through, to be used again while neither the cart nor the catalogue changes.
#[derive(Clone)]
struct Looked {
    version: u64,
    moment: u64,
    until: Instant,
    /// What has changed, and in what.
    changed: Option<(Bytes, Annotated)>,
}

/// Whoever changes the catalogue past us is seen after this.
const AGAIN: Duration = Duration::from_secs(30);
/// Carts that a thread remembers to have looked through.
const REMEMBERED: usize = 20_000;

thread_local! {
    /// By the beginning of their documents, which names the owner.
    static LOOKED: RefCell<Cache<Bytes, Looked>> = RefCell::new(Cache::new(REMEMBERED));
}

/// What comes after the owner in a document.
const VERSION: &[u8] = br#","version":"#;

/// What a document begins with, up to its version.
fn owner_of(body: &Bytes) -> Option<Bytes> {
    let end = body.windows(VERSION.len()).position(|text| text == VERSION)?;
    Some(body.slice(..end))
}

/// A cart as it is shown now, and the entity tag of that.
pub(crate) async fn shown(catalog: &CatalogService, document: &Document) -> (Tag, Bytes) {
    let (version, body) = (document.version, &document.body);
    // Before anything is looked at: what changes meanwhile makes it another moment.
    let moment = catalog.node().moment();
    let owner = owner_of(body);
    let before = owner.as_ref().zip(moment).and_then(|(owner, moment)| {
        let looked = LOOKED.with_borrow(|looked| looked.get(owner).cloned())?;
        let same = (looked.version, looked.moment) == (version, moment) && Instant::now() < looked.until;
        // A version may come again with other lines, after a restore of the database.
        (same && looked.changed.as_ref().is_none_or(|(of, _)| of == body)).then_some(looked)
    });
    let changed = match before {
        Some(looked) => looked.changed.map(|(_, shown)| shown),
        None => {
            let (shown, certain) = with_current(catalog, body).await;
            if let (Some(owner), Some(moment), true) = (owner, moment, certain) {
                let changed = shown.clone().map(|shown| (body.clone(), shown));
                let looked = Looked { version, moment, until: Instant::now() + AGAIN, changed };
                // Not a slice of the document, which it would keep.
                let owner = Bytes::copy_from_slice(&owner);
                LOOKED.with_borrow_mut(|all| all.insert(owner, looked));
            }
            shown
        }
    };
    match changed {
        Some(Annotated { body, mark }) => (Tag { version, mark: Some(mark) }, body),
        None => (version.into(), body.clone()),
    }
}
