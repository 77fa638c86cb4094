//! The statement of a search, put together from constant pieces, so that each shape is prepared once and has a plan of its
//! own.

use cartwright_domain::{Category, Money, SearchQuery, SearchSort, SearchText};
use cartwright_storage::MAX_FOUND;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};

use crate::sql::{Bind, Built, ProductColumns, ProductRow, product_columns};

/// A single word that so many products have in name or category is not looked for in descriptions: it names a kind of
/// thing, and those are the things of that kind.
pub(super) const ENOUGH: u32 = 50;
/// How many words a beginning is completed to when there are other words. Alone, it is followed through all.
const COMPLETIONS: u32 = 50;

/// Of each match the category, the currency, the price and whether it is in stock; and whether more was left out.
type Counted = (Vec<Option<String>>, Vec<String>, Vec<i64>, Vec<bool>, bool);
type CountedColumns = (Array<Nullable<Text>>, Array<Text>, Array<BigInt>, Array<Bool>, Bool);

/// A place on the page, or 0 for what is counted of all.
pub(super) type Row = (i64, Option<Counted>, Option<ProductRow>);
type Columns = (BigInt, Nullable<CountedColumns>, Nullable<ProductColumns>);

/// The words that must all occur: instead of each, others may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Of each word that somebody looks for, those that will do, the closest first.
    pub(super) words: Vec<Vec<String>>,
    /// What the last word begins with. `None`: it is a whole one.
    pub(super) open: Option<String>,
    /// The words as they were written, if others may take their place.
    pub(super) written: Option<String>,
    /// Whether a single one is looked for in descriptions, too.
    pub(super) described: bool,
}

impl Wanted {
    /// Nothing but what was written; a single word in names and categories.
    pub(super) fn exactly(text: &SearchText) -> Self {
        let open = text.words().last().filter(|_| text.is_open()).cloned();
        let words: Vec<_> = text.words().iter().map(|word| vec![word.clone()]).collect();
        let described = words.len() > 1;
        Self { words, open, written: None, described }
    }

    /// Other words instead of some. The first one of each is that which was written.
    ///
    /// `found`: whether there are matches for what was written, which are better ones.
    pub(super) fn instead(mut words: Vec<Vec<String>>, found: bool) -> Self {
        let written: Vec<&[String]> = words.iter().map(|any| any.get(..1).unwrap_or_default()).collect();
        let written = found.then(|| tsquery(&written));
        if let ([any], false) = (&mut *words, found) {
            any.remove(0);
        }
        Self { words, open: None, written, described: true }
    }

    /// The only word.
    fn single(&self) -> Option<&[String]> {
        match &*self.words {
            [any] => Some(any),
            _ => None,
        }
    }

    /// What the index of all words is asked. An open word comes in the statement, with what it is completed to.
    fn tsquery(&self) -> String {
        let mut words: Vec<&[String]> = self.words.iter().map(Vec::as_slice).collect();
        if self.open.is_some() && words.len() > 1 {
            words.pop();
        }
        tsquery(&words)
    }
}

/// One of each.
fn tsquery(words: &[&[String]]) -> String {
    let quoted = |word: &String| format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"));
    let any = |any: &&[String]| format!("({})", any.iter().map(quoted).collect::<Vec<_>>().join(" | "));
    words.iter().map(any).collect::<Vec<_>>().join(" & ")
}

/// A search with what its parameters are made of.
pub(super) struct Search<'a> {
    query: &'a SearchQuery,
    wanted: Option<&'a Wanted>,
    tsquery: Option<String>,
}

/// What is remembered of a match.
const MATCH: &str = "p.id, p.price_minor, p.created_at, p.category, p.currency";

impl<'a> Search<'a> {
    pub(super) fn new(query: &'a SearchQuery, wanted: Option<&'a Wanted>) -> Self {
        Self { query, wanted, tsquery: wanted.map(Wanted::tsquery) }
    }

    /// `$1` the words, `$2` the category, `$3` to `$5` the prices, `$6` and `$7` the page, `$8` the beginning of the last
    /// word, or the words as they were written, `$9` those that will do for a single one. Not all are in every text.
    pub(super) fn statement(&self) -> Built<'_, Columns> {
        let price = self.query.price.as_ref();
        let minor = |money: Option<Money>| money.map(Money::minor);
        let single = self.wanted.and_then(Wanted::single).unwrap_or_default();
        let binds = vec![
            Bind::Maybe(self.tsquery.as_deref()),
            Bind::Maybe(self.query.category.as_ref().map(Category::as_str)),
            Bind::Maybe(price.map(|price| price.currency().code())),
            Bind::Int(price.and_then(|price| minor(price.min())).unwrap_or(0)),
            Bind::Int(price.and_then(|price| minor(price.max())).unwrap_or(i64::MAX)),
            Bind::Int(self.query.page.offset().into()),
            Bind::Int(self.query.page.size().into()),
            Bind::Maybe(self.wanted.and_then(|wanted| wanted.open.as_deref().or(wanted.written.as_deref()))),
            Bind::Texts(single),
        ];
        Built::new(self.sql(), binds)
    }

    fn sql(&self) -> String {
        let order = self.order();
        // What was found among the products is fetched by where it lies: a statement finds it there until its end.
        let (found, more, by) = match self.wanted {
            None => (self.anything(), "false".to_owned(), "ctid"),
            Some(wanted) => match wanted.single() {
                Some(any) => (
                    self.single(any.len() > 1, wanted.open.is_some(), wanted.described),
                    format!("(SELECT count(*) > {MAX_FOUND} FROM named)"),
                    "id",
                ),
                None => (self.several(wanted), "false".to_owned(), "ctid"),
            },
        };
        // What is counted is counted by the caller: an array of each column costs less here than groups and JSON.
        format!(
            "WITH {found}, \
             page AS MATERIALIZED ( \
                 SELECT {by} AS by, row_number() OVER (ORDER BY {order}) AS at \
                 FROM (SELECT * FROM found ORDER BY {order} LIMIT $7::bigint OFFSET $6::bigint) f) \
             SELECT 0::bigint AS at, coalesce(array_agg(category), '{{}}'), coalesce(array_agg(currency), '{{}}'), \
                 coalesce(array_agg(price_minor), '{{}}'), coalesce(array_agg(in_stock), '{{}}'), {more}, {NO_PRODUCT} \
             FROM found \
             UNION ALL \
             SELECT page.at, NULL, NULL, NULL, NULL, NULL, {} FROM page JOIN products p ON p.{by} = page.by \
             ORDER BY at",
            product_columns!()
        )
    }

    /// In which order: among what was found, and of the index when there are no words.
    fn order(&self) -> &'static str {
        match self.query.sort {
            SearchSort::Relevance if self.wanted.is_some() => "rank DESC, id",
            SearchSort::Relevance | SearchSort::Newest => "created_at DESC, id DESC",
            SearchSort::PriceUp => "price_minor, id",
            SearchSort::PriceDown => "price_minor DESC, id DESC",
        }
    }

    /// What passes the filters, along the index of the order that is asked for.
    fn anything(&self) -> String {
        let by_price = matches!(self.query.sort, SearchSort::PriceUp | SearchSort::PriceDown);
        // What can be bought is not retired; saying so, too, offers the planner the indexes of lists.
        let filters = self.filters(&Table {
            begin: "p.active AND p.retired_at IS NULL",
            category: "p.category",
            price: if by_price { "p.price_minor" } else { "p.price_minor + 0" },
            range: Range::Index,
            in_stock: "p.stock > 0",
        });
        format!(
            "found AS MATERIALIZED ( \
                 SELECT p.ctid, {MATCH}, p.stock > 0 AS in_stock, 0::real AS rank FROM products p \
                 WHERE {filters} ORDER BY {} LIMIT {LIMIT})",
            self.order()
        )
    }

    /// One word, of which there may be more than one wants to see: names and categories in the order of the index, and
    /// descriptions when few have it there. The closest word first, then names before categories.
    fn single(&self, any: bool, open: bool, described: bool) -> String {
        let filters = self.filters(&Table {
            begin: "",
            category: "p.category",
            price: "p.price_minor",
            range: Range::Coin,
            in_stock: "p.in_stock",
        });
        let named = if open {
            format!(
                "SELECT {MATCH}, p.in_stock, (2 * (p.word = $8::text)::integer - p.place)::real AS rank \
                 FROM product_words p WHERE p.word >= $8::text AND p.word < $8::text || chr(1114111){filters} \
                 ORDER BY p.word, p.place, p.id LIMIT {LIMIT}"
            )
        } else {
            format!(
                "SELECT m.* FROM unnest($9::text[]) WITH ORDINALITY AS w (word, at) CROSS JOIN LATERAL ( \
                     SELECT {MATCH}, p.in_stock, (-2 * w.at - p.place)::real AS rank \
                     FROM product_words p WHERE p.word = w.word COLLATE \"C\"{filters} \
                     ORDER BY p.place, p.id LIMIT {LIMIT}) m LIMIT {LIMIT}"
            )
        };
        let once = if any || open {
            "(SELECT DISTINCT ON (id) * FROM named ORDER BY id, rank DESC)"
        } else {
            "SELECT * FROM named"
        };
        if !described {
            return format!("named AS MATERIALIZED ({named}), found AS MATERIALIZED ({once})");
        }
        let filters = self.filters(&FOUND_BY_WORDS);
        // Few pass the filters: that is no reason to gather all the descriptions that have a common word.
        format!(
            "named AS MATERIALIZED ({named}), \
             found AS MATERIALIZED ({once} UNION ALL ( \
                 SELECT {MATCH}, p.stock > 0, ts_rank(p.search, (SELECT $1::text::tsquery)) - 100 FROM products p \
                 WHERE (SELECT count(*) < {ENOUGH} FROM ( \
                         SELECT FROM product_words WHERE word = ANY ($9::text[]) LIMIT {ENOUGH}) w) \
                     AND p.search @@ (SELECT $1::text::tsquery) \
                     AND {filters} AND p.id NOT IN (SELECT id FROM named) LIMIT {LIMIT}) LIMIT {LIMIT})"
        )
    }

    /// Words that all occur. Parameters become queries once, and not for every match: hence the selects.
    fn several(&self, wanted: &Wanted) -> String {
        let words = if wanted.open.is_some() {
            // The word itself, for descriptions may have it. No word has a quote: none is left in what is indexed.
            format!(
                "SELECT ($1::text || ' & (''' || $8::text || '''' || coalesce(( \
                     SELECT string_agg(' | ''' || word || '''', '') FROM ( \
                         SELECT word FROM words WHERE word >= $8::text AND word < $8::text || chr(1114111) \
                         ORDER BY length(word), word LIMIT {COMPLETIONS}) w), '') || ')')::tsquery"
            )
        } else {
            "SELECT $1::text::tsquery".to_owned()
        };
        let closer = match wanted.written {
            Some(_) => " + 2 * (p.search @@ (SELECT $8::text::tsquery))::integer",
            None => "",
        };
        let filters = self.filters(&FOUND_BY_WORDS);
        format!(
            "words_of AS MATERIALIZED ({words} AS q), \
             found AS MATERIALIZED ( \
                 SELECT p.ctid, {MATCH}, p.stock > 0 AS in_stock, \
                     (ts_rank(p.search, (SELECT q FROM words_of)){closer})::real AS rank \
                 FROM products p WHERE p.search @@ (SELECT q FROM words_of) AND {filters} LIMIT {LIMIT})"
        )
    }

    /// Only filters that are asked for are named, so that the planner sees what is there to be read.
    fn filters(&self, table: &Table) -> String {
        let mut filters = table.begin.to_owned();
        if self.query.category.is_some() {
            filters.push_str(&format!(" AND {} = $2::text", table.category));
        }
        if self.query.price.is_some() {
            let price = table.price;
            // As a case, the planner takes it for a coin that is thrown. It would expect a range to leave hardly anything,
            // and read and sort all matches of a word, where the first ones in order are enough.
            filters.push_str(&match table.range {
                Range::Coin => format!(
                    " AND CASE WHEN {price} BETWEEN $4::bigint AND $5::bigint THEN p.currency = $3::text ELSE false END"
                ),
                Range::Index => {
                    format!(" AND {price} BETWEEN $4::bigint AND $5::bigint AND p.currency = $3::text")
                }
            });
        }
        if self.query.in_stock {
            filters.push_str(&format!(" AND {}", table.in_stock));
        }
        filters
    }
}

/// One more than counts: it tells whether there are more.
const LIMIT: u32 = MAX_FOUND + 1;

/// How the filters are written for a table.
struct Table {
    begin: &'static str,
    category: &'static str,
    price: &'static str,
    range: Range,
    in_stock: &'static str,
}

/// How a range of prices is written.
enum Range {
    /// So that an index of prices can be used.
    Index,
    /// So that it does not change the plan.
    Coin,
}

/// What passes is picked from what the words find: no index of a category or a price is read beside theirs, which would be
/// read whole. `coalesce` hides the column from its index.
const FOUND_BY_WORDS: Table = Table {
    begin: "p.active",
    category: "coalesce(p.category, '')",
    price: "p.price_minor",
    range: Range::Coin,
    in_stock: "p.stock > 0",
};

/// Instead of a product.
const NO_PRODUCT: &str = "NULL::text, NULL::text, NULL::text, NULL::bigint, NULL::text, NULL::integer, NULL::text, \
    NULL::text, NULL::boolean, NULL::bigint, NULL::timestamptz, NULL::timestamptz";
