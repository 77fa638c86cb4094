use std::marker::PhantomData;

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz},
};

/// One parameter of a [`Built`] statement.
#[derive(Debug, Clone)]
pub(crate) enum Bind<'a> {
    Text(&'a str),
    Maybe(Option<&'a str>),
    Texts(&'a [String]),
    Int(i64),
    Time(chrono::DateTime<chrono::Utc>),
}

/// A statement that is put together from constant pieces: there are as many texts as there are orders and filters.
/// Like the others, each is prepared once per connection, and kept by its text.
#[derive(Debug, Clone)]
pub(crate) struct Built<'a, Columns> {
    sql: String,
    binds: Vec<Bind<'a>>,
    columns: PhantomData<Columns>,
}

impl<'a, Columns> Built<'a, Columns> {
    /// `$1` is the first of the parameters.
    pub(crate) fn new(sql: String, binds: Vec<Bind<'a>>) -> Self {
        Self { sql, binds, columns: PhantomData }
    }
}

impl<Columns> QueryFragment<Pg> for Built<'_, Columns> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(&self.sql);
        for bind in &self.binds {
            match bind {
                Bind::Text(text) => out.push_bind_param_value_only::<Text, _>(text)?,
                Bind::Maybe(text) => out.push_bind_param_value_only::<Nullable<Text>, _>(text)?,
                Bind::Int(int) => out.push_bind_param_value_only::<BigInt, _>(int)?,
                Bind::Texts(texts) => out.push_bind_param_value_only::<Array<Text>, _>(texts)?,
                Bind::Time(time) => out.push_bind_param_value_only::<Timestamptz, _>(time)?,
            }
        }
        Ok(())
    }
}

impl<Columns> QueryId for Built<'_, Columns> {
    type QueryId = ();
    /// The text is the identity.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Columns> Query for Built<'_, Columns> {
    type SqlType = Columns;
}
