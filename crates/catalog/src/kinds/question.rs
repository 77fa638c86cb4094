use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use bytes::Bytes;
use cartwright_domain::{Category, ListQuery, Money, Paging, SearchQuery};
use cartwright_layered::{CacheKey, Policy, Tag, TaggedKey};

use super::{everything, minutes, of_category};

/// A key made of a question: compared and named by a text that says all of it.
#[derive(Debug, Clone)]
pub(crate) struct Question<Q> {
    pub(crate) question: Arc<Q>,
    text: Arc<str>,
}

impl<Q: Asked> Question<Q> {
    pub(crate) fn new(question: Q) -> Self {
        let text = Arc::from(question.words());
        Self { question: Arc::new(question), text }
    }
}

/// Something that can be asked, in words that are the same for the same question.
pub(crate) trait Asked: std::fmt::Debug + Send + Sync + 'static {
    const KIND: &'static str;
    const POLICY: Policy;
    fn words(&self) -> String;
    fn category(&self) -> Option<&Category>;
}

impl<Q> PartialEq for Question<Q> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<Q> Eq for Question<Q> {}

impl<Q> PartialOrd for Question<Q> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<Q> Ord for Question<Q> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl<Q> std::hash::Hash for Question<Q> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl<Q: Asked> CacheKey for Question<Q>
where
    Q: Clone,
{
    type Value = Bytes;
    const KIND: &'static str = Q::KIND;
    const POLICY: Policy = Q::POLICY;

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.text)
    }
}

impl<Q: Asked + Clone> TaggedKey for Question<Q> {
    fn tags(&self) -> Vec<Tag> {
        vec![self.question.category().map_or_else(everything, of_category)]
    }
}

impl Asked for ListQuery {
    const KIND: &'static str = "listing";
    const POLICY: Policy = Policy::ttl(minutes(10));

    fn words(&self) -> String {
        let mut words = format!("{:?}/{:?}/", self.sort, self.active);
        let _ = match &self.paging {
            Paging::Page(page) => write!(words, "page {}x{}", page.number(), page.size()),
            Paging::After(cursor, size) => {
                let cursor = cursor.as_ref().map(ToString::to_string).unwrap_or_default();
                write!(words, "after {}:{}x{}", cursor.len(), cursor, size.get())
            }
        };
        if let Some(category) = &self.category {
            let _ = write!(words, "/{category}");
        }
        words
    }

    fn category(&self) -> Option<&Category> {
        self.category.as_ref()
    }
}

impl Asked for SearchQuery {
    const KIND: &'static str = "search";
    const POLICY: Policy = Policy::ttl(minutes(10));

    fn words(&self) -> String {
        let price = self.price.map(|range| {
            let end = |end: Option<Money>| end.map(|money| money.minor().to_string()).unwrap_or_default();
            format!("{}-{} {}", end(range.min()), end(range.max()), range.currency())
        });
        let text = self.text.as_ref().map(|text| (text.to_string(), text.is_open()));
        let page = (self.page.number(), self.page.size());
        let category = self.category.as_ref().map(Category::as_str);
        format!("{text:?}/{category:?}/{price:?}/{}/{:?}/{page:?}", self.in_stock, self.sort)
    }

    fn category(&self) -> Option<&Category> {
        self.category.as_ref()
    }
}

/// All categories.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AllCategories;

impl Asked for AllCategories {
    const KIND: &'static str = "categories";
    const POLICY: Policy = Policy::ttl(minutes(10));

    fn words(&self) -> String {
        "all".to_owned()
    }

    fn category(&self) -> Option<&Category> {
        None
    }
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{PageSize, SearchText};

    use super::*;

    #[test]
    fn different_questions_have_different_words() {
        let category = |name: &str| Some(Category::new(name).unwrap());
        let search = |text: &str| SearchQuery { text: Some(SearchText::new(text)), ..SearchQuery::default() };
        let asked = [
            SearchQuery::default().words(),
            search("tea").words(),
            search("tea ").words(),
            search("").words(),
            SearchQuery { category: category("tea"), ..SearchQuery::default() }.words(),
            SearchQuery { category: category("tea"), ..search("tea") }.words(),
            SearchQuery { in_stock: true, ..search("tea") }.words(),
        ];
        let unique: std::collections::BTreeSet<_> = asked.iter().collect();
        assert_eq!(unique.len(), asked.len(), "{asked:?}");
        let list = |category, paging| ListQuery { category, paging, ..ListQuery::default() }.words();
        let size = PageSize::new(5).unwrap();
        let lists = [
            list(None, Paging::After(None, size)),
            list(None, Paging::Page(cartwright_domain::Page::first(size))),
            list(category("x"), Paging::After(None, size)),
        ];
        let unique: std::collections::BTreeSet<_> = lists.iter().collect();
        assert_eq!(unique.len(), lists.len(), "{lists:?}");
    }
}
